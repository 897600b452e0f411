//! Accounts of the system that are made for mail alone, by the system's own tools, and go with their mailbox (A5).
//!
//! ```text
//! look(name) -> None    -- make  --> an account without home and login shell, in poppet-users
//!            -> Found   -- join  --> in poppet-users too; its password and shell stay
//!               Found.is_ours    --> remove
//! ```
//!
//! Tools are looked for in fixed places and run without a shell, with no variables of ours, and passwords go in by
//! standard input only (S-321). The names are those that every tool takes (S-326).

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{GROUP, files};
use crate::limits::LEAST_UID;
use crate::mail::{Secret, printable};

/// An account that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub uid: u32,
    /// Whether it is in the group of poppet's users.
    pub is_member: bool,
    /// Whether it can't be logged on to: its shell is one that says so.
    pub has_no_login: bool,
}

/// Why an account was not made or removed: what is wrong and what to do, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakingError(pub String);

/// Errs if that can't be the name of an account that is made for mail.
pub fn check_name(name: &str) -> Result<(), MakingError> {
    let mut letters = name.bytes();
    let is_first = |octet: u8| octet.is_ascii_lowercase() || octet == b'_';
    let is_next = |octet: u8| is_first(octet) || octet.is_ascii_digit() || octet == b'-';
    match letters.next().is_some_and(is_first) && letters.all(is_next) && name.len() <= NAME_OCTETS {
        true => Ok(()),
        false => Err(MakingError(format!(
            "\"{}\" can't be the name of an account: it takes a-z, 0-9, _ and -, a letter first, {NAME_OCTETS} at most; \
             give one with --account",
            printable(name.as_bytes())
        ))),
    }
}

/// The account of that name, by the system's own files.
pub fn look(name: &str) -> Result<Option<Found>, MakingError> {
    let read = |path: &str| {
        let octets = std::fs::read(path);
        octets.map(|octets| String::from_utf8_lossy(&octets).into_owned())
    };
    let passwd =
        read("/etc/passwd").map_err(|error| MakingError(format!("can't read /etc/passwd: {error}")))?;
    Ok(find(name, &passwd, &read("/etc/group").unwrap_or_default()))
}

/// Makes an account of that name with that password. On an error it is not there.
pub fn make(name: &str, password: &Secret) -> Result<(), MakingError> {
    check_name(name)?;
    let kit = Kit::here()?;
    make_group(kit)?;
    run(kit, &Act::Make { name, shell: nologin() }, None)?;
    let rest = || {
        if kit == Kit::Busybox {
            run(kit, &Act::Join(name), None)?;
        }
        run(kit, &Act::Password, Some(&line_of(name, password)))?;
        match look(name)? {
            Some(found) if found.is_member && found.uid >= LEAST_UID => Ok(()),
            _ => Err(MakingError(format!("{name} was not made as it should be: look at /etc/login.defs"))),
        }
    };
    rest().inspect_err(|_| drop(remove(name)))
}

/// Puts an account that is there into the group. Errs for one of the system itself.
pub fn join(name: &str, found: &Found) -> Result<(), MakingError> {
    check_name(name)?;
    may_be_users(name, found)?;
    let kit = Kit::here()?;
    make_group(kit)?;
    run(kit, &Act::Join(name), None)
}

/// Takes an account out of the group again.
pub fn leave(name: &str) -> Result<(), MakingError> {
    check_name(name)?;
    run(Kit::here()?, &Act::Leave(name), None)
}

/// Errs if an account was not made for mail alone: then it is not removed.
pub fn must_be_ours(name: &str, found: &Found) -> Result<(), MakingError> {
    check_name(name)?;
    may_be_users(name, found)?;
    let why = match found {
        Found { is_member: false, .. } => format!("is not in the group {GROUP}"),
        Found { has_no_login: false, .. } => "has a login shell, so it is not for mail alone".into(),
        _ => return Ok(()),
    };
    Err(MakingError(format!(
        "the account {name} {why}: leave out --delete-user, and remove it by userdel if that is meant"
    )))
}

/// Removes an account, without any file of it. The caller has made sure that it is ours.
pub fn remove(name: &str) -> Result<(), MakingError> {
    check_name(name)?;
    run(Kit::here()?, &Act::Remove(name), None)
}

fn may_be_users(name: &str, found: &Found) -> Result<(), MakingError> {
    match found.uid >= LEAST_UID && !files::NOBODIES.contains(&found.uid) {
        true => Ok(()),
        false => Err(MakingError(format!(
            "the account {name} is one of the system's own (uid {}), which no user has: take another name",
            found.uid
        ))),
    }
}

fn make_group(kit: Kit) -> Result<(), MakingError> {
    let group = std::fs::read("/etc/group").unwrap_or_default();
    match String::from_utf8_lossy(&group).lines().any(|line| line.split(':').next() == Some(GROUP)) {
        true => Ok(()),
        false => run(kit, &Act::Group, None),
    }
}

