//! Tests with name servers that do as they are told, well and badly.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What a name server does about a question: what it sends, each as one datagram; over TCP the first.
type Script<'a> = &'a dyn Fn(&Asked) -> Vec<Vec<u8>>;

/// A question as a name server sees it.
struct Asked {
    octets: Vec<u8>,
    is_tcp: bool,
}

#[test]
fn exchangers_are_sorted_and_only_so_many_tried() {
    let script = |asked: &Asked| {
        let hosts = [(30, "c.example"), (10, "A.example"), (20, "b.example"), (40, "d.example")];
        let more = [(50, "e.example"), (60, "f.example"), (70, "a.example"), (15, "192.0.2.1"), (1, "")];
        vec![answer(asked, 0, &[&hosts.map(mx)[..], &more.map(mx)].concat())]
    };
    let found = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    assert_eq!(asked(script), Ok(found.map(String::from).to_vec()));
}

#[test]
fn those_of_equal_preference_come_in_any_order() {
    let script = |asked: &Asked| {
        vec![answer(asked, 0, &[mx((10, "a.example")), mx((10, "b.example")), mx((5, "z.example"))])]
    };
    with(&[&script], |resolver| async move {
        let mut seconds = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let found = resolver.exchangers("example.com", |_| false).await.unwrap();
            assert_eq!(found[0], "z.example");
            seconds.insert(found[1].clone());
        }
        assert_eq!(seconds.len(), 2, "one of 2^63 runs may fail");
    });
}

#[test]
fn we_and_who_is_no_better_are_left_out_s_137() {
    let script = |asked: &Asked| {
        let hosts = [(10, "a.example"), (20, "b.example"), (20, "mail.example"), (30, "c.example")];
        vec![answer(asked, 0, &hosts.map(mx))]
    };
    with(&[&script], |resolver| async move {
        for (us, left) in
            [("mail.example", &["a.example"][..]), ("a.example", &[]), ("c.example", &["a", "b", "mail"])]
        {
            let found = resolver.exchangers("example.com", |host| host == us).await.unwrap();
            assert_eq!(found.len(), left.len(), "{us}: {found:?}");
        }
    });
}

#[test]
fn a_domain_without_mx_is_its_own_server() {
    assert_eq!(asked(|asked| vec![answer(asked, 0, &[])]), Ok(vec!["example.com".into()]));
}

#[test]
fn a_name_that_is_not_there_and_a_null_mx_are_final() {
    assert_eq!(asked(|asked| vec![answer(asked, 3, &[])]), Err(Unresolved::NotThere));
    for preference in [0, 10] {
        let script = move |asked: &Asked| vec![answer(asked, 0, &[mx((preference, ""))])];
        assert_eq!(asked(script), Err(Unresolved::TakesNoMail));
    }
}

#[test]
fn mx_records_that_name_no_host_are_an_error_and_not_the_domain_itself() {
    for host in ["192.0.2.1", "0x7f.1"] {
        let script = move |asked: &Asked| vec![answer(asked, 0, &[mx((10, host))])];
        assert!(matches!(asked(script), Err(Unresolved::Failed(_))), "{host}");
    }
}

#[test]
fn another_server_is_asked_if_one_fails() {
    let good = |asked: &Asked| vec![answer(asked, 0, &[mx((10, "a.example"))])];
    let fails = |asked: &Asked| vec![answer(asked, 2, &[])];
    let refuses = |asked: &Asked| vec![answer(asked, 5, &[])];
    let garbles = |asked: &Asked| vec![answer(asked, 0, &[(vec![1, 0xC0, 0xC0], 15, vec![])])];
    let dumb = |asked: &Asked| vec![[&asked.octets[..2], &[0x81, 1], &[0; 8]].concat()];
    let silent = |_: &Asked| vec![];
    for bad in [&fails as Script<'_>, &refuses, &garbles, &dumb, &silent] {
        with(&[bad, &good], |resolver| async move {
            assert_eq!(resolver.exchangers("example.com", |_| false).await, Ok(vec!["a.example".into()]));
        });
    }
}

