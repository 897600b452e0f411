//! The table of settings: for each key its meaning, the values it takes, and how it is set and shown.

use super::policy::{self, EarlyTalker, FullMailbox, Sender, Unproven};
use super::{Commit, Effect, Key, Peers, Plaintext};
use crate::limits;
use crate::mail::{Address, Domain, Language};

/// The settings but those of `access_keys.rs`, in the order in which `poppet get` shows them.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "hostname",
        meaning: "the name the server goes by in greetings and trace fields",
        values: "a domain name such as mail.home.lan",
        effect: Effect::AtRestart,
        assign: |settings, value| {
            value.parse::<Domain>().ok()?;
            settings.hostname = Some(value.to_ascii_lowercase());
            Some(())
        },
        show: |settings| settings.hostname.clone().unwrap_or_default(),
    },
    Key {
        name: "postmaster",
        meaning: "who gets mail for postmaster and abuse, where no mailbox or alias has that name",
        values: "the address of a mailbox",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.postmaster = Some(value.parse().ok()?);
            Some(())
        },
        show: |settings| settings.postmaster.as_ref().map(Address::to_string).unwrap_or_default(),
    },
    Key {
        name: "language",
        meaning: "the language of POP3's replies for clients that leave the choice to the server, with LANG *",
        values: "en, de or fr",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            let is_meant = |language: &Language| language.tag().eq_ignore_ascii_case(value);
            settings.language = Language::ALL.into_iter().find(is_meant)?;
            Some(())
        },
        show: |settings| settings.language.tag().into(),
    },
    listener_key::<0>("pop3", "where POP3 with STLS listens"),
    listener_key::<1>("pop3s", "where POP3 inside TLS listens"),
    listener_key::<2>("smtp", "where SMTP for incoming mail listens"),
    listener_key::<3>("submission", "where SMTP for users listens, with STARTTLS"),
    listener_key::<4>("submissions", "where SMTP for users listens, inside TLS"),
    Key {
        name: "peers",
        meaning: "whose connections are taken",
        values: "lan (private and loopback addresses) or all",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.peers = match value {
                "lan" => Peers::Lan,
                "all" => Peers::All,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.peers {
            Peers::Lan => "lan".into(),
            Peers::All => "all".into(),
        },
    },
    Key {
        name: "plaintext",
        meaning: "where a password may travel in the clear",
        values: "tls (only inside TLS), lan (also without it in the private network), always, or never (not inside \
                 TLS either)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.plaintext = match value {
                "tls" => Plaintext::Tls,
                "lan" => Plaintext::Lan,
                "always" => Plaintext::Always,
                "never" => Plaintext::Never,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.plaintext {
            Plaintext::Tls => "tls".into(),
            Plaintext::Lan => "lan".into(),
            Plaintext::Always => "always".into(),
            Plaintext::Never => "never".into(),
        },
    },
    Key {
        name: "challenge",
        meaning: "whether APOP, CRAM-MD5 and NTLM work, for passwords set from then on",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.challenge),
        show: |settings| on_or_off(settings.challenge),
    },
    Key {
        name: "sparequired",
        meaning: "whether only logons that don't send the password are taken",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.sparequired),
        show: |settings| on_or_off(settings.sparequired),
    },
    Key {
        name: "retain",
        meaning: "how long mail stays",
        values: "never (it is not removed), 365 (days after it was received), retrieved:7 (days after it was first \
                 retrieved), or both: 365,retrieved:7",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.retain = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.retain.to_string(),
    },
    Key {
        name: "undo_days",
        meaning: "days that removed mail and mailboxes can be brought back, as far as the disk has room",
        values: "a number from 0 (not at all) to 36500",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 0, limits::POLICY_DAYS, &mut settings.undo_days),
        show: |settings| settings.undo_days.to_string(),
    },
    Key {
        name: "login_delay",
        meaning: "seconds between two POP3 logons to one mailbox",
        values: "a number from 0 (no such rule) to 86400",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 0, limits::LOGIN_DELAY_SECONDS, &mut settings.login_delay_seconds)
        },
        show: |settings| settings.login_delay_seconds.to_string(),
    },
    Key {
        name: "quota",
        meaning: "how much mail a mailbox may hold",
        values: "none, or a size such as 500M or 2G",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.quota.octets = policy::parse_size(value)?;
            Some(())
        },
        show: |settings| policy::show_size(settings.quota.octets),
    },
    Key {
        name: "quota_messages",
        meaning: "how many messages a mailbox may hold",
        values: "none, or a number from 1 to 4000000",
        effect: Effect::AtOnce,
        assign: |settings, value| number_or_none(value, limits::QUOTA_MESSAGES, &mut settings.quota.messages),
        show: |settings| show_or_none(settings.quota.messages),
    },
    Key {
        name: "quota_warning",
        meaning: "how full a mailbox is when its user is warned by one mail, in percent",
        values: "a number from 0 (no warning) to 99",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 0, 99, &mut settings.quota.warning_percent),
        show: |settings| settings.quota.warning_percent.to_string(),
    },
    Key {
        name: "full_mailbox",
        meaning: "what becomes of mail for a mailbox that is full",
        values: "defer (the sender's server tries again for days), or refuse (the sender hears of it at once)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.full_mailbox = match value {
                "defer" => FullMailbox::Defer,
                "refuse" => FullMailbox::Refuse,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.full_mailbox {
            FullMailbox::Defer => "defer".into(),
            FullMailbox::Refuse => "refuse".into(),
        },
    },
    Key {
        name: "mails_per_day",
        meaning: "mails that a user may send in a day",
        values: "none, or a number from 1 to 1000000",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number_or_none(value, limits::MOST_MAILS_PER_DAY, &mut settings.mails_per_day)
        },
        show: |settings| show_or_none(settings.mails_per_day),
    },
    Key {
        name: "sender",
        meaning: "as whom a user may send",
        values: "own (his address, his aliases and lists that he is on), or any",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.sender = match value {
                "own" => Sender::Own,
                "any" => Sender::Any,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.sender {
            Sender::Own => "own".into(),
            Sender::Any => "any".into(),
        },
    },
    Key {
        name: "unproven",
        meaning: "whether peers without a logon or device profile may send in the name of your domains",
        values: "accept (as scanners and cameras do), or refuse",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.unproven = match value {
                "accept" => Unproven::Accept,
                "refuse" => Unproven::Refuse,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.unproven {
            Unproven::Accept => "accept".into(),
            Unproven::Refuse => "refuse".into(),
        },
    },
    Key {
        name: "early_talker",
        meaning: "what becomes of a peer that speaks SMTP before it is greeted",
        values: "wait (it is greeted later and the log tells of it), or refuse",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.early_talker = match value {
                "wait" => EarlyTalker::Wait,
                "refuse" => EarlyTalker::Refuse,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.early_talker {
            EarlyTalker::Wait => "wait".into(),
            EarlyTalker::Refuse => "refuse".into(),
        },
    },
    Key {
        name: "tag_separator",
        meaning: "what parts a user from a tag in his address, as in alice+shop@home.lan",
        values: "off, or one of + - . _",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.tag_separator = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.tag_separator.to_string(),
    },
    Key {
        name: "commit",
        meaning: "how a commit is made durable",
        values: "one-phase (one sync) or two-phase (two syncs)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.commit = match value {
                "one-phase" => Commit::OnePhase,
                "two-phase" => Commit::TwoPhase,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.commit {
            Commit::OnePhase => "one-phase".into(),
            Commit::TwoPhase => "two-phase".into(),
        },
    },
    Key {
        name: "cache_kib",
        meaning: "memory for the database's pages, in KiB",
        values: "a number from 256 to 1048576",
        effect: Effect::AtRestart,
        assign: |settings, value| number(value, 256, 1 << 20, &mut settings.cache_kib),
        show: |settings| settings.cache_kib.to_string(),
    },
    Key {
        name: "reserve_mib",
        meaning: "free disk space under which mail is refused, in MiB",
        values: "a number from 1 to 1048576",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 1, 1 << 20, &mut settings.reserve_mib),
        show: |settings| settings.reserve_mib.to_string(),
    },
    Key {
        name: "message_mib",
        meaning: "the largest message taken, in MiB",
        values: "a number from 1 to 2047",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 1, 2047, &mut settings.message_mib),
        show: |settings| settings.message_mib.to_string(),
    },
    Key {
        name: "recipients",
        meaning: "recipients of one mail",
        values: "a number from 100 to 1000",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 100, limits::RECIPIENTS as u32, &mut settings.recipients),
        show: |settings| settings.recipients.to_string(),
    },
    Key {
        name: "connections",
        meaning: "connections in all; an eighth is kept for this machine, devices and networks whose users log on",
        values: "a number from 10 to 100000",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 10, 100_000, &mut settings.connections),
        show: |settings| settings.connections.to_string(),
    },
    Key {
        name: "connections_per_address",
        meaning: "connections of one address; an IPv6 /64 network counts as one",
        values: "a number from 1 to 100000",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 1, 100_000, &mut settings.connections_per_address),
        show: |settings| settings.connections_per_address.to_string(),
    },
    Key {
        name: "argon2_kib",
        meaning: "memory of one Argon2id password hash, in KiB, for passwords set from now on",
        values: "a number from 7168 to 131072",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 7168, limits::ARGON2_MEMORY_KIB, &mut settings.argon2_kib),
        show: |settings| settings.argon2_kib.to_string(),
    },
    Key {
        name: "argon2_passes",
        meaning: "passes of one Argon2id password hash, for passwords set from now on",
        values: "a number from 1 to 10; 5 or more where argon2_kib is under 12288",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 1, limits::ARGON2_PASSES, &mut settings.argon2_passes),
        show: |settings| settings.argon2_passes.to_string(),
    },
    Key {
        name: "argon2_permits",
        meaning: "password hashes computed at once; 0 goes by the machine's processors and memory",
        values: "a number from 0 to 64",
        effect: Effect::AtRestart,
        assign: |settings, value| number(value, 0, 64, &mut settings.argon2_permits),
        show: |settings| settings.argon2_permits.to_string(),
    },
    Key {
        name: "sandbox",
        meaning: "whether the server gives up files, ports and system calls that it does not need",
        values: "on or off",
        effect: Effect::AtRestart,
        assign: |settings, value| switch(value, &mut settings.sandbox),
        show: |settings| on_or_off(settings.sandbox),
    },
];

