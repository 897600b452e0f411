//! Why an act was not done: one line for people, a kind for exit codes.

use serde::{Deserialize, Serialize};

use crate::auth::PasswordError;
use crate::settings::SettingError;
use crate::store::StoreError;

/// Why an act was not done; the kind chooses the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminError {
    /// What kind of failure.
    pub kind: Failure,
    /// One line that says what is wrong and what would be right.
    pub text: String,
}

impl AdminError {
    /// A failure of that kind.
    pub fn new(kind: Failure, text: impl Into<String>) -> AdminError {
        AdminError { kind, text: text.into() }
    }

    /// The command was not understood.
    pub fn usage(text: impl Into<String>) -> AdminError {
        AdminError::new(Failure::Usage, text)
    }

    /// The same text as a failure to reach the database.
    pub fn unreachable(text: impl ToString) -> AdminError {
        AdminError::new(Failure::Unreachable, text.to_string())
    }
}

/// Kinds of failure, with the exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// 1: it failed.
    Failed,
    /// 2: the command was not understood.
    Usage,
    /// 3: there is no such thing.
    NotFound,
    /// 4: it exists already.
    Exists,
    /// 5: a rule refuses it.
    Refused,
    /// 6: the database or the server can't be reached.
    Unreachable,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> AdminError {
        let kind = match &error {
            StoreError::NotFound(_) => Failure::NotFound,
            StoreError::Exists(_) => Failure::Exists,
            StoreError::Refused(_) => Failure::Refused,
            StoreError::InUse(_)
            | StoreError::Foreign(_)
            | StoreError::NewerSchema(_)
            | StoreError::Closed => Failure::Unreachable,
            StoreError::Damaged(_) | StoreError::Full | StoreError::Io(_) => Failure::Failed,
        };
        AdminError::new(kind, error.to_string())
    }
}

impl From<SettingError> for AdminError {
    fn from(error: SettingError) -> AdminError {
        let kind = match &error {
            SettingError::UnknownKey(..) => Failure::NotFound,
            SettingError::BadValue(..) => Failure::Usage,
        };
        AdminError::new(kind, error.to_string())
    }
}

impl From<PasswordError> for AdminError {
    fn from(error: PasswordError) -> AdminError {
        let kind = match error {
            PasswordError::Empty | PasswordError::TooLong | PasswordError::Unsendable => Failure::Refused,
            PasswordError::NoMemory => Failure::Failed,
        };
        AdminError::new(kind, error.to_string())
    }
}

/// What somebody typed, in quotation marks on one line: letters as they are, what acts on a terminal
/// escaped, and cut where it is long.
pub fn quoted(typed: &str) -> String {
    let cut: String = typed.chars().take(QUOTED_LETTERS).collect();
    let more = if cut.len() < typed.len() { "..." } else { "" };
    format!("{:?}", cut + more)
}

const QUOTED_LETTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_store_failure_has_its_exit_code() {
        let kind = |error: StoreError| AdminError::from(error).kind;
        assert_eq!(kind(StoreError::NotFound("x".into())), Failure::NotFound);
        assert_eq!(kind(StoreError::Exists("x".into())), Failure::Exists);
        assert_eq!(kind(StoreError::Refused("x".into())), Failure::Refused);
        for error in [
            StoreError::InUse("x".into()),
            StoreError::Foreign("x".into()),
            StoreError::NewerSchema("x".into()),
            StoreError::Closed,
        ] {
            assert_eq!(kind(error), Failure::Unreachable);
        }
        for error in [StoreError::Damaged("x".into()), StoreError::Full, StoreError::Io("x".into())] {
            assert_eq!(kind(error), Failure::Failed);
        }
    }

    #[test]
    fn what_was_typed_is_quoted_without_what_acts_on_a_terminal_s_326() {
        for (typed, wanted) in [
            ("h\u{f6}me.lan", "\"h\u{f6}me.lan\""),
            ("a\u{1b}[2J", "\"a\\u{1b}[2J\""),
            ("a\u{202e}\n", "\"a\\u{202e}\\n\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(typed), wanted);
        }
        assert_eq!(quoted(&"x".repeat(64)).len(), 66);
        assert_eq!(quoted(&"x".repeat(65)).len(), 69);
    }

    #[test]
    fn every_text_is_one_line() {
        for error in [PasswordError::Empty, PasswordError::TooLong, PasswordError::Unsendable] {
            let error = AdminError::from(error);
            assert_eq!((error.kind, error.text.lines().count()), (Failure::Refused, 1), "{}", error.text);
        }
    }
}
