//! The settings: their names, meanings, defaults and what values they take.
//!
//! The database keeps the texts that an administrator set; this file gives them their types. A setting
//! that was never set has its default.

mod access;
mod access_keys;
mod keys;
mod outgoing;
mod outgoing_keys;
mod policy;

use std::fmt::{self, Write};
use std::net::SocketAddr;

pub use access::{
    Bind, ClientCertificates, Demand, Directory, DirectoryServer, LOCAL_SOCKET, Lockout, Method, Names,
    Recognise,
};
pub use keys::LEVELED;
pub use outgoing::{EightBit, ForwardSender, Outgoing};
pub use policy::{EarlyTalker, FullMailbox, Quota, Retain, Sender, TagSeparator, Unproven};

use crate::limits;
use crate::mail::{Address, Language};

/// All settings with their present values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name that the server goes by in greetings, trace fields and its certificate.
    pub hostname: Option<String>,
    /// Who gets mail for postmaster.
    pub postmaster: Option<Address>,
    /// The language that POP3 sessions speak when they are asked for the administrator's. RFC 6856 §3.2.
    pub language: Language,
    /// The listeners, in the order of [`ListenerKind::ALL`].
    pub listeners: [Listen; 5],
    /// Whose connections are taken.
    pub peers: Peers,
    /// Where a password may travel in the clear.
    pub plaintext: Plaintext,
    /// Whether proofs made with MD5 are taken, and secrets kept for them (A4).
    pub challenge: bool,
    /// Whether clear-text passwords are refused even inside TLS (A7).
    pub sparequired: bool,
    /// How users are known.
    pub auth: Method,
    /// Whose word counts once for a mailbox that has no password, after the method was changed to `file`.
    pub auth_learn: Option<Method>,
    /// With what names users log on.
    pub names: Names,
    /// Whether NTLM is passed on to Samba's helper (A7).
    pub spa: bool,
    /// Where Samba's helper is; where its packages put it unless it is set.
    pub ntlm_auth: Option<String>,
    /// Whose logons are recognised without being proved again.
    pub recognise: Recognise,
    /// When an account is locked out.
    pub lockout: Lockout,
    /// Whether clients are asked for certificates.
    pub clientcert: ClientCertificates,
    /// Whether a certificate needs the password, too.
    pub certpassword: bool,
    /// Whether local accounts with a hash of MD5 may log on (S-215).
    pub old_hashes: bool,
    /// Where the helper for local accounts listens.
    pub local_socket: String,
    /// The directory.
    pub directory: Directory,
    /// Mail for the outside.
    pub outgoing: Outgoing,
    /// How long mail stays (P15).
    pub retain: Retain,
    /// Seconds between two POP3 logons to one mailbox; 0 for no such rule. RFC 2449 §6.5.
    pub login_delay_seconds: u32,
    /// Days that removed mail can be brought back; 0 for not at all (P16).
    pub undo_days: u32,
    /// How much a mailbox may hold (M8).
    pub quota: Quota,
    /// What senders hear of a mailbox that is full.
    pub full_mailbox: FullMailbox,
    /// Mails that a user may send in a day; none for as many as he likes.
    pub mails_per_day: Option<u32>,
    /// As whom a user may send (M10).
    pub sender: Sender,
    /// Whether strangers may send in the name of our users (S-113).
    pub unproven: Unproven,
    /// What becomes of a peer that speaks before it is greeted (S-078).
    pub early_talker: EarlyTalker,
    /// What parts a user from a tag: `+` in `user+tag`.
    pub tag_separator: TagSeparator,
    /// How a commit is made durable.
    pub commit: Commit,
    /// redb's page cache.
    pub cache_kib: u32,
    /// Free space kept on the disk.
    pub reserve_mib: u32,
    /// The largest message taken.
    pub message_mib: u32,
    /// Recipients of one mail.
    pub recipients: u32,
    /// Connections in all.
    pub connections: u32,
    /// Connections of one address.
    pub connections_per_address: u32,
    /// Memory of one Argon2id hash for passwords set from now on.
    pub argon2_kib: u32,
    /// Passes of one Argon2id hash for passwords set from now on.
    pub argon2_passes: u32,
    /// Hashes at once; 0 leaves it to the machine's processors and memory.
    pub argon2_permits: u32,
    /// Whether the server gives up what it does not need.
    pub sandbox: bool,
}