#[test]
fn one_domains_dead_servers_are_not_taken_for_a_dead_network_o8() {
    let root = |asked: &Asked| is_about_root(asked).then(|| answer(asked, 0, &[]));
    let fails = move |asked: &Asked| vec![root(asked).unwrap_or_else(|| answer(asked, 2, &[]))];
    let silent = move |asked: &Asked| root(asked).into_iter().collect();
    let refuses_root = |asked: &Asked| vec![answer(asked, if is_about_root(asked) { 5 } else { 2 }, &[])];
    let silent_about_root = move |asked: &Asked| match root(asked) {
        Some(_) => vec![],
        None => vec![answer(asked, 2, &[])],
    };
    for bad in [&fails as Script<'_>, &silent, &refuses_root, &silent_about_root] {
        with(&[bad], |resolver| async move {
            let found = resolver.exchangers("example.com", |_| false).await;
            assert!(matches!(found, Err(Unresolved::Failed(_))), "{found:?}");
        });
    }
}

#[test]
fn name_servers_that_serve_nobody_mean_that_we_are_offline_o8() {
    let fails = |asked: &Asked| vec![answer(asked, 2, &[])];
    let refuses = |asked: &Asked| vec![answer(asked, 5, &[])];
    let silent = |_: &Asked| vec![];
    for bad in [&fails as Script<'_>, &refuses, &silent] {
        with(&[bad, bad], |resolver| async move {
            let found = resolver.exchangers("example.com", |_| false).await;
            assert!(matches!(found, Err(Unresolved::Unreachable(_))), "{found:?}");
        });
    }
    let nobody = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let gone = nobody.get_ref().local_addr().unwrap();
    drop(nobody);
    for servers in [vec![gone], vec![]] {
        let resolver = Resolver::new(Servers::These(servers), PATIENCE);
        let found = smol::block_on(resolver.exchangers("example.com", |_| false));
        assert!(matches!(found, Err(Unresolved::Unreachable(_))), "{found:?}");
    }
}

#[test]
fn a_datagram_that_is_lost_is_asked_for_again() {
    let count = Cell::new(0);
    let script = |asked: &Asked| {
        count.set(count.get() + 1);
        if count.get() == 1 { vec![] } else { vec![answer(asked, 0, &[mx((10, "a.example"))])] }
    };
    with(&[&script], |resolver| async move {
        assert_eq!(resolver.exchangers("example.com", |_| false).await, Ok(vec!["a.example".into()]));
    });
    assert_eq!(count.get(), 2);
}

/// The root is asked once more then, to tell a dead server from a dead domain.
#[test]
fn who_stays_silent_is_asked_so_often_and_no_more() {
    let count = Cell::new(0);
    let script = |asked: &Asked| {
        count.set(count.get() + usize::from(!is_about_root(asked)));
        vec![]
    };
    with(&[&script], |resolver| async move {
        let found = resolver.exchangers("example.com", |_| false).await;
        assert!(matches!(found, Err(Unresolved::Unreachable(_))), "{found:?}");
    });
    assert_eq!(count.get(), limits::NAME_TRIES);
}

#[test]
fn what_does_not_answer_the_question_is_passed_over_until_it_is_too_much() {
    for (strays, is_found) in [(1, true), (limits::STRAY_ANSWERS - 1, true), (limits::STRAY_ANSWERS, false)] {
        let script = move |asked: &Asked| {
            if is_about_root(asked) {
                return vec![answer(asked, 0, &[])];
            }
            let good = answer(asked, 0, &[mx((10, "a.example"))]);
            let lie = answer(asked, 0, &[mx((10, "evil.example"))]);
            let mut said: Vec<_> = (0..strays).map(|number| altered(&lie, number)).collect();
            said.push(good);
            said
        };
        match asked(script) {
            Ok(found) => assert!(is_found && found == ["a.example"], "{strays}: {found:?}"),
            Err(trouble) => assert!(!is_found && matches!(trouble, Unresolved::Failed(_)), "{strays}"),
        }
    }
}

