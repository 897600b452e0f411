//! The parameters of MAIL and RCPT. RFC 5321 §4.1.1.11, RFC 1870, RFC 3461, RFC 6152, RFC 6531, RFC 4954 §5.

use super::dsn::{self, Notify, OriginalRecipient, Ret};
use super::xtext::{self, Repertoire};
use super::{MailDsn, RcptDsn};

/// What MAIL said beside its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE, if given and not 0. RFC 1870 §6.
    pub size_octets: Option<u64>,
    /// SMTPUTF8. RFC 6531 §3.4.
    pub is_utf8: bool,
    /// RET and ENVID, where DSN is offered.
    pub dsn: MailDsn,
    has_size: bool,
    has_body: bool,
    has_auth: bool,
}

/// Why parameters are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterError {
    /// Not `KEYWORD` or `KEYWORD=value`, given twice, over-long, or with a value that it can't have.
    Syntax,
    /// None of those that EHLO lists. RFC 5321 §4.1.1.11.
    Unknown,
    /// SIZE beyond what 64 bits can count.
    TooLarge,
}

impl MailParameters {
    /// Takes what stands behind the path of MAIL; RET and ENVID are unknown unless DSN is offered.
    pub fn parse(text: &[u8], offers_dsn: bool) -> Result<MailParameters, ParameterError> {
        let mut parameters = MailParameters::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            match keyword.to_ascii_uppercase().as_slice() {
                b"RET" if offers_dsn => put(&mut parameters.dsn.ret, value, Ret::parse)?,
                b"ENVID" if offers_dsn => {
                    put(&mut parameters.dsn.envelope_id, value, dsn::parse_envelope_id)?
                }
                keyword => parameters.take(keyword, value)?,
            }
        }
        Ok(parameters)
    }

    fn take(&mut self, keyword: &[u8], value: Option<&[u8]>) -> Result<(), ParameterError> {
        let is_repeated = match keyword {
            b"SIZE" => std::mem::replace(&mut self.has_size, true),
            b"BODY" => std::mem::replace(&mut self.has_body, true),
            b"AUTH" => std::mem::replace(&mut self.has_auth, true),
            b"SMTPUTF8" => std::mem::replace(&mut self.is_utf8, true),
            _ => return Err(ParameterError::Unknown),
        };
        let is_good = match (keyword, value) {
            (b"SIZE", Some(digits)) => {
                self.size_octets = Some(size(digits)?).filter(|&octets| octets > 0);
                true
            }
            // 7-bit and 8-bit mail are stored alike.
            (b"BODY", Some(body)) => [&b"7BIT"[..], b"8BITMIME"].iter().any(|b| b.eq_ignore_ascii_case(body)),
            // Nobody is believed here about who else sent a mail, but it must be well-formed.
            (b"AUTH", Some(sender)) => xtext::decode(sender, Repertoire::Ascii).is_some(),
            (b"SMTPUTF8", None) => true,
            _ => false,
        };
        if is_good && !is_repeated { Ok(()) } else { Err(ParameterError::Syntax) }
    }
}

/// Takes what stands behind the path of RCPT: NOTIFY and ORCPT, which are unknown unless DSN is offered.
pub fn parse_rcpt(text: &[u8], offers_dsn: bool) -> Result<RcptDsn, ParameterError> {
    let mut dsn = RcptDsn::default();
    for parameter in split(text) {
        let (keyword, value) = parameter?;
        match keyword.to_ascii_uppercase().as_slice() {
            b"NOTIFY" if offers_dsn => put(&mut dsn.notify, value, Notify::parse)?,
            b"ORCPT" if offers_dsn => put(&mut dsn.original_recipient, value, OriginalRecipient::parse)?,
            _ => return Err(ParameterError::Unknown),
        }
    }
    Ok(dsn)
}

type Parameter<'a> = (&'a [u8], Option<&'a [u8]>);

