//! Reads the paths that a Rust file names: `use` trees spread out, comments, texts and tests left out.

/// The code that is no test: what stands before the test module, which is the last thing of a file.
pub fn without_tests(text: &str) -> String {
    if text.trim_start().starts_with("#![cfg(test)]") {
        return String::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim().starts_with("mod ");
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

/// The text without comments and with empty string literals.
pub fn code(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let (mut at, mut out) = (0, String::new());
    while at < signs.len() {
        let rest = &signs[at..];
        match rest {
            ['/', '/', ..] => at += rest.iter().position(|sign| *sign == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => at += end_of_block(rest),
            ['r', '"' | '#', ..] if !ends_in_word(&out) && raw(rest).is_some() => {
                at += raw(rest).unwrap_or(1);
                out.push_str("\"\"");
            }
            ['"', ..] => {
                at += end_of_quoted(rest);
                out.push_str("\"\"");
            }
            ['\'', '\\', ..] => at += end_of_character(rest),
            ['\'', _, '\'', ..] => at += 3,
            [sign, ..] => {
                out.push(*sign);
                at += 1;
            }
            [] => break,
        }
    }
    out
}

/// Every path that begins with `crate`, `std` or a name that can be a crate; `super` is followed up to the
/// root from a module `depth` levels below it.
pub fn paths(text: &str, depth: usize) -> Vec<String> {
    let tokens = tokens(&code(text));
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if is_word(&tokens[at]) && is_root(&tokens, at) {
            spread(&tokens, at, String::new(), &mut found);
        }
    }
    found.into_iter().filter_map(|path| rooted(&path, depth)).collect()
}

/// Whether a path begins at this word; behind `{` or `,` it doesn't if that stands inside a `use` tree.
fn is_root(tokens: &[String], at: usize) -> bool {
    let leads_on = tokens.get(at + 1).is_some_and(|next| next == "::");
    match at.checked_sub(1).map(|before| tokens[before].as_str()) {
        Some("use") => true,
        Some("::" | "." | "fn" | "mod") => false,
        Some("{" | ",") => leads_on && !is_in_tree(&tokens[..at]),
        _ => leads_on,
    }
}

/// Whether a `use` before has more braces opened than closed.
fn is_in_tree(before: &[String]) -> bool {
    let statement = before.iter().rposition(|token| token == ";").map_or(0, |end| end + 1);
    before[statement..].iter().rposition(|token| token == "use").is_some_and(|from| {
        let count = |brace| before[statement + from..].iter().filter(|token| *token == brace).count();
        count("{") > count("}")
    })
}

/// Appends the paths of the tree that begins at `at`; returns where it ends.
fn spread(tokens: &[String], mut at: usize, before: String, found: &mut Vec<String>) -> usize {
    let mut path = before;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = spread(tokens, at, path.clone(), found);
                    while tokens.get(at).is_some_and(|token| token != "," && token != "}") {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some(word) if is_word(word) && word != "self" => {
                path = if path.is_empty() { word.to_owned() } else { format!("{path}::{word}") };
                at += 1;
            }
            _ => at += 1,
        }
        if tokens.get(at).is_none_or(|token| token != "::")
            || tokens.get(at + 1).is_none_or(|next| !is_step(next))
        {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

/// The path from the root of the crate; none if it stays inside the room or begins with a local name.
fn rooted(path: &str, depth: usize) -> Option<String> {
    let ups = path.split("::").take_while(|part| *part == "super").count();
    let first = path.split("::").next()?;
    if ups > 0 {
        let rest: Vec<&str> = path.split("::").skip(ups).collect();
        return (ups == depth).then(|| format!("crate::{}", rest.join("::")));
    }
    let is_known = matches!(first, "crate" | "std") || KNOWN_CRATES.contains(&first);
    is_known.then(|| path.to_owned())
}

/// Crates whose names can stand at the front of a path: those of the manifest.
pub const KNOWN_CRATES: &[&str] = &[
    "aes",
    "argh",
    "argon2",
    "async_signal",
    "base64ct",
    "crc32fast",
    "env_logger",
    "fastrand",
    "futures_rustls",
    "hmac",
    "libc",
    "log",
    "md4",
    "md5",
    "memchr",
    "postcard",
    "qrcode",
    "rcgen",
    "redb",
    "ring",
    "rustix",
    "rustls",
    "serde",
    "serde_json",
    "smol",
    "time",
    "unicode_normalization",
    "yescrypt",
    "zeroize",
];

fn is_step(token: &str) -> bool {
    is_word(token) || token == "{" || token == "*"
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|sign| sign.is_alphabetic() || sign == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let signs: Vec<char> = code.chars().collect();
    let (mut at, mut tokens) = (0, Vec::new());
    while at < signs.len() {
        let length = match &signs[at..] {
            [':', ':', ..] => 2,
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                signs[at..].iter().take_while(|sign| sign.is_alphanumeric() || **sign == '_').count()
            }
            _ => 1,
        };
        if !signs[at].is_whitespace() {
            tokens.push(signs[at..at + length].iter().collect());
        }
        at += length;
    }
    tokens
}

fn ends_in_word(out: &str) -> bool {
    out.ends_with(|sign: char| sign.is_alphanumeric() || sign == '_') && !out.ends_with('b')
}

fn end_of_block(rest: &[char]) -> usize {
    rest.windows(2).position(|pair| pair == ['*', '/']).map_or(rest.len(), |end| end + 2)
}

fn end_of_quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_character(rest: &[char]) -> usize {
    rest.iter().skip(3).position(|sign| *sign == '\'').map_or(rest.len(), |end| end + 4)
}

/// Length of a raw string literal; none if it is none.
fn raw(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|sign| **sign == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = &rest[2 + hashes..];
    inside.windows(closing.len()).position(|part| part == closing).map(|end| 2 + hashes + end + closing.len())
}