/// passwd(5), group(5). A name that stands twice is that of its first line, as the system takes it.
fn find(name: &str, passwd: &str, group: &str) -> Option<Found> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.into_iter().find(|fields| fields.first() == Some(&name) && fields.len() == 7)?;
    let members =
        group.lines().find_map(|line| line.strip_prefix(GROUP)?.strip_prefix(':')?.split(':').nth(2));
    Some(Found {
        uid: user[2].parse().ok()?,
        is_member: members.is_some_and(|members| members.split(',').any(|member| member == name)),
        has_no_login: NO_SHELLS.contains(&user[6]),
    })
}

/// The tools that a system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kit {
    /// useradd and the like, of the package shadow or passwd.
    Shadow,
    /// adduser and the like, of busybox.
    Busybox,
}

/// What a tool is run for.
enum Act<'a> {
    Group,
    Make { name: &'a str, shell: &'a str },
    Join(&'a str),
    Leave(&'a str),
    Password,
    Remove(&'a str),
}

impl Kit {
    fn here() -> Result<Kit, MakingError> {
        match (tool("useradd"), tool("adduser")) {
            (Some(path), _) if !is_busybox(&path) => Ok(Kit::Shadow),
            (_, Some(path)) if is_busybox(&path) => Ok(Kit::Busybox),
            _ => Err(MakingError(format!(
                "this system has neither useradd nor busybox's adduser: make the account yourself, put it into the \
                 group {GROUP}, and leave out --create-user"
            ))),
        }
    }

    /// The tool and its arguments; no secret is among them.
    fn words<'a>(self, act: &Act<'a>) -> (&'static str, Vec<&'a str>) {
        match (self, act) {
            (Kit::Shadow, Act::Group) => ("groupadd", vec!["--force", "--system", "--", GROUP]),
            (Kit::Shadow, Act::Make { name, shell }) => {
                let home = ["--no-create-home", "--home-dir", NO_HOME, "--shell", shell];
                let rest = ["--groups", GROUP, "--comment", COMMENT, "--", name];
                ("useradd", [&home[..], &rest[..]].concat())
            }
            (Kit::Shadow, Act::Join(name)) => ("usermod", vec!["--append", "--groups", GROUP, "--", name]),
            (Kit::Shadow, Act::Leave(name)) => ("gpasswd", vec!["--delete", name, GROUP]),
            (Kit::Shadow, Act::Password) => ("chpasswd", Vec::new()),
            (Kit::Shadow, Act::Remove(name)) => ("userdel", vec!["--", name]),
            (Kit::Busybox, Act::Group) => ("addgroup", vec!["-S", GROUP]),
            (Kit::Busybox, Act::Make { name, shell }) => {
                ("adduser", vec!["-D", "-H", "-h", NO_HOME, "-s", shell, "-g", COMMENT, name])
            }
            (Kit::Busybox, Act::Join(name)) => ("addgroup", vec![name, GROUP]),
            (Kit::Busybox, Act::Leave(name)) => ("delgroup", vec![name, GROUP]),
            // Its own default may be DES.
            (Kit::Busybox, Act::Password) => ("chpasswd", vec!["-c", "sha512"]),
            (Kit::Busybox, Act::Remove(name)) => ("deluser", vec![name]),
        }
    }
}

fn run(kit: Kit, act: &Act, input: Option<&Secret>) -> Result<(), MakingError> {
    let (name, words) = kit.words(act);
    let failed = |why: String| MakingError(format!("{name} failed: {why}"));
    let path = tool(name).ok_or_else(|| failed("it is not installed".into()))?;
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(path);
    command.args(words).env_clear().env("PATH", PLACES.join(":")).env("LC_ALL", "C").current_dir("/");
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // If it hangs up it says why itself.
        let _ = pipe.write_all(input.expose());
    }
    let done = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(failed(complaint(&done.stderr, name).unwrap_or_else(|| done.status.to_string()))),
    }
}

/// What a tool says first, without its own name.
fn complaint(said: &[u8], name: &str) -> Option<String> {
    let line = said.split(|&octet| octet == b'\n').find(|line| !line.is_empty())?;
    let shown = printable(line);
    let bare = shown.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
    Some(bare.unwrap_or(&shown).to_owned())
}

/// What chpasswd reads. The password holds no line end, or no client could send it.
fn line_of(name: &str, password: &Secret) -> Secret {
    Secret::new([name.as_bytes(), b":", password.expose(), b"\n"].concat())
}

fn tool(name: &str) -> Option<PathBuf> {
    PLACES.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

fn is_busybox(path: &Path) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_default();
    real.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"busybox"))
}

fn nologin() -> &'static str {
    NO_SHELLS.iter().find(|shell| Path::new(shell).is_file()).unwrap_or(&"/bin/false")
}

impl fmt::Display for MakingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for MakingError {}

