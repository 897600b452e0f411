//! poppet: a mail server in one small binary and one file.
//!
//! # The house
//!
//! Read it in this order; each room says what it is in its first lines.
//!
//! | room | what it is | may use |
//! |---|---|---|
//! | [`limits`] | every size, count and time-out, with its reason | std |
//! | [`mail`] | the shared nouns: address, alias, domain, network, mailbox, secret | `limits` |
//! | [`clock`] | the only clock | std |
//! | [`sys`] | what the system gives only to `unsafe`: memory that goes back, inherited sockets, the sandbox's calls | std, libc |
//! | [`ticket`] | a promise that another thread keeps | std |
//! | [`settings`] | what an administrator can set, with types and defaults | `mail`, `limits` |
//! | [`wire`] | codecs without a protocol: lines, end of data, chunks, dot-stuffing, surrogate headers, BER, DNS | `limits` |
//! | [`sasl`] | logon exchanges, one file each | `mail`, `limits` |
//! | [`pop3`] | the POP3 session: events in, replies and wishes out | `wire`, `sasl`, `mail`, `limits` |
//! | [`smtp`] | the SMTP session: events in, replies and wishes out | `wire`, `sasl`, `mail`, `limits` |
//! | [`ldap`] | the LDAP client: requests out, answers in | `wire`, `mail`, `limits` |
//! | [`crypt`] | hashes of the system's passwords | `mail`, `limits` |
//! | [`local`] | the system's accounts: made and removed, and the small process that alone reads shadow | `crypt`, and the nouns |
//! | [`store`] | the only room that knows redb | `mail`, `limits`, `clock`, `ticket`, `settings` |
//! | [`relay`] | where outgoing mail goes and when: ways, pauses, who is told, senders rewritten | `store`, `smtp`, `mail`, `limits`, `clock`, `settings` |
//! | [`auth`] | who may come in: device key, passwords and what proves them, gate, recognition, throttle, lockout | `store`, `sasl`, `mail`, `limits`, `clock`, `ticket`, `settings` |
//! | [`cert`] | the small certificate authority and what it signs; certificates of users | `wire`, `store`, `auth`, `mail`, `limits`, `clock`, `sandbox` |
//! | [`sandbox`] | what this process may do no more once all is open | `sys`, `mail`, `limits` |
//! | [`admin`] | every administrative act: a command in, a typed answer out | `store`, `auth`, `cert`, `ldap`, `relay`, `sandbox`, and the nouns |
//! | [`net`] | the only room that awaits sockets: listeners, TLS, one driver a protocol, who knows users elsewhere, the control socket | all of the above |
//! | [`cli`] | argv, questions, tables, exit codes | `admin`, `net`, `local`, `sandbox`, `sys`, and the nouns |
//!
//! `tests/tidy.rs` holds this table.
//!
//! # How a message travels
//!
//! ```text
//! peer <== bytes ==> net::stream == lines, chunks ==> wire == events ==> {pop3,smtp}::Session
//!                         ^                                                   |        |
//!                         +---------------- reply bytes ----------------------+        | Next
//!                                                                                      v
//!                                                              net driver does it: store, auth, TLS
//!                                                                                      |
//! cli ==> admin::execute (in the server by its socket, or on the opened file) ==> store ==> one redb file
//!                                                                                   |  ^
//!                                                        the queue's rows that wait |  | sent, later, or returned
//!                                                                                   v  |
//! other server <== bytes ==> net::relay::link == lines ==> smtp::client::Client <-- net::relay --> relay: way, judging
//! ```
//!
//! # What holds everywhere
//!
//! - A reply of success to a mail or a deletion is made from a [`ticket`] that only a durable commit keeps.
//! - What is removed can be brought back for `undo_days`, unless the disk needs the room; a number or UIDL never
//!   comes to mean another message.
//! - Protocol code is pure: no socket, file, clock or log in `wire`, `sasl`, `pop3`, `smtp`.
//! - A peer's mistake is a reply; a lost connection ends one task quietly; a failing store is logged once
//!   and answered `451` or `-ERR [SYS/TEMP]`.
//! - No user names a file, and no command is run on behalf of mail.
//!
//! Absent on purpose: IMAP, web mail, spam scoring, scripting, plug-ins, a configuration file.

// Tests of rooms use what the tests of the whole use.
#[cfg(test)]
extern crate self as poppet;

pub mod admin;
pub mod auth;
pub mod cert;
pub mod cli;
pub mod clock;
pub mod crypt;
pub mod ldap;
pub mod limits;
pub mod local;
pub mod mail;
pub mod net;
pub mod pop3;
pub mod relay;
pub mod sandbox;
pub mod sasl;
pub mod settings;
pub mod smtp;
pub mod store;
pub mod sys;
pub mod ticket;
pub mod wire;