/// One door of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// POP3 with STLS, port 110.
    Pop3,
    /// POP3 inside TLS, port 995.
    Pop3s,
    /// SMTP with STARTTLS for whoever has mail for us, port 25.
    Smtp,
    /// SMTP with STARTTLS for our users, port 587.
    Submission,
    /// SMTP inside TLS for our users, port 465.
    Submissions,
}

impl ListenerKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [ListenerKind; 5] = [
        ListenerKind::Pop3,
        ListenerKind::Pop3s,
        ListenerKind::Smtp,
        ListenerKind::Submission,
        ListenerKind::Submissions,
    ];

    /// The name in settings, flags and the ready line.
    pub fn name(self) -> &'static str {
        match self {
            ListenerKind::Pop3 => "pop3",
            ListenerKind::Pop3s => "pop3s",
            ListenerKind::Smtp => "smtp",
            ListenerKind::Submission => "submission",
            ListenerKind::Submissions => "submissions",
        }
    }

    /// The port that IANA gives it, and the one used without root's rights.
    pub fn ports(self) -> (u16, u16) {
        match self {
            ListenerKind::Pop3 => (110, 1110),
            ListenerKind::Pop3s => (995, 1995),
            ListenerKind::Smtp => (25, 2525),
            ListenerKind::Submission => (587, 1587),
            ListenerKind::Submissions => (465, 1465),
        }
    }

    /// Whether TLS comes before the first word. RFC 8314 §3.
    pub fn is_implicit_tls(self) -> bool {
        matches!(self, ListenerKind::Pop3s | ListenerKind::Submissions)
    }
}

/// Where a listener listens: no address means off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

/// Whose connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// Private, link-local and loopback addresses only.
    Lan,
    /// Every address.
    All,
}

/// Where a password may travel in the clear (A13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Inside TLS only.
    Tls,
    /// Inside TLS, and without it from private, link-local and loopback addresses.
    Lan,
    /// Everywhere.
    Always,
    /// Nowhere, not even inside TLS: only challenge/response.
    Never,
}

/// How a commit is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// One sync.
    OnePhase,
    /// Two syncs, for those who expect mail made to collide with redb's checksums.
    TwoPhase,
}

/// A setting's entry in the table of settings.
pub struct Key {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// What values it takes, in one line.
    pub values: &'static str,
    /// When a change counts.
    pub effect: Effect,
    assign: fn(&mut Settings, &str) -> Option<()>,
    show: fn(&Settings) -> String,
}

/// When a changed setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// From the next session on.
    AtOnce,
    /// When the server starts again.
    AtRestart,
}

/// A value that a setting does not take; its text says what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingError {
    /// There is no such key; perhaps the second was meant.
    UnknownKey(String, Option<&'static str>),
    /// The key does not take the value; what it takes.
    BadValue(&'static str, String, &'static str),
}

impl fmt::Display for SettingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingError::UnknownKey(key, Some(near)) => {
                write!(out, "there is no setting {key:?}; did you mean {near}? \"poppet get\" lists them all")
            }
            SettingError::UnknownKey(key, None) => {
                write!(out, "there is no setting {key:?}; \"poppet get\" lists them all")
            }
            SettingError::BadValue(key, value, values) => {
                write!(out, "{key} can't be {value:?}: it takes {values}")
            }
        }
    }
}

