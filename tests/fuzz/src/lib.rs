//! What the fuzz targets share: inputs taken apart, a peer who says them, and models that know what must hold.
//!
//! An input of a session or an exchange begins with sixteen octets of [`choices`]: which connection it is and
//! what the server's other rooms answer. What follows is what the peer says. So every octet of an input
//! means something, and an input can be written by hand.

pub mod choices;
pub mod claims;
pub mod client;
pub mod exchange;
pub mod peer;
pub mod pop3;
pub mod punycode;
pub mod replies;
pub mod smtp;