fn split(text: &[u8]) -> impl Iterator<Item = Result<Parameter<'_>, ParameterError>> {
    text.split(|&octet| octet == b' ').filter(|parameter| !parameter.is_empty()).map(|parameter| {
        let (keyword, value) = match parameter.iter().position(|&octet| octet == b'=') {
            Some(at) => (&parameter[..at], Some(&parameter[at + 1..])),
            None => (parameter, None),
        };
        let is_keyword = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
            && keyword.iter().all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-');
        // An original recipient may be beyond ASCII (RFC 6533 §3) and has a limit of its own.
        let is_orcpt = keyword.eq_ignore_ascii_case(b"ORCPT");
        let is_value = |value: &[u8]| {
            !value.is_empty()
                && value
                    .iter()
                    .all(|&octet| octet.is_ascii_graphic() && octet != b'=' || is_orcpt && !octet.is_ascii())
        };
        let is_short = is_orcpt || parameter.len() <= PARAMETER_OCTETS;
        if is_short && is_keyword && value.is_none_or(is_value) {
            Ok((keyword, value))
        } else {
            Err(ParameterError::Syntax)
        }
    })
}

/// Parses a value into its place, which must be empty: nothing may be given twice. RFC 3461 §4.5.
fn put<T>(
    place: &mut Option<T>,
    value: Option<&[u8]>,
    parse: fn(&[u8]) -> Option<T>,
) -> Result<(), ParameterError> {
    let parsed = value.and_then(parse).ok_or(ParameterError::Syntax)?;
    match place.replace(parsed) {
        None => Ok(()),
        Some(_) => Err(ParameterError::Syntax),
    }
}

/// 1 to 20 digits. RFC 1870 §3. A zero in front is refused: some would take it for octal (S-073).
fn size(digits: &[u8]) -> Result<u64, ParameterError> {
    let is_number = (1..=20).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits[0] != b'0');
    if !is_number {
        return Err(ParameterError::Syntax);
    }
    digits
        .iter()
        .try_fold(0u64, |size, digit| size.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(ParameterError::TooLarge)
}

