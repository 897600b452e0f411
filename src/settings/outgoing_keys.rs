//! The keys of the settings about outgoing mail; see `keys.rs`.

use super::keys::{number, on_or_off, switch};
use super::outgoing::{self, EightBit, ForwardSender};
use super::{Effect, Key};
use crate::limits;
use crate::mail::Address;

/// What `poppet get` shows behind the settings about logging on.
pub(super) static OUTGOING_KEYS: &[Key] = &[
    Key {
        name: "smarthost",
        meaning: "the server that takes mail for the outside; several are tried in their order",
        values: "off, or servers such as mail.example.com, mail.example.com:587, smtps:mail.example.com, with commas \
                 between",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.smarthosts = outgoing::parse_hops(value)?;
            Some(())
        },
        show: |settings| outgoing::show_hops(&settings.outgoing.smarthosts),
    },
    Key {
        name: "smarthost_user",
        meaning: "as whom poppet logs on at the smart host; \"poppet set smarthost_password\" asks for the password",
        values: "off, or a user name",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            let is_name = value.len() <= limits::PATH_OCTETS && !value.chars().any(char::is_control);
            let user = (value != "off" && !value.is_empty()).then(|| value.to_owned());
            settings.outgoing.smarthost_user = is_name.then_some(user)?;
            Some(())
        },
        show: |settings| settings.outgoing.smarthost_user.clone().unwrap_or_else(|| "off".into()),
    },
    Key {
        name: "smarthost_tls",
        meaning: "how the way to the smart host is secured",
        values: "implicit (port 465), required (by STARTTLS, or nothing is sent), or opportunistic (where it is \
                 offered, whatever the certificate; no password goes that way without a right one)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.smarthost_tls = outgoing::parse_tls(value)?;
            Some(())
        },
        show: |settings| settings.outgoing.smarthost_tls.to_string(),
    },
    Key {
        name: "smarthost_pin",
        meaning: "the only certificates that the smart host may show, whoever signed them",
        values: "off, or SHA-256 fingerprints of certificates with commas between",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.smarthost_pins = outgoing::parse_pins(value)?;
            Some(())
        },
        show: |settings| outgoing::show_pins(&settings.outgoing.smarthost_pins),
    },
    Key {
        name: "smarthost_sender",
        meaning: "the account in whose name all mail leaves through the smart host; the writer stays in Reply-To",
        values: "off, or an address such as family@example.com",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.smarthost_sender = match value {
                "off" => None,
                address => Some(address.parse().ok()?),
            };
            Some(())
        },
        show: |settings| {
            settings.outgoing.smarthost_sender.as_ref().map_or_else(|| "off".into(), Address::to_string)
        },
    },
    Key {
        name: "route_tls",
        meaning: "how the way to the hosts of routes is secured, where a route says nothing else",
        values: "implicit, required, or opportunistic",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.route_tls = outgoing::parse_tls(value)?;
            Some(())
        },
        show: |settings| settings.outgoing.route_tls.to_string(),
    },
    Key {
        name: "mx",
        meaning: "whether mail that no route or smart host takes goes straight to its domain's servers",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.outgoing.mx),
        show: |settings| on_or_off(settings.outgoing.mx),
    },
    Key {
        name: "queue_days",
        meaning: "days that outgoing mail is tried before it is returned",
        values: "a number from 1 to 30",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 1, limits::MOST_QUEUE_DAYS, &mut settings.outgoing.queue_days)
        },
        show: |settings| settings.outgoing.queue_days.to_string(),
    },
    Key {
        name: "delay_note_hours",
        meaning: "hours after which a sender is told that his mail waits",
        values: "a number from 1 to 720, or 0 for never",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 0, limits::MOST_QUEUE_DAYS * 24, &mut settings.outgoing.delay_note_hours)
        },
        show: |settings| settings.outgoing.delay_note_hours.to_string(),
    },
    Key {
        name: "hop_connections",
        meaning: "connections to one server at once",
        values: "a number from 1 to 20",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 1, limits::MOST_HOP_CONNECTIONS, &mut settings.outgoing.hop_connections)
        },
        show: |settings| settings.outgoing.hop_connections.to_string(),
    },
    Key {
        name: "forward_sender",
        meaning: "what becomes of the sender of mail that a mailbox or alias forwards to the outside",
        values: "keep, or rewrite (to an address here that leads back to him)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.forward_sender = match value {
                "keep" => ForwardSender::Keep,
                "rewrite" => ForwardSender::Rewrite,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.outgoing.forward_sender {
            ForwardSender::Keep => "keep".into(),
            ForwardSender::Rewrite => "rewrite".into(),
        },
    },
    Key {
        name: "eight_bit",
        meaning: "what becomes of 8-bit mail for a server that does not say that it takes it",
        values: "send (as it is), or bounce (back to its sender)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.outgoing.eight_bit = match value {
                "send" => EightBit::Send,
                "bounce" => EightBit::Bounce,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.outgoing.eight_bit {
            EightBit::Send => "send".into(),
            EightBit::Bounce => "bounce".into(),
        },
    },
];
