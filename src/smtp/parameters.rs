//! The parameters of MAIL and RCPT. RFC 5321 §4.1.1.11, RFC 1870, RFC 6152, RFC 6531, RFC 4954 §5.

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
    /// Takes what stands behind the path of MAIL.
    pub fn parse(text: &[u8], offers_dsn: bool) -> Result<MailParameters, ParameterError> {
        let _ = offers_dsn;
        let mut parameters = MailParameters::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            parameters.take(&keyword.to_ascii_uppercase(), value)?;
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
            (b"AUTH", Some(xtext)) => is_xtext(xtext),
            (b"SMTPUTF8", None) => true,
            _ => false,
        };
        if is_good && !is_repeated { Ok(()) } else { Err(ParameterError::Syntax) }
    }
}

/// Takes what stands behind the path of RCPT: NOTIFY and ORCPT, where DSN is offered.
pub fn parse_rcpt(text: &[u8], offers_dsn: bool) -> Result<RcptDsn, ParameterError> {
    let _ = offers_dsn;
    match split(text).next() {
        None => Ok(RcptDsn::default()),
        Some(Ok(_)) => Err(ParameterError::Unknown),
        Some(Err(error)) => Err(error),
    }
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
        let is_value = |value: &[u8]| {
            !value.is_empty() && value.iter().all(|&octet| octet.is_ascii_graphic() && octet != b'=')
        };
        if parameter.len() <= PARAMETER_OCTETS && is_keyword && value.is_none_or(is_value) {
            Ok((keyword, value))
        } else {
            Err(ParameterError::Syntax)
        }
    })
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

/// RFC 3461 §4: `+` and two hexadecimal digits for what isn't written as it is; no control octets come
/// out of it (S-075).
fn is_xtext(text: &[u8]) -> bool {
    let mut octets = text.iter();
    while let Some(&octet) = octets.next() {
        if octet == b'+' {
            let digit = |octet: Option<&u8>| {
                let octet = *octet?;
                let is_digit = octet.is_ascii_digit() || (b'A'..=b'F').contains(&octet);
                is_digit.then(|| char::from(octet).to_digit(16)).flatten()
            };
            match (digit(octets.next()), digit(octets.next())) {
                (Some(high), Some(low)) if (0x20..0x7F).contains(&(high * 16 + low)) => {}
                _ => return false,
            }
        }
    }
    true
}

/// Octets of one parameter: room for the longest address, encoded (S-072).
const PARAMETER_OCTETS: usize = 499;

#[cfg(test)]
mod tests {
    use super::*;

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
        for text in [" FOO=1", " FOO", " RET=FULL", " ENVID=1", " SIZE=1 X-Y=2"] {
            assert_eq!(parse(text), Err(ParameterError::Unknown), "{text:?}");
        }
        assert_eq!(parse_rcpt(b"", false), Ok(RcptDsn::default()));
        assert_eq!(parse_rcpt(b" NOTIFY=NEVER,SUCCESS", false), Err(ParameterError::Unknown));
        assert_eq!(parse_rcpt(b" =", false), Err(ParameterError::Syntax));
    }
}