/// Octets of one parameter: room for the longest address, encoded (S-072).
const PARAMETER_OCTETS: usize = 499;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn parse(text: &str) -> Result<MailParameters, ParameterError> {
        MailParameters::parse(text.as_bytes(), false)
    }

    #[test]
    fn good_parameters_are_taken_in_any_case_and_order() {
        let parameters = parse(" size=1000 BODY=8bitmime SMTPUTF8 AUTH=<>").unwrap();
        assert_eq!((parameters.size_octets, parameters.is_utf8), (Some(1000), true));
        assert_eq!(parse(" SIZE=0").unwrap().size_octets, None);
        assert_eq!(parse("").unwrap(), MailParameters::default());
        assert!(parse("  BODY=7BIT  AUTH=e+3Dmc2@example.com ").is_ok());
    }

    #[test]
    fn sizes_are_strict_integers_s_073() {
        assert_eq!(parse(" SIZE=18446744073709551615").unwrap().size_octets, Some(u64::MAX));
        assert_eq!(parse(" SIZE=18446744073709551616"), Err(ParameterError::TooLarge));
        assert_eq!(parse(" SIZE=99999999999999999999"), Err(ParameterError::TooLarge));
        for size in ["-1", "+1", "0x10", "00001", "", "1 2", "1.5", "999999999999999999999", "1k"] {
            assert!(parse(&format!(" SIZE={size}")).is_err(), "{size:?}");
        }
        assert_eq!(parse(" SIZE"), Err(ParameterError::Syntax));
    }

    #[test]
    fn what_is_ill_formed_or_repeated_is_refused_s_072_s_074_s_075() {
        for text in [
            " =\"",
            " =",
            " SIZE=1 SIZE=2",
            " BODY=7BIT BODY=7BIT",
            " SMTPUTF8 SMTPUTF8",
            " AUTH=<> AUTH=<>",
            " SMTPUTF8=yes",
            " BODY",
            " BODY=",
            " BODY=BINARYMIME",
            " SIZE=1=2",
            " AUTH=evil+0Aheader:",
            " AUTH=a+7F",
            " AUTH=a+FF",
            " AUTH=a+2",
            " AUTH=a+2b",
            " AUTH=a+",
            " AUTH",
            " FO\u{f6}=1",
            " FOO=\u{f6}",
            " -X=1",
            " \"SIZE=1",
        ] {
            assert_eq!(parse(text), Err(ParameterError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn a_parameter_is_bounded_s_072() {
        for (octets, error) in
            [(498, ParameterError::Unknown), (499, ParameterError::Unknown), (500, ParameterError::Syntax)]
        {
            assert_eq!(parse(&format!(" FOO={}", "x".repeat(octets - 4))), Err(error), "{octets}");
        }
    }

    #[test]
    fn what_is_not_offered_is_unknown_s_071_s_076() {
        for text in [" FOO=1", " FOO", " RET=FULL", " RET", " ENVID=1", " SIZE=1 X-Y=2"] {
            assert_eq!(parse(text), Err(ParameterError::Unknown), "{text:?}");
        }
        assert_eq!(parse_rcpt(b"", false), Ok(RcptDsn::default()));
        for text in [" NOTIFY=NEVER,SUCCESS", " NOTIFY=NEVER", " ORCPT=rfc822;a@b", " ORCPT=utf-8;\u{f6}@b"] {
            assert_eq!(parse_rcpt(text.as_bytes(), false), Err(ParameterError::Unknown), "{text}");
        }
        assert_eq!(parse_rcpt(b" =", false), Err(ParameterError::Syntax));
        for text in [" SIZE=1", " NOTIFY=NEVER FOO", " RET=FULL", " ENVID=1"] {
            assert_eq!(parse_rcpt(text.as_bytes(), true), Err(ParameterError::Unknown), "{text}");
        }
        for text in [" NOTIFY=NEVER", " ORCPT=rfc822;a@b"] {
            assert_eq!(MailParameters::parse(text.as_bytes(), true), Err(ParameterError::Unknown), "{text}");
        }
    }

    fn mail_dsn(text: &str) -> Result<MailDsn, ParameterError> {
        MailParameters::parse(text.as_bytes(), true).map(|parameters| parameters.dsn)
    }

    #[test]
    fn mail_says_what_reports_return_and_name() {
        let dsn = |ret, id: Option<&str>| Ok(MailDsn { ret, envelope_id: id.map(str::to_owned) });
        assert_eq!(mail_dsn(" SIZE=1"), dsn(None, None));
        assert_eq!(mail_dsn(" RET=FULL"), dsn(Some(Ret::Full), None));
        assert_eq!(mail_dsn(" ret=hdrs envid=QQ+2B1"), dsn(Some(Ret::Headers), Some("QQ+1")));
        assert_eq!(mail_dsn(" SIZE=5 ENVID=a+20b BODY=8BITMIME"), dsn(None, Some("a b")));
    }

    #[test]
    fn ill_formed_wishes_of_mail_are_refused_s_075_s_076() {
        for text in [
            " RET",
            " RET=",
            " RET=BOTH",
            " RET=FULL RET=FULL",
            " RET=FULL RET=HDRS",
            " ENVID",
            " ENVID=",
            " ENVID=a ENVID=a",
            " ENVID=a+0D+0ABcc:",
            " ENVID=a+7F",
            " ENVID=a+",
            " ENVID=\u{f6}",
        ] {
            assert_eq!(mail_dsn(text), Err(ParameterError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn an_envelope_id_is_bounded_before_its_coding() {
        let most = limits::ENVELOPE_ID_OCTETS;
        for (octets, is_taken) in [(most - 1, true), (most, true), (most + 1, false)] {
            assert_eq!(mail_dsn(&format!(" ENVID={}", "x".repeat(octets))).is_ok(), is_taken, "{octets}");
            assert_eq!(mail_dsn(&format!(" ENVID={}", "+2B".repeat(octets))).is_ok(), is_taken, "{octets}");
        }
    }

    fn rcpt_dsn(text: &str) -> Result<RcptDsn, ParameterError> {
        parse_rcpt(text.as_bytes(), true)
    }

    #[test]
    fn rcpt_says_when_a_report_is_wanted() {
        let notify = |success, failure, delay| {
            Ok(RcptDsn { notify: Some(Notify { success, failure, delay }), original_recipient: None })
        };
        for (text, dsn) in [
            (" NOTIFY=NEVER", notify(false, false, false)),
            (" notify=never", notify(false, false, false)),
            (" NOTIFY=SUCCESS", notify(true, false, false)),
            (" NOTIFY=Failure,DELAY", notify(false, true, true)),
            (" NOTIFY=DELAY,SUCCESS,FAILURE", notify(true, true, true)),
            ("", Ok(RcptDsn::default())),
        ] {
            assert_eq!(rcpt_dsn(text), dsn, "{text}");
        }
        for text in [
            " NOTIFY",
            " NOTIFY=",
            " NOTIFY=ALWAYS",
            " NOTIFY=NEVER,SUCCESS",
            " NOTIFY=SUCCESS,NEVER",
            " NOTIFY=NEVER,NEVER",
            " NOTIFY=SUCCESS,SUCCESS",
            " NOTIFY=SUCCESS,",
            " NOTIFY=,SUCCESS",
            " NOTIFY=SUCCESS,,DELAY",
            " NOTIFY=SUCCESS NOTIFY=SUCCESS",
            " NOTIFY=SUCCESS NOTIFY=NEVER",
        ] {
            assert_eq!(rcpt_dsn(text), Err(ParameterError::Syntax), "{text:?} s_076");
        }
    }

    #[test]
    fn rcpt_says_whom_the_sender_meant() {
        for (value, address_type, address) in [
            ("rfc822;Bob@Far.example", "rfc822", "Bob@Far.example"),
            ("RFC822;bob+2Bx@far.example", "rfc822", "bob+x@far.example"),
            ("x400;/C=us/".replace('=', "+3D").as_str(), "x400", "/C=us/"),
            ("rfc822;", "rfc822", ""),
            ("rfc822;a;b", "rfc822", "a;b"),
            ("rfc822;a\\x{F6}", "rfc822", "a\\x{F6}"),
            ("UTF-8;j\u{f6}rg@home.lan", "utf-8", "j\u{f6}rg@home.lan"),
            ("utf-8;j\\x{F6}rg@home.lan", "utf-8", "j\u{f6}rg@home.lan"),
            ("utf-8;j\u{f6}rg\\x{2B}x@home.lan", "utf-8", "j\u{f6}rg+x@home.lan"),
            ("utf-8;alice@home.lan", "utf-8", "alice@home.lan"),
        ] {
            let original =
                OriginalRecipient { address_type: address_type.to_owned(), address: address.to_owned() };
            let dsn = RcptDsn { notify: None, original_recipient: Some(original) };
            assert_eq!(rcpt_dsn(&format!(" ORCPT={value}")), Ok(dsn), "{value}");
        }
        for value in [
            "",
            "rfc822",
            ";a@b",
            "a b;c",
            "a@b;c",
            "rfc.822;c",
            "rf\u{f6};c",
            "rfc822;a+0Db",
            "rfc822;a+0A",
            "rfc822;a+00",
            "rfc822;a=b",
            "rfc822;\u{f6}@b",
            "rfc822;a ORCPT=rfc822;a",
            "utf-8;a\\b",
            "utf-8;\\x{0A}",
            "utf-8;\u{85}",
        ] {
            assert_eq!(
                rcpt_dsn(&format!(" ORCPT={value}")),
                Err(ParameterError::Syntax),
                "{value:?} s_075 s_076"
            );
        }
        assert_eq!(rcpt_dsn(" ORCPT"), Err(ParameterError::Syntax));
        assert_eq!(parse_rcpt(b" ORCPT=utf-8;\xC3", true), Err(ParameterError::Syntax));
    }

    #[test]
    fn an_original_recipient_is_bounded_as_it_is_coded() {
        let most = limits::ORIGINAL_RECIPIENT_OCTETS;
        for (octets, is_taken) in [(most - 1, true), (most, true), (most + 1, false)] {
            let value = format!("rfc822;{}", "x".repeat(octets - 7));
            assert_eq!(rcpt_dsn(&format!(" ORCPT={value}")).is_ok(), is_taken, "{octets}");
        }
    }
}
