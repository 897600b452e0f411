//! Servers that take mail from us, and how an administrator writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// A server that takes mail from us: `mail.example.com`, `mail.example.com:587`, `[2001:db8::1]:25`,
/// `smtps:mail.example.com`, `lmtp:dovecot.lan:24`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NextHop {
    /// What it speaks.
    pub protocol: HopProtocol,
    /// Its name in small letters, or its address without brackets.
    pub host: Box<str>,
    /// The port that was named; none leaves it to what is usual.
    pub port: Option<u16>,
}

/// What a server that takes mail speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HopProtocol {
    /// SMTP, with STARTTLS where it is wanted.
    Smtp,
    /// SMTP inside TLS from the first octet on. RFC 8314 §3.3.
    Smtps,
    /// LMTP, with a reply for each recipient. RFC 2033.
    Lmtp,
}

/// How TLS is wanted on the way to another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HopTls {
    /// Before the first word; the certificate must be right.
    Implicit,
    /// By STARTTLS, or nothing is sent; the certificate must be right.
    Required,
    /// By STARTTLS where it is offered, whatever the certificate; else in the clear, and no password then.
    Opportunistic,
}

impl FromStr for HopTls {
    type Err = HopError;

    /// Takes `implicit`, `required` and `opportunistic`.
    fn from_str(text: &str) -> Result<HopTls, HopError> {
        match text {
            "implicit" => Ok(HopTls::Implicit),
            "required" => Ok(HopTls::Required),
            "opportunistic" => Ok(HopTls::Opportunistic),
            _ => Err(HopError),
        }
    }
}

impl fmt::Display for HopTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            HopTls::Implicit => "implicit",
            HopTls::Required => "required",
            HopTls::Opportunistic => "opportunistic",
        })
    }
}

/// Why a text names no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopError;

impl FromStr for NextHop {
    type Err = HopError;

    fn from_str(text: &str) -> Result<NextHop, HopError> {
        let (protocol, rest) =
            [("lmtp:", HopProtocol::Lmtp), ("smtps:", HopProtocol::Smtps), ("smtp:", HopProtocol::Smtp)]
                .into_iter()
                .find_map(|(scheme, protocol)| {
                    let (front, rest) = text.split_at_checked(scheme.len())?;
                    front.eq_ignore_ascii_case(scheme).then_some((protocol, rest))
                })
                .unwrap_or((HopProtocol::Smtp, text));
        let (host, port) = cut_port(rest)?;
        Ok(NextHop { protocol, host: host.to_ascii_lowercase().into(), port })
    }
}

/// The host, proven, and the port behind it.
fn cut_port(text: &str) -> Result<(&str, Option<u16>), HopError> {
    if let Some(behind) = text.strip_prefix('[') {
        let (address, rest) = behind.split_once(']').ok_or(HopError)?;
        let address = address.strip_prefix("IPv6:").unwrap_or(address);
        address.parse::<std::net::IpAddr>().map_err(|_| HopError)?;
        return Ok((address, port(rest)?));
    }
    // An address of IPv6 without brackets has no port.
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let is_name = !host.is_empty()
        && host.len() <= limits::DOMAIN_OCTETS
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= limits::LABEL_OCTETS
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
                && !label.starts_with('-')
        });
    if is_name { Ok((host, port(rest)?)) } else { Err(HopError) }
}

fn port(text: &str) -> Result<Option<u16>, HopError> {
    match text.strip_prefix(':') {
        None if text.is_empty() => Ok(None),
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port > 0).map(Some).ok_or(HopError)
        }
        _ => Err(HopError),
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.protocol {
            HopProtocol::Smtp => "",
            HopProtocol::Smtps => "smtps:",
            HopProtocol::Lmtp => "lmtp:",
        })?;
        if self.host.contains(':') {
            write!(out, "[{}]", self.host)?;
        } else {
            out.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(out, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for HopError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a server is HOST, HOST:PORT, [ADDRESS]:PORT, smtps:HOST or lmtp:HOST:PORT")
    }
}

impl std::error::Error for HopError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_as_it_is_written_and_shown_so_that_it_is_read_again() {
        for (text, shown) in [
            ("Mail.Example.com", "mail.example.com"),
            ("mail.example.com:587", "mail.example.com:587"),
            ("smtp:mail", "mail"),
            ("SMTPS:mail.example.com", "smtps:mail.example.com"),
            ("lmtp:dovecot.lan:24", "lmtp:dovecot.lan:24"),
            ("192.0.2.1:25", "192.0.2.1:25"),
            ("[192.0.2.1]:25", "192.0.2.1:25"),
            ("[2001:DB8::1]:25", "[2001:db8::1]:25"),
            ("lmtp:[IPv6:::1]", "lmtp:[::1]"),
            ("::1", "[::1]"),
            ("my_box", "my_box"),
        ] {
            let hop: NextHop = text.parse().unwrap();
            assert_eq!(hop.to_string(), shown);
            assert_eq!(shown.parse(), Ok(hop), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for bad in [
            "",
            ":25",
            "a b",
            "a:",
            "a:0",
            "a:65536",
            "a:+5",
            "a:25:25",
            "[a]:25",
            "[::1",
            "[::1]25",
            "-a",
            "a..b",
            "lmtp:",
            "http:a",
            "a/b",
            "user@host",
            "h\u{f6}st",
            "a\r\nb",
        ] {
            assert_eq!(bad.parse::<NextHop>(), Err(HopError), "{bad:?}");
        }
    }
}