/// The settings that a domain or a mailbox may have for itself.
pub static LEVELED: &[&str] = &[
    "retain",
    "login_delay",
    "quota",
    "quota_messages",
    "quota_warning",
    "full_mailbox",
    "mails_per_day",
    "sender",
    "smarthost",
    "smarthost_user",
    "smarthost_tls",
    "smarthost_pin",
    "smarthost_sender",
];

const fn listener_key<const INDEX: usize>(name: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        meaning,
        values: "off, or addresses with ports such as 0.0.0.0:110,[::]:110",
        effect: Effect::AtRestart,
        assign: |settings, value| {
            settings.listeners[INDEX] = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.listeners[INDEX].to_string(),
    }
}

pub(super) fn switch(value: &str, target: &mut bool) -> Option<()> {
    *target = match value {
        "on" => true,
        "off" => false,
        _ => return None,
    };
    Some(())
}

pub(super) fn on_or_off(is_on: bool) -> String {
    if is_on { "on".into() } else { "off".into() }
}

pub(super) fn number(value: &str, least: u32, most: u32, target: &mut u32) -> Option<()> {
    let value = value.parse().ok().filter(|value| (least..=most).contains(value))?;
    *target = value;
    Some(())
}

fn number_or_none(value: &str, most: u32, target: &mut Option<u32>) -> Option<()> {
    if value == "none" {
        *target = None;
        return Some(());
    }
    let mut count = 0;
    number(value, 1, most, &mut count)?;
    *target = Some(count);
    Some(())
}

fn show_or_none(count: Option<u32>) -> String {
    count.map_or_else(|| "none".into(), |count| count.to_string())
}
