//! Filters, names and reasons: what an administrator writes, and what users' names do in it.

use super::names;
use crate::ldap::{Filter, FilterError, Judgement, NameTemplate, Names, Outcome, TemplateError};
use crate::limits;
use crate::wire::ber::{Reader, Tag};

#[test]
fn filters_are_written_as_rfc_4511_has_them() {
    for (text, octets) in [
        ("(uid={user})", &b"\xA3\x0A\x04\x03uid\x04\x03bob"[..]),
        ("( uid = {user} )", b"\xA3\x0A\x04\x03uid\x04\x03bob"),
        ("(&(a=1)(uid={user}))", b"\xA0\x14\xA3\x06\x04\x01a\x04\x011\xA3\x0A\x04\x03uid\x04\x03bob"),
        ("(|(u={user})(v={user}))", b"\xA1\x14\xA3\x08\x04\x01u\x04\x03bob\xA3\x08\x04\x01v\x04\x03bob"),
        ("(&(!(a=*))(u={user}))", b"\xA0\x0F\xA2\x03\x87\x01a\xA3\x08\x04\x01u\x04\x03bob"),
        ("(u>={user})", b"\xA5\x08\x04\x01u\x04\x03bob"),
        ("(u<={user})", b"\xA6\x08\x04\x01u\x04\x03bob"),
        ("(u~={user})", b"\xA8\x08\x04\x01u\x04\x03bob"),
        ("(u={user}*)", b"\xA4\x0A\x04\x01u\x30\x05\x80\x03bob"),
        ("(u=*{user})", b"\xA4\x0A\x04\x01u\x30\x05\x82\x03bob"),
        ("(u=a*{user}*c)", b"\xA4\x10\x04\x01u\x30\x0B\x80\x01a\x81\x03bob\x82\x01c"),
        ("(u=\\7b\\2A{user})", b"\xA3\x0A\x04\x01u\x04\x05{*bob"),
        ("(u:dn:2.5.13.2:={user})", b"\xA9\x15\x81\x082.5.13.2\x82\x01u\x83\x03bob\x84\x01\xFF"),
        ("(:r:={user})", b"\xA9\x08\x81\x01r\x83\x03bob"),
        ("(u:={user})", b"\xA9\x08\x82\x01u\x83\x03bob"),
        ("(m={address})", b"\xA3\x11\x04\x01m\x04\x0Cbob@home.lan"),
        (
            "(&(d={domain})(u={user}))",
            b"\xA0\x19\xA3\x0D\x04\x01d\x04\x08home.lan\xA3\x08\x04\x01u\x04\x03bob",
        ),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.fill(&names("bob")), octets, "{text}");
    }
}

#[test]
fn what_is_no_filter_is_told_and_what_finds_everybody_is_refused() {
    use FilterError::Template;
    let nobody = Template(TemplateError::NamesNobody);
    for text in [
        "(a=b)",
        "(objectClass=*)",
        "(d={domain})",
        "(!(u={user}))",
        "(|(u={user})(a=*))",
        "(&(a=b)(!(u={user})))",
    ] {
        assert_eq!(Filter::parse(text), Err(nobody.clone()), "{text}");
    }
    assert_eq!(Filter::parse("(u={name})"), Err(Template(TemplateError::Unknown("name".into()))));
    assert_eq!(Filter::parse("(u={user)"), Err(Template(TemplateError::Open)));
    assert_eq!(Filter::parse("(u={user})x"), Err(FilterError::Behind("x".into())));
    for text in ["(u={user}\\2)", "(u={user}\\zz)", "(u={user}\\)", "(u={user}\\+1)"] {
        assert_eq!(Filter::parse(text), Err(FilterError::BadEscape), "{text}");
    }
    for text in [
        "",
        "u={user}",
        "(",
        "()",
        "(&)",
        "(|)",
        "(!)",
        "(u)",
        "(={user})",
        "(u={user}",
        "(&(u={user})",
        "(u ={user}(x))",
        "(u v={user})",
        "(u=**)",
        "(!(u={user})(v=1))",
        "(:={user})",
        "(u:dn:r:s:={user})",
        "(é={user})",
        "(u(={user})",
    ] {
        assert!(
            matches!(Filter::parse(text), Err(FilterError::Expected(..))),
            "{text:?}: {:?}",
            Filter::parse(text)
        );
    }
}

#[test]
fn brackets_in_brackets_are_bounded_at_their_edge() {
    let nested = |depth: usize| format!("{}(u={{user}}){}", "(&".repeat(depth - 1), ")".repeat(depth - 1));
    let most = limits::FILTER_DEPTH;
    assert!(Filter::parse(&nested(most - 1)).is_ok());
    assert!(Filter::parse(&nested(most)).is_ok());
    assert_eq!(Filter::parse(&nested(most + 1)), Err(FilterError::TooDeep));
    assert_eq!(Filter::parse(&"(&".repeat(100_000)), Err(FilterError::TooDeep));
}

