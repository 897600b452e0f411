//! The system's accounts: their names, what shadow says of them, and the small process that alone reads it. passwd(5),
//! shadow(5), group(5).
//!
//! ```text
//! server: net::outside::local -- question --> helper, as root: socket -> process -> files -> rules -> crypt
//!                             <-- answer  --  an account's uid, or a reason
//! ```
//!
//! One connection is one question and one answer (S-217). The helper has no network, runs no other program, and tells
//! nothing of shadow but whether a password is right; the server can't read shadow at all.
//!
//! - Accounts are those of `/etc/passwd`: neither NSS nor PAM is asked, whose modules block, talk and run what they
//!   like (S-218, S-219). Users of a directory are the method `directory`.
//! - Membership of [`GROUP`] lets in, and nothing else does. So a login shell says nothing here, not even
//!   `/usr/sbin/nologin`, which accounts for mail alone should have (S-213); and `/etc/nologin` keeps people off the
//!   machine while it is looked after, not from their mail (S-214).

mod aging;
mod becoming;
pub mod door;
mod entry;
mod files;
mod helper;
pub mod making;
mod question;
mod reason;

pub use aging::Day;
pub use becoming::{Servant, name_of};
pub use files::{Files, Proof};
pub use helper::{Helper, confine};
pub use question::{Answer, Claim, HEADER_OCTETS, Question, length};
pub use reason::Reason;

/// The group whose members are users of poppet.
pub const GROUP: &str = "poppet-users";
