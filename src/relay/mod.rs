//! Where outgoing mail goes and when: decisions without a socket.
//!
//! ```text
//!   RCPT, forwards --routing--> Lane --way--> hosts, TLS, account --driver (net::relay)--> answers
//!                                                                                            |
//!          queue row <-- Fate, and who is told what --judging (pauses, age, NOTIFY) ---------+
//! ```

pub mod judging;
pub mod pauses;
mod people;
pub mod returning;
pub mod rewriting;
pub mod routing;
pub mod way;

pub use way::Way;

/// The name of the record with the sealed password of the smart host of that lane; see `auth::seal`.
pub fn password_record(lane: &crate::mail::Lane) -> String {
    format!("relay.password {lane}")
}
