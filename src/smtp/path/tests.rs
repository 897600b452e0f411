//! Tests of paths: the attacks on addresses, and how devices write them.

use super::*;

fn forward(path: &str) -> Result<ForwardPath, PathError> {
    let (inner, rest) = cut_path(path.as_bytes(), Strictness::Strict)?;
    assert!(rest.is_empty(), "{path:?}");
    ForwardPath::parse(inner, false)
}

fn address(text: &str) -> ForwardPath {
    ForwardPath::Address(text.parse().unwrap())
}

fn other(domain: &str) -> ForwardPath {
    ForwardPath::OtherLocalPart(domain.parse().unwrap())
}

#[test]
fn good_paths_are_told_apart() {
    let home: Domain = "home.lan".parse().unwrap();
    for (path, expected) in [
        ("<alice@home.lan>", address("alice@home.lan")),
        (" <alice@home.lan>", address("alice@home.lan")),
        ("<ALICE@Home.Lan>", address("alice@home.lan")),
        ("<\"alice\"@home.lan>", address("alice@home.lan")),
        ("<\"al\\ice\"@home.lan>", address("alice@home.lan")),
        ("<bob+x@home.lan>", address("bob+x@home.lan")),
        ("<Postmaster>", ForwardPath::Postmaster),
        ("<postMASTER@home.lan>", ForwardPath::Role(Role::Postmaster, home.clone())),
        ("<Abuse@HOME.lan>", ForwardPath::Role(Role::Abuse, home.clone())),
        ("<\"abuse\"@home.lan>", ForwardPath::Role(Role::Abuse, home)),
        ("<postmaster+x@home.lan>", address("postmaster+x@home.lan")),
        ("<abuse-x@home.lan>", address("abuse-x@home.lan")),
        ("<postmasters@home.lan>", address("postmasters@home.lan")),
        ("<\"a b\"@home.lan>", other("home.lan")),
        ("<\"a\\\"b\"@home.lan>", other("home.lan")),
        ("<\"\\@\"@home.lan>", other("home.lan")),
        ("<\"a>b\"@home.lan>", other("home.lan")),
        ("<\"\"@home.lan>", other("home.lan")),
        ("<x!y%z@home.lan>", other("home.lan")),
        ("<|cmd@home.lan>", other("home.lan")),
        ("</file@home.lan>", other("home.lan")),
        ("<`id`@home.lan>", other("home.lan")),
        ("<a@[127.0.0.1]>", ForwardPath::Foreign),
        ("<a@[IPv6:::1]>", ForwardPath::Foreign),
        ("<a@my_host.lan>", ForwardPath::Foreign),
    ] {
        assert_eq!(forward(path), Ok(expected), "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused_s_099_to_s_106() {
    for path in [
        "",
        "<",
        ">",
        "<>",
        "a@b",
        "<a@b",
        "<a@b@c>",
        "<a@@b>",
        "<@>",
        "<@b>",
        "<a@>",
        "<x@home.lan.>",
        "<x@home.lan..>",
        "<a@[0177.0.0.1]>",
        "<a@[2130706433]>",
        "<a@[999.1.1.1]>",
        "<a@[IPv6:::g]>",
        "<a@[]>",
        "<a@[",
        "<\"a@home.lan>",
        "<\"a\"b@home.lan>",
        "<\"a\\",
        "<<a@home.lan>>",
        "< a@home.lan >",
        "  <a@home.lan>",
        "<a@home.lan>x",
        "<;sleep 66;@home.lan>",
        "<:include:/etc/passwd@home.lan>",
        "<.a@home.lan>",
        "<../../etc/x@home.lan>",
        "<a.@home.lan>",
        "<a@-bad-.lan>",
        "<a@xn--->",
        "<a b@home.lan>",
        "<a\tb@home.lan>",
        "<\"a\tb\"@home.lan>",
    ] {
        assert_eq!(forward(path), Err(PathError::Syntax), "{path:?}");
    }
    assert_eq!(forward("<bob>"), Err(PathError::NoDomain));
    assert_eq!(forward("<\"relaytest@far.example\">"), Err(PathError::NoDomain));
    assert_eq!(forward("<@home.lan:x@far.example>"), Err(PathError::SourceRoute));
    assert_eq!(forward("<@home.lan,@[127.0.0.1]:x%y@home.lan>"), Err(PathError::SourceRoute));
}

/// Every attack of the list by its number, with D = far.example, N = home.lan, I = 192.0.2.1. What is an address is for
/// the store to know; what is none of ours never names a mailbox.
#[test]
fn the_relay_probes_and_address_attacks_are_told_for_what_they_are_s_081_to_s_106() {
    use PathError::{NoDomain, SourceRoute, Syntax};
    let far = || Ok(address("relaytest@far.example"));
    let ours = || Ok(other("home.lan"));
    for (case, path, expected) in [
        ("S-081 to S-084", "<relaytest@far.example>", far()),
        ("S-085", "<relaytest%far.example@[192.0.2.1]>", Ok(ForwardPath::Foreign)),
        ("S-086", "<relaytest%far.example@home.lan>", ours()),
        ("S-087", "<\"relaytest@far.example\">", Err(NoDomain)),
        ("S-088", "<\"relaytest%far.example\">", Err(NoDomain)),
        ("S-089", "<relaytest@far.example@[192.0.2.1]>", Err(Syntax)),
        ("S-090", "<\"relaytest@far.example\"@[192.0.2.1]>", Ok(ForwardPath::Foreign)),
        ("S-091", "<relaytest@far.example@home.lan>", Err(Syntax)),
        ("S-092", "<@[192.0.2.1]:relaytest@far.example>", Err(SourceRoute)),
        ("S-093", "<@home.lan:relaytest@far.example>", Err(SourceRoute)),
        ("S-094", "<far.example!relaytest>", Err(NoDomain)),
        ("S-095", "<far.example!relaytest@[192.0.2.1]>", Ok(ForwardPath::Foreign)),
        ("S-096", "<far.example!relaytest@home.lan>", ours()),
        ("S-097", "<nobody@far.example>", Ok(address("nobody@far.example"))),
        ("S-098", "<postmaster>", Ok(ForwardPath::Postmaster)),
        ("S-098", "<bob>", Err(NoDomain)),
        ("S-098", "<abuse>", Err(NoDomain)),
        ("S-100", "<@home.lan,@[192.0.2.1]:x%far.example@home.lan>", Err(SourceRoute)),
        ("S-100", "<far.example!x%y@home.lan>", ours()),
        ("S-101", "<x@HOME.lan>", Ok(address("x@home.lan"))),
        ("S-101", "<x@home.lan.>", Err(Syntax)),
        ("S-101", "<x@home..lan>", Err(Syntax)),
        ("S-101", "<x@.>", Err(Syntax)),
        ("S-102", "<x@[127.0.0.1]>", Ok(ForwardPath::Foreign)),
        ("S-102", "<x@[IPv6:::1]>", Ok(ForwardPath::Foreign)),
        ("S-102", "<postmaster@[192.0.2.1]>", Ok(ForwardPath::Foreign)),
        ("S-102", "<abuse@[IPv6:2001:db8::1]>", Ok(ForwardPath::Foreign)),
        ("S-102", "<x@[0177.0.0.1]>", Err(Syntax)),
        ("S-102", "<x@[2130706433]>", Err(Syntax)),
        ("S-102", "<x@[::1]>", Err(Syntax)),
        ("S-102", "<x@[IPv6:127.0.0.1]>", Err(Syntax)),
        ("S-102", "<x@[127.0.0.1>", Err(Syntax)),
        ("S-102", "<x@[127.0.0.1].lan>", Err(Syntax)),
        ("S-102", "<x@127.0.0.1>", Ok(address("x@127.0.0.1"))),
        ("S-103", "<\"\"@home.lan>", ours()),
        ("S-104", "<a@home.lan> x", Ok(address("a@home.lan"))),
        ("S-106", "<;sleep 66;@home.lan>", Err(Syntax)),
        ("S-106", "<`id`@home.lan>", ours()),
        ("S-106", "<|cmd@home.lan>", ours()),
        ("S-106", "</file@home.lan>", ours()),
        ("S-107", "<../../etc/x@home.lan>", Err(Syntax)),
        ("S-107", "<a/b@home.lan>", ours()),
        ("S-107", "<con@home.lan>", Ok(address("con@home.lan"))),
        ("S-107", "<\"..\"@home.lan>", ours()),
        ("S-107", "<\".\"@home.lan>", ours()),
        ("S-111", "<bob+x@home.lan>", Ok(address("bob+x@home.lan"))),
        ("S-111", "<bob+@home.lan>", Ok(address("bob+@home.lan"))),
        ("S-111", "<+@home.lan>", ours()),
        ("S-111", "<b.ob@home.lan>", Ok(address("b.ob@home.lan"))),
        ("S-112", "<root@home.lan>", Ok(address("root@home.lan"))),
        ("S-112", "<-@home.lan>", ours()),
        ("S-112", "<\".db\"@home.lan>", ours()),
        ("S-112", "<\"*\"@home.lan>", ours()),
    ] {
        let told = cut_path(path.as_bytes(), Strictness::Strict)
            .and_then(|(inner, _)| ForwardPath::parse(inner, false));
        assert_eq!(told, expected, "{case} {path}");
    }
}

#[test]
fn senders_of_the_old_mail_abuse_list_are_paths_or_none_s_097() {
    let sender = |text: &str| ReversePath::parse(text.as_bytes(), Strictness::Strict, false);
    assert_eq!(sender("spamtest"), Err(PathError::NoDomain));
    assert_eq!(sender("@home.lan:spamtest@far.example"), Err(PathError::SourceRoute));
    for text in ["spamtest@localhost", "spamtest@home.lan", "\"a b\"@[192.0.2.1]", ""] {
        assert_eq!(sender(text).as_ref().map(ReversePath::as_str), Ok(text));
    }
}

#[test]
fn coded_labels_are_what_they_claim_to_be_s_110() {
    for domain in [
        "xn--",
        "xn---",
        "xn--f",
        "XN--F",
        "xn--a",
        "xn--abc",
        "mail.xn--f.lan",
        "xn--h_me-sna.lan",
        "xn--h\u{f6}me-sna.lan",
        "xn--\u{f6}.lan",
        "ab--\u{f6}.lan",
        "\u{f6}n--a.lan",
    ] {
        let path = format!("a@{domain}");
        for is_utf8 in [false, true] {
            let is_taken = is_utf8 || path.is_ascii();
            let error = if is_taken { PathError::Syntax } else { PathError::NotAscii };
            assert_eq!(ForwardPath::parse(path.as_bytes(), is_utf8), Err(error), "{path}");
            let sender = ReversePath::parse(path.as_bytes(), Strictness::Lenient, is_utf8);
            assert_eq!(sender, Err(error), "{path}");
        }
    }
    for (domain, path) in [
        ("xn--hme-sna.lan", address("a@xn--hme-sna.lan")),
        ("XN--HME-SNA.LAN", address("a@xn--hme-sna.lan")),
        ("r3--sn.example", address("a@r3--sn.example")),
        ("h\u{f6}me.lan", ForwardPath::Foreign),
        ("_n--a.lan", ForwardPath::Foreign),
        ("h\u{f6}me.xn--hme-sna", ForwardPath::Foreign),
    ] {
        assert_eq!(ForwardPath::parse(format!("a@{domain}").as_bytes(), true), Ok(path), "{domain}");
    }
}

#[test]
fn lengths_hold_at_their_edges_s_105() {
    let local = |octets| format!("<{}@home.lan>", "a".repeat(octets));
    assert!(forward(&local(63)).is_ok() && forward(&local(64)).is_ok());
    assert_eq!(forward(&local(65)), Err(PathError::TooLong));

    let label = |octets| format!("<a@{}.lan>", "b".repeat(octets));
    assert!(forward(&label(62)).is_ok() && forward(&label(63)).is_ok());
    assert_eq!(forward(&label(64)), Err(PathError::TooLong));

    let path = |octets: usize| {
        let labels = vec!["c".repeat(49); 5].join(".");
        format!("<{}@{labels}>", "a".repeat(octets - labels.len() - 3))
    };
    assert_eq!((path(256).len(), forward(&path(257))), (256, Err(PathError::TooLong)));
    let domain = |octets: usize| {
        let labels = vec!["c".repeat(49); 5].join(".");
        let domain = format!("{}.{labels}", "d".repeat(octets - labels.len() - 1));
        mailbox(format!("a@{domain}").as_bytes(), false).map(|_| ())
    };
    assert_eq!((domain(254), domain(255), domain(256)), (Ok(()), Ok(()), Err(PathError::TooLong)));
}

#[test]
fn a_path_of_255_or_256_octets_is_taken_and_one_of_257_is_not_s_105() {
    for (octets, is_taken) in [(255, true), (256, true), (257, false)] {
        let labels = vec!["c".repeat(49); 4].join(".");
        let local = "a".repeat(octets - labels.len() - 3);
        let path = format!("<{local}@{labels}>");
        assert_eq!(path.len(), octets);
        assert_eq!(cut_path(path.as_bytes(), Strictness::Strict).is_ok(), is_taken, "{octets}");
    }
}

#[test]
fn beyond_ascii_needs_smtputf8_s_077_s_108_s_109() {
    let parse = |inner: &[u8], is_utf8| ForwardPath::parse(inner, is_utf8);
    assert_eq!(parse("ö@home.lan".as_bytes(), false), Err(PathError::NotAscii));
    for jorg in ["jörg@home.lan", "JÖRG@Home.Lan", "jo\u{308}rg@home.lan", "\"jörg\"@home.lan"] {
        assert_eq!(parse(jorg.as_bytes(), true), Ok(address("jörg@home.lan")));
        assert_eq!(parse(jorg.as_bytes(), false), Err(PathError::NotAscii));
    }
    assert_eq!(parse("jörg@xn--hme-sna.lan".as_bytes(), true), Ok(address("jörg@xn--hme-sna.lan")));
    assert_eq!(parse("j\u{202E}örg@home.lan".as_bytes(), true), Ok(other("home.lan")));
    assert_eq!(parse("henryⅣ@home.lan".as_bytes(), true), Ok(other("home.lan")));
    assert_eq!(parse("a@höme.lan".as_bytes(), true), Ok(ForwardPath::Foreign));
    assert_eq!(parse("a＠home.lan".as_bytes(), true), Err(PathError::NoDomain));
    for broken in [&b"\xC3\x28@home.lan"[..], b"\xC0\xAF@home.lan", b"\xED\xA0\x80@home.lan", b"a@b\xC3"] {
        assert_eq!(parse(broken, true), Err(PathError::Syntax), "{broken:?}");
        assert_eq!(parse(broken, false), Err(PathError::Syntax), "{broken:?}");
    }
}

#[test]
fn devices_may_leave_out_the_brackets_and_the_domain_quirk_13() {
    let lenient = |text: &str| {
        let (inner, rest) = cut_path(text.as_bytes(), Strictness::Lenient)?;
        let path = ReversePath::parse(inner, Strictness::Lenient, false)?;
        Ok((path.as_str().to_owned(), String::from_utf8_lossy(rest).into_owned()))
    };
    let taken = |path: &str, rest: &str| Ok::<_, PathError>((path.to_owned(), rest.to_owned()));
    assert_eq!(lenient("   <a@b>"), taken("a@b", ""));
    assert_eq!(lenient("a@b SIZE=1"), taken("a@b", " SIZE=1"));
    assert_eq!(lenient("<root>"), taken("root", ""));
    assert_eq!(lenient("<>"), taken("", ""));
    assert_eq!(lenient(""), Err(PathError::Syntax));
    assert_eq!(lenient("a@b@c"), Err(PathError::Syntax));
    assert_eq!(ReversePath::parse(b"root", Strictness::Strict, false), Err(PathError::NoDomain));
}
