//! Commands that a person is told to type: they name the database where he has named one.

use std::path::Path;
use std::sync::OnceLock;

use super::place::{self, shell_quoted};

/// How commands of this process are to be typed.
struct Typing {
    /// What starts the server.
    start: &'static str,
    /// The option that names the database; none where commands take it anyway.
    option: Option<String>,
}

/// Says once, for the whole process, which database commands are about.
pub(super) fn settle(database: &Path) {
    let is_usual = place::usual_database().is_some_and(|usual| usual == database);
    let option = (!is_usual).then(|| format!(" --db {}", shell_quoted(database)));
    let _ = TYPING.set(Typing { start: place::start_command(database), option });
}

/// The text with its commands as they are to be typed: each stands in double quotes and begins with `poppet`. Every text
/// with a remedy comes through here on its way out; mail and what users have named do not.
pub(super) fn told(text: &str) -> String {
    TYPING.get().map_or_else(|| text.into(), |typing| typing.told(text))
}

impl Typing {
    fn told(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, command)) = rest.split_once("\"poppet ")
            && let Some((words, behind)) = command.split_once('"')
        {
            told += &format!("{before}\"{}\"", self.command(words));
            rest = behind;
        }
        told + rest
    }

    fn command(&self, words: &str) -> String {
        let knows_its_own = ["--db", "--help", "--remove"].iter().any(|option| words.contains(option));
        match &self.option {
            _ if words == "serve" && self.start != place::SERVE => self.start.into(),
            Some(option) if !knows_its_own => format!("poppet {words}{option}"),
            _ => format!("poppet {words}"),
        }
    }
}

static TYPING: OnceLock<Typing> = OnceLock::new();

#[cfg(test)]
mod tests {
    use super::*;

    /// After "poppet --db FILE setup" it was "poppet serve" that should serve, which serves another database.
    #[test]
    fn a_remedy_names_the_database_that_somebody_has_named() {
        let typing = |option: Option<&str>, start| Typing { start, option: option.map(String::from) };
        let named = typing(Some(" --db '/a b.redb'"), place::SERVE);
        for (text, wanted) in [
            ("Nothing yet: \"poppet serve\" does.", "Nothing yet: \"poppet serve --db '/a b.redb'\" does."),
            (
                "\"poppet set x\", then \"poppet get\"",
                "\"poppet set x --db '/a b.redb'\", then \"poppet get --db '/a b.redb'\"",
            ),
            ("start \"poppet serve --db FILE\"", "start \"poppet serve --db FILE\""),
            ("\"poppet list --help\" shows", "\"poppet list --help\" shows"),
            ("\"poppet setup --remove\" first", "\"poppet setup --remove\" first"),
            ("it is \"poppet and no end", "it is \"poppet and no end"),
            ("poppet runs; \"poppet\" is its name", "poppet runs; \"poppet\" is its name"),
        ] {
            assert_eq!(named.told(text), wanted);
        }
        let usual = typing(None, place::SERVE);
        assert_eq!(usual.told("\"poppet serve\" starts it"), "\"poppet serve\" starts it");
        let service = typing(None, "systemctl start poppet");
        assert_eq!(service.told("\"poppet serve\" starts it"), "\"systemctl start poppet\" starts it");
        assert_eq!(service.told("\"poppet serve --user x\""), "\"poppet serve --user x\"");
    }
}