const COMMENT: &str = "mail by poppet";
const NO_HOME: &str = "/nonexistent";
/// As useradd has it; utmp holds no longer one.
const NAME_OCTETS: usize = 32;
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// The best one first.
const NO_SHELLS: [&str; 5] =
    ["/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/nologin", "/bin/false", "/usr/bin/false"];

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n\
        bob:x:1002:1002:mail by poppet:/nonexistent:/usr/sbin/nologin\n\
        carol:x:1003:1003::/home/carol:/bin/bash\neve:x:1004:1004:::/bin/false\nodd:x:12\n\
        nobody:x:65534:65534::/:/usr/sbin/nologin\nbob:x:0:0::/:/bin/sh\nminus:x:-1:0::/:/bin/false\n";
    const GROUPS: &str =
        "root:x:0:\npoppet-users-old:x:998:eve\npoppet-users:x:999:bob,carol,nobody,daemon\n";

    fn found(name: &str) -> Option<Found> {
        find(name, PASSWD, GROUPS)
    }

    #[test]
    fn accounts_are_found_by_their_whole_name_and_first_line() {
        let bob = Found { uid: 1002, is_member: true, has_no_login: true };
        assert_eq!(found("bob"), Some(bob));
        assert_eq!(found("eve").map(|eve| eve.is_member), Some(false), "another group begins like ours");
        assert_eq!(found("carol").map(|carol| carol.has_no_login), Some(false));
        for name in ["", "bo", "bobb", "odd", "minus", "x", "Bob"] {
            assert_eq!(found(name), None, "{name}");
        }
        assert_eq!(find("bob", "", GROUPS), None);
        assert_eq!(find("bob", PASSWD, "").map(|bob| bob.is_member), Some(false));
    }

    #[test]
    fn only_what_was_made_for_mail_alone_is_removed_s_209() {
        assert_eq!(must_be_ours("bob", &found("bob").unwrap()), Ok(()));
        for (name, why) in [
            ("root", "uid 0"),
            ("daemon", "uid 1"),
            ("nobody", "uid 65534"),
            ("carol", "has a login shell"),
            ("eve", "is not in the group"),
        ] {
            let MakingError(text) = must_be_ours(name, &found(name).unwrap()).unwrap_err();
            assert!(text.contains(why) && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn accounts_of_the_system_itself_are_put_into_no_group_s_209() {
        for (uid, may) in [
            (0, false),
            (1, false),
            (999, false),
            (1000, true),
            (65533, true),
            (65534, false),
            (65535, false),
        ] {
            let found = Found { uid, is_member: false, has_no_login: false };
            assert_eq!(may_be_users("x", &found).is_ok(), may, "{uid}");
        }
        join("root", &found("root").unwrap()).unwrap_err();
    }

    #[test]
    fn names_are_those_that_every_tool_takes_s_326() {
        let long = "a".repeat(NAME_OCTETS + 1);
        for good in ["a", "_", "bob", "bob-2", "_x9", &long[1..], &long[2..]] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-f",
            "--help",
            "9a",
            "Bob",
            "bob;rm",
            "bob smith",
            "b.ob",
            "b\u{f6}b",
            "bob\n",
            "a:b",
            "a/b",
            &long,
        ] {
            let MakingError(text) = check_name(bad).unwrap_err();
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        for act in [make("-f", &Secret::new("x")), leave("x y"), remove("../x")] {
            assert!(act.unwrap_err().0.contains("can't be the name of an account"));
        }
    }

    #[test]
    fn no_tool_is_told_a_password_or_takes_a_name_for_an_option_s_321_s_326() {
        let acts = [
            Act::Group,
            Act::Make { name: "bob", shell: "/bin/false" },
            Act::Join("bob"),
            Act::Leave("bob"),
            Act::Password,
            Act::Remove("bob"),
        ];
        for kit in [Kit::Shadow, Kit::Busybox] {
            for act in &acts {
                let (tool, words) = kit.words(act);
                let options: Vec<_> = words.iter().filter(|word| word.starts_with('-')).collect();
                assert!(!options.contains(&&"--password") && !options.contains(&&"-p"), "{tool}");
                assert_ne!(words.first(), Some(&"bob").filter(|_| kit == Kit::Shadow), "{tool}");
            }
        }
        let line = line_of("bob", &Secret::new("a:b c"));
        assert_eq!(line.expose(), b"bob:a:b c\n");
    }

    #[test]
    fn a_tool_s_complaint_is_one_harmless_line() {
        for (said, wanted) in [
            ("useradd: user 'bob' already exists\nmore\n", Some("user 'bob' already exists")),
            ("\n\nno\u{1b}[2J\n", Some("no\\x1B[2J")),
            ("", None),
            ("\n", None),
        ] {
            assert_eq!(complaint(said.as_bytes(), "useradd").as_deref(), wanted);
        }
    }
}