impl std::error::Error for SettingError {}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hostname: None,
            postmaster: None,
            language: Language::English,
            listeners: Default::default(),
            peers: Peers::Lan,
            plaintext: Plaintext::Tls,
            challenge: false,
            sparequired: false,
            auth: Method::File,
            auth_learn: None,
            names: Names::Strict,
            spa: false,
            ntlm_auth: None,
            recognise: Recognise::File,
            lockout: Lockout { tries: 0, lock_minutes: 30, window_minutes: 60 },
            clientcert: ClientCertificates::default(),
            certpassword: false,
            old_hashes: false,
            local_socket: LOCAL_SOCKET.into(),
            directory: Directory::default(),
            outgoing: Outgoing::default(),
            retain: Retain::default(),
            login_delay_seconds: 0,
            undo_days: limits::UNDO_DAYS,
            quota: Quota::default(),
            full_mailbox: FullMailbox::Defer,
            mails_per_day: Some(limits::MAILS_PER_DAY),
            sender: Sender::Own,
            unproven: Unproven::Accept,
            early_talker: EarlyTalker::Wait,
            tag_separator: TagSeparator::default(),
            commit: Commit::OnePhase,
            cache_kib: limits::CACHE_KIB,
            reserve_mib: limits::RESERVE_MIB,
            message_mib: limits::MESSAGE_MIB,
            recipients: limits::RECIPIENTS as u32,
            connections: limits::CONNECTIONS,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            argon2_kib: 19 * 1024,
            argon2_passes: 2,
            argon2_permits: 0,
            sandbox: true,
        }
    }
}

impl Settings {
    /// Where one listener listens.
    pub fn listen(&self, kind: ListenerKind) -> &Listen {
        &self.listeners[kind as usize]
    }

    /// The largest message taken, in octets.
    pub fn message_octets(&self) -> u64 {
        u64::from(self.message_mib) * 1024 * 1024
    }

    /// Sets one setting from its text; errs if the key is unknown or does not take the value.
    pub fn assign(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        let key = Key::find(key)?;
        (key.assign)(self, value).ok_or_else(|| SettingError::BadValue(key.name, value.into(), key.values))
    }

    /// Gives one setting the value that it has in `other`; errs if the key is unknown.
    pub fn take_from(&mut self, other: &Settings, key: &str) -> Result<(), SettingError> {
        let key = Key::find(key)?;
        match key.name {
            "hostname" => self.hostname = other.hostname.clone(),
            "postmaster" => self.postmaster = other.postmaster.clone(),
            _ => (key.assign)(self, &key.value(other)).unwrap_or_default(),
        }
        Ok(())
    }
}

impl Key {
    /// Every setting, in the order in which `poppet get` shows them.
    pub fn all() -> impl Iterator<Item = &'static Key> {
        keys::KEYS.iter().chain(access_keys::ACCESS_KEYS).chain(outgoing_keys::OUTGOING_KEYS)
    }

    /// The entry of that name; errs with the nearest one.
    pub fn find(name: &str) -> Result<&'static Key, SettingError> {
        Key::all().find(|key| key.name == name).ok_or_else(|| {
            let typed = name.to_ascii_lowercase().replace('-', "_");
            let known = || Key::all().map(|key| key.name);
            let begins = |known: &&str| typed.len() > 2 && known.starts_with(&typed);
            let near = known().find(|known| is_near(known, &typed)).or_else(|| known().find(begins));
            SettingError::UnknownKey(name.into(), near)
        })
    }

    /// Whether a domain or a mailbox may have a value of its own.
    pub fn has_levels(&self) -> bool {
        LEVELED.contains(&self.name)
    }

    /// Its present value as text: what [`Settings::assign`] would take.
    pub fn value(&self, settings: &Settings) -> String {
        (self.show)(settings)
    }
}

/// One letter more, less, other or swapped: what a typing error looks like.
pub fn is_near(known: &str, typed: &str) -> bool {
    let (known, typed) = (known.as_bytes(), typed.as_bytes());
    if known.len().abs_diff(typed.len()) > 1 {
        return false;
    }
    let ahead = known.iter().zip(typed).take_while(|(left, right)| left == right).count();
    let (known, typed) = (&known[ahead..], &typed[ahead..]);
    let behind = known.iter().rev().zip(typed.iter().rev()).take_while(|(left, right)| left == right).count();
    let (known, typed) = (&known[..known.len() - behind], &typed[..typed.len() - behind]);
    let swapped = known.len() == 2 && typed.len() == 2 && known[0] == typed[1] && known[1] == typed[0];
    known.len().max(typed.len()) <= 1 || swapped
}

