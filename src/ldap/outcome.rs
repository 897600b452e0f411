//! What a result code means for a user, with the reasons that Active Directory hides in its text. RFC 4511 §4.1.9.

use std::fmt;

use crate::mail::printable;

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    code: i64,
    diagnostic: String,
    detail: Option<u32>,
}

/// What that means for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is right.
    Right,
    /// It is wrong, or he may not come in: another server would say so, too (S-205).
    Wrong,
    /// The server can't answer now, and has not looked at it; another one may.
    Elsewhere,
    /// The server will not answer as it is asked.
    Never,
}

impl Outcome {
    pub(super) fn new(code: i64, diagnostic: &[u8]) -> Outcome {
        Outcome { code, diagnostic: printable(diagnostic), detail: detail(diagnostic) }
    }

    /// Whether it was done.
    pub fn is_success(&self) -> bool {
        self.code == SUCCESS
    }

    /// Whether there is more than was asked for.
    pub fn is_cut(&self) -> bool {
        self.code == SIZE_LIMIT_EXCEEDED
    }

    /// Whether the name that was asked for is not there.
    pub fn is_nowhere(&self) -> bool {
        self.code == NO_SUCH_OBJECT
    }

    /// What it says of a password that was tried.
    pub fn judgement(&self) -> Judgement {
        match self.code {
            SUCCESS => Judgement::Right,
            // 19 and 53 are how 389 Directory Server tells of accounts that are locked or inactive.
            19 | NO_SUCH_OBJECT | 48 | INVALID_CREDENTIALS | 50 | 53 => Judgement::Wrong,
            51 | 52 => Judgement::Elsewhere,
            _ => Judgement::Never,
        }
    }

    /// Why, in plain words for the log (S-204).
    pub fn reason(&self) -> String {
        let plain = self.detail.filter(|_| self.code == INVALID_CREDENTIALS).and_then(detail_reason);
        match plain.or_else(|| code_reason(self.code)) {
            Some(reason) if self.diagnostic.is_empty() => reason.into(),
            Some(reason) => format!("{reason} ({})", self.diagnostic),
            None => format!("result {} ({})", self.code, self.diagnostic),
        }
    }
}

/// The number behind `data` in `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580`.
fn detail(diagnostic: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(diagnostic).ok()?;
    let (_, rest) = text.split_once(" data ")?;
    let digits = rest.split(|sign: char| !sign.is_ascii_hexdigit()).next()?;
    u32::from_str_radix(digits, 16).ok()
}

/// The numbers of Windows for a logon that fails.
fn detail_reason(detail: u32) -> Option<&'static str> {
    Some(match detail {
        0x525 => "the directory has no such user",
        0x52E => "wrong password",
        0x52F => "the account may not log on so",
        0x530 => "the account may not log on at this time",
        0x531 => "the account may not log on from this machine",
        0x532 => "the password has expired",
        0x533 => "the account is disabled",
        0x701 => "the account has expired",
        0x773 => "the password must be changed first",
        0x775 => "the account is locked out",
        _ => return None,
    })
}

fn code_reason(code: i64) -> Option<&'static str> {
    Some(match code {
        SUCCESS => "done",
        3 => "it took the server too long",
        SIZE_LIMIT_EXCEEDED => "more than one entry is found",
        8 | 13 => "the server wants TLS before a password: set directory_servers to ldaps://",
        REFERRAL => {
            "the server refers to another one, which is not followed: name that one in directory_servers"
        }
        19 => "the server's password policy refuses it",
        NO_SUCH_OBJECT => "there is no such name",
        34 => "the server can't read the name: look at directory_bind and directory_account",
        48 => "the account has no password",
        INVALID_CREDENTIALS => "wrong password, or no such user",
        50 => "the server does not allow it",
        51 | 52 => "the server is busy or stopping",
        53 => "the server is unwilling",
        _ => return None,
    })
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason())
    }
}

const SUCCESS: i64 = 0;
const SIZE_LIMIT_EXCEEDED: i64 = 4;
const REFERRAL: i64 = 10;
const NO_SUCH_OBJECT: i64 = 32;
const INVALID_CREDENTIALS: i64 = 49;
