//! LDAP without a server: what is written, what is read, what ends a connection.

mod client;
pub(crate) mod server;
mod texts;

use super::Names;

/// What a user is called whose name means something elsewhere.
fn names(user: &str) -> Names {
    Names { address: format!("{user}@home.lan"), user: user.into(), domain: "home.lan".into() }
}
