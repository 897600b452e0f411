//! A configuration profile for Apple's devices: the authority, and a mail account if one is named (T5).
//!
//! The keys are those that Apple publishes for `com.apple.security.root` and `com.apple.mail.managed`. The same authority
//! and account make the same profile, octet for octet, so that one that is installed again takes the place of the first.

use base64ct::{Base64, Encoding};
use ring::digest;

use super::account::Account;
use super::{Authority, stranger};
use crate::admin::AdminError;

/// The profile as XML. It has no password: the device asks for it.
pub(super) fn profile(authority: &Authority, account: Option<&Account>) -> Result<String, AdminError> {
    let print = authority.row.fingerprint.to_string();
    let scope = Scope { print: &print, address: account.map_or("", |account| account.address.as_str()) };
    let mut payloads = vec![root(authority, &scope)?];
    payloads.extend(account.map(|account| mail(account, &scope)));
    let (name, description) = match account {
        Some(account) => {
            (format!("Mail of {}", account.address), "The mailbox, and the authority of its server")
        }
        None => (authority.row.name.clone(), "The authority of the mail server"),
    };
    let mut entries = scope.payload("Configuration", "profile", name);
    entries.push(("PayloadDescription", Value::text(description)));
    entries.push(("PayloadContent", Value::List(payloads)));
    let mut text = String::from(HEAD);
    Value::Entries(entries).write(&mut text);
    Ok(text + "</plist>\n")
}

fn root(authority: &Authority, scope: &Scope) -> Result<Value, AdminError> {
    let base64: String = authority.pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = Base64::decode_vec(&base64).map_err(|_| stranger())?;
    let scope = Scope { address: "", ..*scope };
    let mut entries = scope.payload("com.apple.security.root", "authority", authority.row.name.clone());
    entries.push(("PayloadCertificateFileName", Value::text("poppet-authority.cer")));
    entries.push(("PayloadContent", Value::Octets(der)));
    Ok(Value::Entries(entries))
}

fn mail(account: &Account, scope: &Scope) -> Value {
    let address = account.address.as_str();
    let text = |text: &str| Value::text(text);
    let number = |port: u16| Value::Number(port.into());
    let mut entries = scope.payload("com.apple.mail.managed", "account", format!("Mailbox {address}"));
    entries.extend([
        ("EmailAccountDescription", text(address)),
        ("EmailAccountName", text(account.address.local_part())),
        ("EmailAccountType", text("EmailTypePOP")),
        ("EmailAddress", text(address)),
        ("IncomingMailServerAuthentication", text("EmailAuthPassword")),
        ("IncomingMailServerHostName", text(&account.host)),
        ("IncomingMailServerPortNumber", number(account.fetching.port)),
        // One key for TLS of either kind: never in the clear.
        ("IncomingMailServerUseSSL", Value::Is(true)),
        ("IncomingMailServerUsername", text(address)),
        ("OutgoingMailServerAuthentication", text("EmailAuthPassword")),
        ("OutgoingMailServerHostName", text(&account.host)),
        ("OutgoingMailServerPortNumber", number(account.sending.port)),
        ("OutgoingMailServerUseSSL", Value::Is(true)),
        ("OutgoingMailServerUsername", text(address)),
        ("OutgoingPasswordSameAsIncomingPassword", Value::Is(true)),
    ]);
    Value::Entries(entries)
}

/// What makes the identifiers of a profile its own, and the same each time.
#[derive(Clone, Copy)]
struct Scope<'a> {
    print: &'a str,
    address: &'a str,
}

impl Scope<'_> {
    fn payload(&self, kind: &str, part: &str, name: String) -> Vec<(&'static str, Value)> {
        let uuid = self.uuid(part);
        vec![
            ("PayloadType", Value::text(kind)),
            ("PayloadVersion", Value::Number(1)),
            ("PayloadIdentifier", Value::Text(format!("poppet.{part}.{}", uuid.to_ascii_lowercase()))),
            ("PayloadUUID", Value::Text(uuid)),
            ("PayloadDisplayName", Value::Text(name)),
        ]
    }

    /// Of a digest, with the bits that mark it as one of the maker's own kind.
    fn uuid(&self, part: &str) -> String {
        let all = ["poppet", part, self.print, self.address].join("\0");
        let digest = digest::digest(&digest::SHA256, all.as_bytes());
        let mut octets = [0; 16];
        octets.copy_from_slice(&digest.as_ref()[..16]);
        octets[6] = octets[6] & 0x0F | 0x80;
        octets[8] = octets[8] & 0x3F | 0x80;
        let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}

