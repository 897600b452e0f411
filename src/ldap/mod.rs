//! LDAP version 3, the client's side: requests out, answers in; filters and names escaped. RFC 4511.
//!
//! ```text
//!            ask(StartTls)           Securing          handle(Secured)
//!   Idle ----------------> Asked ---------------> ... ----------------> Idle, and TLS covers what follows
//!    ^  '-- ask(Bind), ask(Search) --> Asked
//!    |                                   | handle(Octets): Read until the answer is whole
//!    '-------------- Answer -------------'
//!
//!   anywhere -- broken, too long, to another question, octets behind StartTLS's reply --> Dead: close it (S-199, S-200)
//! ```
//!
//! One question at a time. Before TLS nothing but StartTLS is sent unless the administrator allows clear text (S-202),
//! an empty password never (S-191). What users are called gets into filters as values and into names escaped; it is
//! never read as a filter or a name (S-192, S-193). Referrals are told, never followed (S-195).

mod answer;
mod client;
mod filter;
mod name;
mod outcome;
mod request;
mod template;

pub use answer::Entry;
pub use client::{Answer, Channel, Client, Event, Fault, Next};
pub use filter::{Filter, FilterError};
pub use name::is_entry_name;
pub use outcome::{Judgement, Outcome};
pub use request::{Question, Refusal, Scope, Search, is_no_password};
pub use template::{NameTemplate, Names, TemplateError};

#[cfg(test)]
pub(crate) mod tests;