impl std::str::FromStr for Listen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Listen, Self::Err> {
        if text == "off" {
            return Ok(Listen::default());
        }
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Listen)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("off");
        }
        for (index, address) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_char(',')?;
            }
            write!(out, "{address}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shown_value_can_be_set_again() {
        let settings = Settings::default();
        for key in Key::all() {
            let shown = key.value(&settings);
            let mut copy = settings.clone();
            if !shown.is_empty() {
                copy.assign(key.name, &shown).unwrap();
            }
            assert_eq!(copy, settings, "{}", key.name);
        }
    }

    #[test]
    fn numbers_are_held_at_their_edges() {
        let mut settings = Settings::default();
        for (key, least, most) in [
            ("cache_kib", 256, 1 << 20),
            ("message_mib", 1, 2047),
            ("recipients", 100, 1000),
            ("connections", 10, 100_000),
            ("argon2_kib", 7168, 131_072),
            ("argon2_passes", 1, 10),
            ("retain", 1, 36_500),
            ("queue_days", 1, limits::MOST_QUEUE_DAYS),
            ("hop_connections", 1, limits::MOST_HOP_CONNECTIONS),
        ] {
            for good in [least, least + 1, most - 1, most] {
                settings.assign(key, &good.to_string()).unwrap();
            }
            for bad in [least - 1, most + 1] {
                assert!(settings.assign(key, &bad.to_string()).is_err(), "{key} {bad}");
            }
            for bad in ["", "-1", "x", "4294967296", "1 "] {
                assert!(settings.assign(key, bad).is_err(), "{key} {bad:?}");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_one_that_was_meant() {
        let mut settings = Settings::default();
        let error = settings.assign("plaintxt", "tls").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no setting \"plaintxt\"; did you mean plaintext? \"poppet get\" lists them all"
        );
        for (typed, meant) in [
            ("RETAIN", "retain"),
            ("undo-days", "undo_days"),
            ("undo", "undo_days"),
            ("login", "login_delay"),
        ] {
            let error = settings.assign(typed, "1").unwrap_err();
            assert_eq!(error, SettingError::UnknownKey(typed.into(), Some(meant)));
        }
        let error = settings.assign("colour", "red").unwrap_err();
        assert_eq!(error.to_string(), "there is no setting \"colour\"; \"poppet get\" lists them all");
    }

    #[test]
    fn what_may_be_off_is_held_at_its_edges() {
        let mut settings = Settings::default();
        for (key, most) in [("undo_days", 36_500), ("login_delay", 86_400), ("delay_note_hours", 720)] {
            for good in [0, 1, most - 1, most] {
                settings.assign(key, &good.to_string()).unwrap();
            }
            assert!(settings.assign(key, &(most + 1).to_string()).is_err(), "{key}");
        }
    }

    #[test]
    fn settings_with_levels_are_settings() {
        for name in LEVELED {
            assert!(Key::find(name).unwrap().has_levels());
        }
        assert!(!Key::find("commit").unwrap().has_levels());
    }

    #[test]
    fn listeners_are_addresses_or_off() {
        let mut settings = Settings::default();
        settings.assign("pop3", "127.0.0.1:110, [::1]:110").unwrap();
        assert_eq!(settings.listen(ListenerKind::Pop3).to_string(), "127.0.0.1:110,[::1]:110");
        settings.assign("pop3", "off").unwrap();
        assert_eq!(settings.listen(ListenerKind::Pop3).0, []);
        let error = settings.assign("pop3", "110").unwrap_err();
        assert_eq!(
            error.to_string(),
            "pop3 can't be \"110\": it takes off, or addresses with ports such as 0.0.0.0:110,[::]:110"
        );
    }
}