#[test]
fn no_name_changes_a_filter_s_192() {
    let filter = Filter::parse("(&(objectClass=person)(uid={user}))").unwrap();
    for evil in ["*", "*)(uid=*", "bob)(|(uid=*", "\\2a", "a\0b", "(", ")", "{address}", "bob\\29", "&", "é*"]
    {
        let octets = filter.fill(&Names { user: evil.into(), ..names("bob") });
        let mut whole = Reader::new(&octets);
        let mut both = whole.inside(Tag::context(0, true)).unwrap();
        let mut class = both.inside(Tag::context(3, true)).unwrap();
        assert_eq!(class.expect(Tag::OCTET_STRING), Ok(&b"objectClass"[..]));
        let mut uid = both.inside(Tag::context(3, true)).unwrap();
        assert_eq!(uid.expect(Tag::OCTET_STRING), Ok(&b"uid"[..]));
        assert_eq!(uid.expect(Tag::OCTET_STRING), Ok(evil.as_bytes()), "a value, as it is");
        assert_eq!((uid.end(), both.end(), whole.end()), (Ok(()), Ok(()), Ok(())), "{evil:?}");
    }
}

#[test]
fn no_name_changes_a_dn_s_193() {
    let template = NameTemplate::parse("uid={user},ou=people,dc=home,dc=lan").unwrap();
    for (user, part) in [
        ("bob", "bob"),
        ("jörg", "jörg"),
        ("bob,ou=admins", "bob\\2Cou\\3Dadmins"),
        (" bob ", "\\20bob\\20"),
        ("#bob", "\\23bob"),
        ("a+b", "a\\2Bb"),
        ("a\"b", "a\\22b"),
        ("a\\,b", "a\\5C\\2Cb"),
        ("a<b>c;d", "a\\3Cb\\3Ec\\3Bd"),
        ("a\0b\nc", "a\\00b\\0Ac"),
        ("{domain}", "{domain}"),
    ] {
        let name = template.fill(&names(user));
        assert_eq!(name, format!("uid={part},ou=people,dc=home,dc=lan"), "{user:?}");
    }
    let template = NameTemplate::parse("cn={address},o={domain}").unwrap();
    assert_eq!(template.fill(&names("bob")), "cn=bob@home.lan,o=home.lan");
    assert_eq!(NameTemplate::parse("uid=bob,dc={domain}"), Err(TemplateError::NamesNobody));
    assert_eq!(NameTemplate::parse("uid={user"), Err(TemplateError::Open));
    assert_eq!(NameTemplate::parse("uid={}"), Err(TemplateError::Unknown(String::new())));
}

#[test]
fn active_directory_tells_why_s_204() {
    let said = |data: &str| {
        format!("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580")
    };
    for (data, reason) in [
        ("525", "the directory has no such user"),
        ("52e", "wrong password"),
        ("52E", "wrong password"),
        ("530", "the account may not log on at this time"),
        ("531", "the account may not log on from this machine"),
        ("532", "the password has expired"),
        ("533", "the account is disabled"),
        ("701", "the account has expired"),
        ("773", "the password must be changed first"),
        ("775", "the account is locked out"),
    ] {
        let outcome = Outcome::new(49, said(data).as_bytes());
        assert_eq!(outcome.judgement(), Judgement::Wrong);
        assert!(outcome.reason().starts_with(reason), "{}", outcome.reason());
    }
    for odd in ["", "data", ", data ", ", data zz", ", data 1234567890", ", data 52", "\u{FF}\0\r\n"] {
        let outcome = Outcome::new(49, odd.as_bytes());
        assert!(outcome.reason().starts_with("wrong password, or no such user"), "{}", outcome.reason());
        assert!(!outcome.reason().contains(char::is_control));
    }
    assert!(!Outcome::new(52, said("775").as_bytes()).reason().contains("locked"), "only 49 has them");
}

#[test]
fn only_what_is_said_of_a_password_counts_against_it_s_196() {
    for (code, judgement) in [
        (0, Judgement::Right),
        (49, Judgement::Wrong),
        (53, Judgement::Wrong),
        (19, Judgement::Wrong),
        (51, Judgement::Elsewhere),
        (52, Judgement::Elsewhere),
        (10, Judgement::Never),
        (8, Judgement::Never),
        (1, Judgement::Never),
        (34, Judgement::Never),
        (80, Judgement::Never),
        (14, Judgement::Never),
        (-1, Judgement::Never),
        (i64::MAX, Judgement::Never),
    ] {
        assert_eq!(Outcome::new(code, b"").judgement(), judgement, "{code}");
        assert!(!Outcome::new(code, b"").reason().is_empty());
    }
}
