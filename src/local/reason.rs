//! Why a local account lets nobody in, as it goes over the socket and into the log.

use super::GROUP;
use crate::crypt;
use crate::mail::printable;

/// Why nobody may come in by an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is none of that name.
    NoAccount,
    /// It is root's, the system's or nobody's (S-209).
    System,
    /// It has another uid than the one that the mailbox was made for (S-220).
    OtherUid,
    /// There is no group of poppet's users.
    NoGroup,
    /// It is not in that group.
    NoMember,
    /// Its line of passwd doesn't refer to shadow.
    NotShadowed,
    /// Shadow has no line for it.
    NoShadow,
    /// Its field of shadow is no hash to hold a password against.
    Hash(crypt::Reason),
    /// It has expired (S-211).
    Expired,
    /// Its password is too old (S-211).
    Aged,
    /// Its password must be changed (S-211).
    MustChange,
    /// It is another password.
    WrongPassword,
}

impl Reason {
    /// Every reason; its place is its number on the socket.
    pub const ALL: [Reason; 21] = [
        Reason::NoAccount,
        Reason::System,
        Reason::OtherUid,
        Reason::NoGroup,
        Reason::NoMember,
        Reason::NotShadowed,
        Reason::NoShadow,
        Reason::Expired,
        Reason::Aged,
        Reason::MustChange,
        Reason::WrongPassword,
        Reason::Hash(crypt::Reason::Empty),
        Reason::Hash(crypt::Reason::Locked),
        Reason::Hash(crypt::Reason::Md5),
        Reason::Hash(crypt::Reason::Des),
        Reason::Hash(crypt::Reason::Scrypt),
        Reason::Hash(crypt::Reason::GostYescrypt),
        Reason::Hash(crypt::Reason::Argon2),
        Reason::Hash(crypt::Reason::Unknown),
        Reason::Hash(crypt::Reason::TooCostly),
        Reason::Hash(crypt::Reason::Malformed),
    ];

    /// What is wrong with that account and what to do, in one line.
    pub fn text(self, name: &str) -> String {
        let name = printable(name.as_bytes());
        let anew = format!("give it a new password with \"passwd {name}\"");
        match self {
            Reason::NoAccount => format!("{name} is no account of this machine: make it with useradd"),
            Reason::System => {
                format!("{name} is an account of the system itself: take one with a uid from 1000 on")
            }
            Reason::OtherUid => format!(
                "{name} is another account than the one that the mailbox was made for: if that is as it should be, \
                 \"poppet account ADDRESS {name}\" binds it"
            ),
            Reason::NoGroup => format!("there is no group {GROUP}: make it with \"groupadd {GROUP}\""),
            Reason::NoMember => {
                format!("{name} is not in the group {GROUP}: let it in with \"usermod -aG {GROUP} {name}\"")
            }
            Reason::NotShadowed => format!("the password of {name} is not kept in shadow: run pwconv"),
            Reason::NoShadow => format!("shadow has no line for {name}: {anew}"),
            Reason::Expired => format!("the account {name} has expired: \"chage -E -1 {name}\" ends that"),
            Reason::Aged => format!("the password of {name} is older than it may be: {anew}"),
            Reason::MustChange => format!("the password of {name} must be changed at the next logon: {anew}"),
            Reason::WrongPassword => format!("the password is not that of the account {name}"),
            Reason::Hash(reason) => hash(reason, &name, &anew),
        }
    }
}

fn hash(reason: crypt::Reason, name: &str, anew: &str) -> String {
    let kind =
        |kind: &str| format!("the password of {name} is hashed with {kind}, which is not taken: {anew}");
    match reason {
        crypt::Reason::Empty => format!("{name} has no password, and nobody logs on without one: {anew}"),
        crypt::Reason::Locked => format!("the password of {name} is locked: {anew}, or \"passwd -u {name}\""),
        crypt::Reason::Md5 => format!("{}, or set old_hashes on", kind("MD5")),
        crypt::Reason::Des => kind("DES"),
        crypt::Reason::Scrypt => kind("scrypt"),
        crypt::Reason::GostYescrypt => kind("gost-yescrypt"),
        crypt::Reason::Argon2 => kind("Argon2"),
        crypt::Reason::Unknown => kind("something unknown"),
        crypt::Reason::TooCostly => {
            format!("the hash of {name}'s password wants more time or memory than a logon may take: {anew}")
        }
        crypt::Reason::Malformed => format!("the hash of {name}'s password is damaged: {anew}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_one_line_that_names_the_account_or_the_group() {
        for reason in Reason::ALL {
            let text = reason.text("ali\nce");
            assert!(text.contains("ali\\x0Ace") || text.contains(GROUP), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(reason == Reason::WrongPassword || text.contains(": "), "{text}: what to do");
        }
    }
}