#[test]
fn an_answer_of_another_address_is_not_heard() {
    let spoofer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let resolver = Resolver::new(Servers::These(vec![server.get_ref().local_addr().unwrap()]), PATIENCE);
    let serving = async {
        loop {
            let mut octets = [0; 512];
            let (count, peer) = server.recv_from(&mut octets).await.unwrap();
            let asked = Asked { octets: octets[..count].into(), is_tcp: false };
            spoofer.send_to(&answer(&asked, 0, &[mx((10, "evil.example"))]), peer).unwrap();
            server.send_to(&answer(&asked, 0, &[mx((10, "a.example"))]), peer).await.unwrap();
        }
    };
    let asking = resolver.exchangers("example.com", |_| false);
    let found = smol::block_on(asking.or(serving));
    assert_eq!(found, Ok(vec!["a.example".into()]));
}

#[test]
fn a_cut_answer_is_asked_for_over_tcp_and_used_as_it_is_if_that_fails() {
    let cut = |asked: &Asked, records: &[Entry]| {
        let mut octets = answer(asked, 0, records);
        octets[2] |= 2;
        octets
    };
    let whole = |asked: &Asked| match asked.is_tcp {
        true => vec![answer(asked, 0, &[mx((10, "a.example"))])],
        false => vec![cut(asked, &[])],
    };
    assert_eq!(asked(whole), Ok(vec!["a.example".into()]));
    let partial = |asked: &Asked| match asked.is_tcp {
        true => vec![],
        false => vec![cut(asked, &[mx((10, "b.example"))])],
    };
    assert_eq!(asked(partial), Ok(vec!["b.example".into()]));
    let stray = |asked: &Asked| match asked.is_tcp {
        true => vec![altered(&answer(asked, 0, &[mx((10, "evil.example"))]), 0)],
        false => vec![if is_about_root(asked) { answer(asked, 0, &[]) } else { cut(asked, &[]) }],
    };
    assert!(matches!(asked(stray), Err(Unresolved::Failed(_))));
}

#[test]
fn aliases_that_the_server_does_not_follow_are_followed_and_never_in_circles() {
    for (length, is_found) in [(1, true), (7, true), (8, false), (usize::MAX, false)] {
        let count = Cell::new(0);
        let script = |asked: &Asked| {
            count.set(count.get() + 1);
            let alias = (name_of(asked), 5, wire(&format!("a{}.example", count.get() % 10)));
            let end = (name_of(asked), 15, [&[0, 10][..], &wire("mx.example")].concat());
            vec![answer(asked, 0, &[if count.get() <= length { alias } else { end }])]
        };
        with(&[&script], |resolver| async move {
            let found = resolver.exchangers("example.com", |_| false).await;
            assert_eq!(found.is_ok(), is_found, "{length}: {found:?}");
        });
        assert!(count.get() <= limits::DNS_ALIASES);
    }
}

#[test]
fn what_was_found_is_asked_for_once_and_what_failed_again() {
    for (outcome, times) in [(0, 1), (3, 1), (2, 2)] {
        let count = Cell::new(0);
        let script = |asked: &Asked| {
            let is_about_root = is_about_root(asked);
            count.set(count.get() + usize::from(!is_about_root));
            vec![answer(asked, if is_about_root { 0 } else { outcome }, &[])]
        };
        with(&[&script], |resolver| async move {
            for name in ["example.com", "EXAMPLE.com"] {
                let _ = resolver.exchangers(name, |_| false).await;
            }
        });
        assert_eq!(count.get(), times, "{outcome}");
    }
}

