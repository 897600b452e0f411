//! Where mail for the outside goes, how it is secured, and how long it is tried.

use std::str::FromStr;

use crate::limits;
use crate::mail::{Address, HopTls, NextHop};

/// The settings about outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The servers that take all mail for the outside, in the order in which they are tried; none for no such mail
    /// (O2).
    pub smarthosts: Vec<NextHop>,
    /// As whom we log on there.
    pub smarthost_user: Option<String>,
    /// How the way there is secured.
    pub smarthost_tls: HopTls,
    /// SHA-256 fingerprints of the certificates that it may show, whoever signed them; none to have an authority vouch.
    pub smarthost_pins: Vec<[u8; 32]>,
    /// The account in whose name all mail leaves through it, with the writer kept in Reply-To; none to leave it as it
    /// is.
    pub smarthost_sender: Option<Address>,
    /// How the way to the hosts of routes is secured where a route doesn't say.
    pub route_tls: HopTls,
    /// Whether mail is delivered to the servers that the name system gives (O9).
    pub mx: bool,
    /// Days that mail is tried.
    pub queue_days: u32,
    /// Hours after which a sender is told that his mail waits; 0 for never.
    pub delay_note_hours: u32,
    /// Connections to one server at once.
    pub hop_connections: u32,
    /// What becomes of the envelope's sender where a mailbox or alias forwards to the outside.
    pub forward_sender: ForwardSender,
    /// What becomes of 8-bit mail for a server without 8BITMIME (S-139).
    pub eight_bit: EightBit,
}

/// What becomes of the envelope's sender of mail that is forwarded (O5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardSender {
    /// It stays.
    #[default]
    Keep,
    /// It becomes an address of ours that leads back to him, so that servers which ask whether we may send for his
    /// domain take the mail.
    Rewrite,
}

/// What becomes of 8-bit mail for a server without 8BITMIME. RFC 6152 §3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EightBit {
    /// It is sent as it is.
    #[default]
    Send,
    /// It is returned to its sender.
    Bounce,
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing {
            smarthosts: Vec::new(),
            smarthost_user: None,
            smarthost_tls: HopTls::Required,
            smarthost_pins: Vec::new(),
            smarthost_sender: None,
            route_tls: HopTls::Opportunistic,
            mx: false,
            queue_days: limits::QUEUE_DAYS,
            delay_note_hours: limits::DELAY_NOTE_HOURS,
            hop_connections: limits::HOP_CONNECTIONS,
            forward_sender: ForwardSender::default(),
            eight_bit: EightBit::default(),
        }
    }
}

/// Servers separated by commas, or `off`.
pub(super) fn parse_hops(text: &str) -> Option<Vec<NextHop>> {
    if text == "off" {
        return Some(Vec::new());
    }
    let hops: Vec<NextHop> = text.split(',').map(|hop| hop.trim().parse().ok()).collect::<Option<_>>()?;
    (hops.len() <= limits::HOPS).then_some(hops)
}

/// What [`parse_hops`] takes.
pub(super) fn show_hops(hops: &[NextHop]) -> String {
    if hops.is_empty() {
        return "off".into();
    }
    hops.iter().map(NextHop::to_string).collect::<Vec<_>>().join(",")
}

/// Fingerprints in hexadecimal, with colons or without, separated by commas; or `off`.
pub(super) fn parse_pins(text: &str) -> Option<Vec<[u8; 32]>> {
    if text == "off" {
        return Some(Vec::new());
    }
    let pins: Vec<[u8; 32]> = text.split(',').map(|pin| parse_pin(pin.trim())).collect::<Option<_>>()?;
    (pins.len() <= limits::HOPS).then_some(pins)
}

fn parse_pin(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|&octet| octet != b':').collect();
    if digits.len() != 64 {
        return None;
    }
    let mut pin = [0; 32];
    for (place, pair) in pin.iter_mut().zip(digits.chunks(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *place = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
    }
    Some(pin)
}

/// What [`parse_pins`] takes.
pub(super) fn show_pins(pins: &[[u8; 32]]) -> String {
    if pins.is_empty() {
        return "off".into();
    }
    let hex = |pin: &[u8; 32]| pin.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    pins.iter().map(hex).collect::<Vec<_>>().join(",")
}

/// `implicit`, `required` or `opportunistic`.
pub(super) fn parse_tls(text: &str) -> Option<HopTls> {
    HopTls::from_str(text).ok()
}