/// What a property list holds, as far as profiles need it.
enum Value {
    Text(String),
    Number(u32),
    Is(bool),
    Octets(Vec<u8>),
    List(Vec<Value>),
    Entries(Vec<(&'static str, Value)>),
}

impl Value {
    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn write(&self, out: &mut String) {
        match self {
            Value::Text(text) => *out += &format!("<string>{}</string>\n", escaped(text)),
            Value::Number(number) => *out += &format!("<integer>{number}</integer>\n"),
            Value::Is(true) => *out += "<true/>\n",
            Value::Is(false) => *out += "<false/>\n",
            Value::Octets(octets) => *out += &format!("<data>{}</data>\n", Base64::encode_string(octets)),
            Value::List(values) => {
                *out += "<array>\n";
                values.iter().for_each(|value| value.write(out));
                *out += "</array>\n";
            }
            Value::Entries(entries) => {
                *out += "<dict>\n";
                for (key, value) in entries {
                    *out += &format!("<key>{key}</key>");
                    value.write(out);
                }
                *out += "</dict>\n";
            }
        }
    }
}

/// XML has no room for control characters, not even escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            letter if letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}') => {
                escaped.push(char::REPLACEMENT_CHARACTER);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
    <plist version=\"1.0\">\n";

#[cfg(test)]
mod tests {
    //! That it is a property list is shown by `tests/clients/trust.py`, which has another reader.

    use super::super::account::tests::account;
    use super::*;
    use crate::admin::{CertificateKind, CertificateRow, Fingerprint};
    use crate::cli::cert::show::Authority;

    fn authority(name: &str, print: u8) -> Authority {
        Authority {
            pem: "-----BEGIN CERTIFICATE-----\nYXV0aG9y\naXR5\n-----END CERTIFICATE-----\n".into(),
            row: CertificateRow::new(CertificateKind::Authority, name.into(), Fingerprint([print; 32])),
        }
    }

    fn uuids(text: &str) -> Vec<&str> {
        let after = text.split("<key>PayloadUUID</key><string>").skip(1);
        after.map(|rest| rest.split_once('<').unwrap().0).collect()
    }

    #[test]
    fn the_same_makes_the_same_and_another_authority_or_account_another() {
        let bob = Account { address: "bob@home.lan".parse().unwrap(), ..account() };
        let make = |print, account: Option<&Account>| profile(&authority("home", print), account).unwrap();
        assert_eq!(make(1, Some(&account())), make(1, Some(&account())));
        let [alices, bobs, bare, other] =
            [make(1, Some(&account())), make(1, Some(&bob)), make(1, None), make(2, None)];
        assert_eq!([&alices, &bobs, &bare, &other].map(|text| uuids(text).len()), [3, 3, 2, 2]);
        // Both of them trust one authority, which is installed once.
        assert_eq!(uuids(&alices)[1], uuids(&bare)[1]);
        let mut all: Vec<&str> =
            [&alices, &bobs, &bare, &other].into_iter().flat_map(|text| uuids(text)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10 - 2, "of ten, the authority's stands three times: {all:?}");
        for uuid in all {
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.as_bytes()[14] == b'8' && b"89AB".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }

    #[test]
    fn the_account_stands_in_it_only_if_one_is_named() {
        let text = profile(&authority("home", 1), Some(&account())).unwrap();
        for wanted in [
            "<string>com.apple.security.root</string>",
            "<data>YXV0aG9yaXR5</data>",
            "<string>EmailTypePOP</string>",
            "<key>IncomingMailServerPortNumber</key><integer>995</integer>",
            "<key>OutgoingMailServerPortNumber</key><integer>587</integer>",
            "<key>OutgoingMailServerUseSSL</key><true/>",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        assert!(!text.contains("<key>IncomingPassword</key>"), "no password");
        let bare = profile(&authority("home", 1), None).unwrap();
        assert!(bare.contains("com.apple.security.root") && !bare.contains("com.apple.mail"), "{bare}");
    }

    #[test]
    fn foreign_text_stays_text() {
        let name = "a</string>&<\u{1}\u{FFFF}ä\"'";
        let text = profile(&authority(name, 1), None).unwrap();
        assert_eq!(text.matches("<string>a&lt;/string&gt;&amp;&lt;\u{FFFD}\u{FFFD}ä\"'</string>").count(), 2);
        let odd = Account { address: "\"<&>\"@home.lan".parse().unwrap_or(account().address), ..account() };
        assert!(profile(&authority("home", 1), Some(&odd)).is_ok());
    }

    #[test]
    fn what_is_no_authority_makes_no_profile() {
        let broken = Authority { pem: "-----BEGIN X-----\n!\n".into(), ..authority("home", 1) };
        assert!(profile(&broken, None).is_err());
    }
}