#[test]
fn addresses_that_the_system_has_not_are_asked_for_of_both_families() {
    let script = |asked: &Asked| {
        let (kind, content) = match asked.octets[asked.octets.len() - 3] {
            1 => (1, vec![192, 0, 2, 1]),
            _ => (28, [&[0x20, 1, 0x0D, 0xB8][..], &[0; 11], &[1]].concat()),
        };
        vec![answer(asked, 0, &[(name_of(asked), kind, content)])]
    };
    with(&[&script], |resolver| async move {
        let found = resolver.ask_addresses(Name::new("mail.example.com").unwrap()).await;
        assert_eq!(found, Ok(vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()]));
    });
}

#[test]
fn names_of_the_house_are_never_gone_for_good_because_the_world_lacks_them() {
    let script = |asked: &Asked| vec![answer(asked, 3, &[])];
    with(&[&script], |resolver| async move {
        for (name, is_final) in [("mail.example.com", true), ("mail", false), ("mail.local", false)] {
            let found = resolver.ask_addresses(Name::new(name).unwrap()).await;
            assert_eq!(found == Err(Unresolved::NotThere), is_final, "{name}: {found:?}");
        }
    });
}

#[test]
fn of_a_thousand_addresses_a_few_are_tried_and_both_families_are_among_them_s_137() {
    let v4 = |number: u32| IpAddr::from(Ipv4Addr::from(0xC000_0200 + number));
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let found = some((0..1000).map(v4).chain([v6]));
    assert_eq!(found.len(), limits::HOP_ADDRESSES, "the one of IPv6 is beyond what is looked at");
    assert_eq!(some((0..999).map(v4).chain([v6])), [v4(0), v4(1), v4(2), v4(3), v6]);
    assert_eq!(some([v6, v4(1), v4(1), v4(2), v4(3)].into_iter()), [v6, v4(1), v4(2)]);
    assert_eq!(some([v4(1), v4(1)].into_iter()), [v4(1)]);
    assert!(some(std::iter::empty()).is_empty());
}

#[test]
fn a_literal_is_its_own_server_and_address() {
    let resolver = Resolver::new(Servers::These(vec![]), PATIENCE);
    for (text, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("[ipv6:::1]", "::1"),
    ] {
        let found = smol::block_on(resolver.addresses(text));
        assert_eq!(found, Ok(vec![address.parse().unwrap()]), "{text}");
        let found = smol::block_on(resolver.exchangers(text, |_| false));
        assert_eq!(found, Ok(vec![address.to_owned()]), "{text}");
    }
    for text in ["[mail.example.com]", "[192.0.2.1", "", "a b", "a..b", "10.1", "0x7f000001", "h\u{F6}st.lan"]
    {
        assert_eq!(smol::block_on(resolver.addresses(text)), Err(Unresolved::NotThere), "{text}");
    }
}

#[test]
fn a_stranger_leads_nobody_to_this_machine_itself_but_an_administrator_may_s_137() {
    let resolver = Resolver::new(Servers::These(vec![]), PATIENCE);
    let patience = Patience { search: Duration::from_secs(60), ..PATIENCE };
    let of_the_system = Resolver::new(Servers::These(vec![]), patience);
    let found = smol::block_on(of_the_system.addresses("localhost")).unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    for text in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "224.0.0.1", "ff02::1"]
    {
        assert_eq!(smol::block_on(resolver.addresses_elsewhere(text)), Err(Unresolved::NotThere), "{text}");
    }
    // Whoever owns a name could have us speak to what answers on the wire alone: a cloud tells its machines' secrets there.
    for text in ["169.254.0.1", "169.254.169.254", "[IPv6:::ffff:169.254.169.254]", "fe80::1", "febf::1"] {
        assert_eq!(smol::block_on(resolver.addresses_elsewhere(text)), Err(Unresolved::NotThere), "{text}");
        assert!(smol::block_on(resolver.addresses(text)).is_ok(), "an administrator may name {text}");
    }
    // A server for mail may well be one of the house's.
    for text in ["192.0.2.1", "169.253.255.255", "169.255.0.0", "172.31.255.253", "fd00::fffd", "fec0::fffd"]
    {
        let elsewhere = smol::block_on(resolver.addresses_elsewhere(text));
        assert_eq!(elsewhere, Ok(vec![text.parse().unwrap()]));
    }
}

/// What is found with one name server about `example.com`.
fn asked(script: impl Fn(&Asked) -> Vec<Vec<u8>>) -> Result<Vec<String>, Unresolved> {
    let (resolver, serving) = set_up(&[&script]);
    smol::block_on(resolver.exchangers("example.com", |_| false).or(serving))
}

/// Asks while the servers serve.
fn with<F: Future<Output = ()>>(scripts: &[Script<'_>], asking: impl FnOnce(Arc<Resolver>) -> F) {
    let (resolver, serving) = set_up(scripts);
    smol::block_on(asking(resolver).or(serving));
}

fn set_up<'a, T>(scripts: &[Script<'a>]) -> (Arc<Resolver>, impl Future<Output = T> + use<'a, T>) {
    let mut addresses = Vec::new();
    let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>> = Vec::new();
    for &script in scripts {
        let (address, serving) = serve(script);
        addresses.push(address);
        all.push(Box::pin(serving));
    }
    let serving = async move {
        let executor = smol::LocalExecutor::new();
        all.into_iter().for_each(|one| executor.spawn(one).detach());
        executor.run(std::future::pending()).await
    };
    (Arc::new(Resolver::new(Servers::These(addresses), PATIENCE)), serving)
}

fn serve<'a>(script: Script<'a>) -> (SocketAddr, impl Future<Output = ()> + 'a) {
    let (datagrams, streams) = sockets();
    let address = datagrams.get_ref().local_addr().unwrap();
    let by_datagram = async move {
        loop {
            let mut octets = [0; 512];
            let (count, peer) = datagrams.recv_from(&mut octets).await.unwrap();
            for said in script(&Asked { octets: octets[..count].into(), is_tcp: false }) {
                datagrams.send_to(&said, peer).await.unwrap();
            }
        }
    };
    let by_stream = async move {
        loop {
            let (mut stream, _) = streams.accept().await.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).await.unwrap();
            let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut octets).await.unwrap();
            if let Some(said) = script(&Asked { octets, is_tcp: true }).first() {
                let length = u16::try_from(said.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length, &said[..]].concat()).await.unwrap();
            }
        }
    };
    (address, by_datagram.or(by_stream))
}

/// A port that both protocols have free.
fn sockets() -> (Async<UdpSocket>, Async<TcpListener>) {
    loop {
        let datagrams = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(streams) = Async::<TcpListener>::bind(datagrams.get_ref().local_addr().unwrap()) {
            return (datagrams, streams);
        }
    }
}

/// A record: its owner as a message has it, its kind, what it holds.
type Entry = (Vec<u8>, u16, Vec<u8>);

fn mx((preference, host): (u16, &str)) -> Entry {
    (wire("example.com"), 15, [&preference.to_be_bytes()[..], &wire(host)].concat())
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut octets: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    octets.push(0);
    octets
}

fn answer(asked: &Asked, outcome: u8, records: &[Entry]) -> Vec<u8> {
    let mut octets = asked.octets.clone();
    (octets[2], octets[3], octets[7]) = (0x81, 0x80 | outcome, records.len() as u8);
    for (owner, kind, content) in records {
        let length = (content.len() as u16).to_be_bytes();
        octets.extend([&owner[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, content].concat());
    }
    octets
}

/// The same with another number, another name, another kind, or as a question, in turn.
fn altered(octets: &[u8], number: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let (at, bits) = [(0, 1), (1, 0x80), (13, 0x01), (26, 0x01), (2, 0x80)][number % 5];
    octets[at] ^= bits;
    octets
}

fn name_of(asked: &Asked) -> Vec<u8> {
    asked.octets[12..asked.octets.len() - 4].to_vec()
}

fn is_about_root(asked: &Asked) -> bool {
    name_of(asked) == [0]
}

/// Long enough for this machine under any load; what is silent is silent for so long.
const PATIENCE: Patience = Patience { reply: Duration::from_secs(1), search: Duration::from_secs(30) };
