//! Who a forward-path is: names that every domain has, routes, shared domains, and who may send out.

mod relaying;

use super::*;
use crate::auth::tests::Folder;
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{AliasTarget, MailboxMark};
use crate::store::{Delivery, Forward, Lock, Options};

/// A stranger's address, and those of two servers beside us.
const STRANGER: [u8; 4] = [192, 0, 2, 1];
const BESIDE: [u8; 4] = [192, 0, 2, 77];

/// home.lan with alice, bob and carl.
struct House {
    store: Store,
    hosts: KnownHosts,
    now: Instant,
}

impl House {
    fn new(folder: &Folder) -> House {
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        for (name, mark) in [("alice", 1), ("bob", 2), ("carl", 3)] {
            store.add_mailbox(named(name), MailboxMark([mark; 16]), vec![]).wait().unwrap();
        }
        House { store, hosts: KnownHosts::default(), now: Instant::now() }
    }

    fn set(&self, key: &str, value: &str) {
        self.store.set_setting(key, Some(value)).wait().unwrap();
    }

    fn lock(&self, name: &str, lock: Lock) {
        self.store.lock_mailbox(named(name), lock).wait().unwrap();
    }

    fn alias(&self, alias: &str, target: &str) {
        let target = match target.contains('@') {
            true => AliasTarget::Address(target.parse().unwrap()),
            false => AliasTarget::Domain(target.parse().unwrap()),
        };
        self.store.set_alias(alias.parse().unwrap(), vec![target]).wait().unwrap();
    }

    /// Has a mailbox's mail go to eve elsewhere as well.
    fn forward(&self, name: &str) {
        let targets = vec![AliasTarget::Outside("eve@far.example".into())];
        self.store.set_forward(named(name), Some(Forward { targets, keeps_copy: true })).wait().unwrap();
    }

    /// Puts a message into the mailboxes of that name.
    fn fill(&self, name: &str) {
        let found = self.find(Whence::Ourselves, &named(name).to_string());
        let (Recipient::Mailboxes(found) | Recipient::Outside(found, _)) = found else { panic!("{found:?}") };
        let mut upload = self.store.upload();
        smol::block_on(upload.push(b"Subject: x\r\n\r\n")).unwrap();
        let deliveries = found.into_iter().map(|(mailbox, _)| Delivery::to(mailbox, Vec::new())).collect();
        upload.finish(deliveries).wait().unwrap();
    }

    fn route(&self, space: &str, hop: &str) {
        self.make_route(space, hop, false);
    }

    fn share(&self, space: &str, hop: &str) {
        self.make_route(space, hop, true);
    }

    fn make_route(&self, space: &str, hop: &str, is_share: bool) {
        let hops = vec![hop.parse().unwrap()];
        let route = Route { space: space.parse().unwrap(), hops, tls: None, is_share, created: UnixTime(0) };
        self.store.set_route(route).wait().unwrap();
    }

    fn find(&self, from: Whence<'_>, path: &str) -> Recipient {
        let parsed = ForwardPath::parse(path.as_bytes(), true).unwrap();
        let (store, settings, hosts, now) = (&self.store, &self.store.settings(), &self.hosts, self.now);
        let search = Search { store, settings, from, hosts, returns: &key(), now };
        smol::block_on(search.find(parsed, &RemoteAddress::from_path(path), 0)).unwrap()
    }

    /// What a stranger's mail comes to, in words.
    fn stranger(&self, path: &str) -> String {
        told(&self.find(Whence::Stranger(STRANGER.into()), path))
    }
}

fn key() -> ReturnKey {
    ReturnKey::new(&[7; 32])
}

/// `alice bob` for mailboxes, `> x@y by LANE` for what leaves, and one word for what is refused.
fn told(recipient: &Recipient) -> String {
    let (mailboxes, leaving) = match recipient {
        Recipient::Mailboxes(mailboxes) => (&mailboxes[..], &[][..]),
        Recipient::Outside(mailboxes, leaving) => (&mailboxes[..], &leaving[..]),
        Recipient::Locked => return "locked".into(),
        Recipient::Full { .. } => return "full".into(),
        Recipient::UnknownUser => return "unknown".into(),
        Recipient::ForeignDomain => return "foreign".into(),
        Recipient::NoWay => return "no way".into(),
        Recipient::WouldReturn => return "would return".into(),
        Recipient::WayBack(leaving) => (&[][..], std::slice::from_ref(leaving)),
    };
    let here = mailboxes.iter().map(|(_, address)| address.local_part().to_owned());
    let away = leaving.iter().map(|it| {
        let forwarder = it.forwarder.as_ref().map_or_else(String::new, |it| format!(" for {it}"));
        format!("> {} by {}{forwarder}", it.recipient, it.lane)
    });
    here.chain(away).collect::<Vec<_>>().join(" ")
}

fn named(name: &str) -> Address {
    format!("{name}@home.lan").parse().unwrap()
}

#[test]
fn a_postmaster_who_is_locked_for_all_is_passed_over() {
    // An administrator left, was locked with --all, and nobody could tell the house any more that something is
    // wrong with its mail: postmaster and abuse were refused for good.
    let folder = Folder::new();
    let house = House::new(&folder);
    house.set("postmaster", "bob@home.lan");
    let all = |wanted: &str| {
        for path in ["postmaster", "postmaster@home.lan", "PostMaster@home.lan", "abuse@home.lan"] {
            assert_eq!(house.stranger(path), wanted, "{path}");
        }
    };
    all("bob");
    house.lock("bob", Lock::Reading);
    all("bob");
    house.lock("bob", Lock::All);
    all("alice");
    house.lock("alice", Lock::All);
    all("carl");
    house.lock("carl", Lock::All);
    all("locked");
    house.lock("bob", Lock::Open);
    all("bob");
    house.alias("abuse@home.lan", "carl@home.lan");
    assert_eq!(house.stranger("abuse@home.lan"), "bob");
    house.lock("carl", Lock::Open);
    assert_eq!(house.stranger("abuse@home.lan"), "carl");
    house.lock("carl", Lock::All);
    assert_eq!(house.stranger("carl@home.lan"), "locked", "others are not passed over");
}

#[test]
fn a_postmaster_elsewhere_is_not_passed_over() {
    // Who had postmaster's mail forwarded never got it: the oldest mailbox did.
    let folder = Folder::new();
    let house = House::new(&folder);
    house.set("smarthost", "smart.example");
    house.alias("postmaster@home.lan", "chief@far.example");
    let told = house.stranger("postmaster@home.lan");
    assert!(told.starts_with("> chief@far.example by smarthost"), "{told}");
    assert_eq!(house.stranger("abuse@home.lan"), "alice");
}

#[test]
fn of_a_shared_domain_only_who_is_nobody_here_leaves_o4() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.alias("team@home.lan", "bob@home.lan");
    house.alias("house.lan", "home.lan");
    assert_eq!(house.stranger("dora@home.lan"), "unknown");
    house.share("home.lan", "192.0.2.77");
    for (path, wanted) in [
        ("alice@home.lan", "alice"),
        ("Alice+x@home.lan", "alice"),
        ("team@home.lan", "bob"),
        ("postmaster@home.lan", "alice"),
        ("abuse+x@home.lan", "alice"),
        ("postmaster", "alice"),
        ("dora@home.lan", "> dora@home.lan by route:home.lan"),
        ("Dora+x@HOME.lan", "> Dora+x@HOME.lan by route:home.lan"),
        ("d'ora=x@home.lan", "> d'ora=x@home.lan by route:home.lan"),
        ("alice@house.lan", "alice"),
        ("dora@house.lan", "> dora@house.lan by route:home.lan"),
        ("dora@sub.home.lan", "foreign"),
        ("dora@far.example", "foreign"),
    ] {
        assert_eq!(house.stranger(path), wanted, "{path}");
    }
    house.share("house.lan", "192.0.2.78");
    assert_eq!(house.stranger("dora@house.lan"), "> dora@house.lan by route:house.lan");
    house.alias("*@home.lan", "carl@home.lan");
    assert_eq!(house.stranger("dora@home.lan"), "carl", "a catch-all knows everybody");
    house.store.remove_route("home.lan".parse().unwrap()).wait().unwrap();
    house.store.remove_alias("*@home.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(house.stranger("dora@home.lan"), "unknown");
}

#[test]
fn a_shared_domain_that_is_locked_takes_nobodys_mail() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.share("home.lan", "192.0.2.77");
    house.store.lock_domain("home.lan".parse().unwrap(), Lock::Reading).wait().unwrap();
    assert_eq!(house.stranger("dora@home.lan"), "> dora@home.lan by route:home.lan");
    house.store.lock_domain("home.lan".parse().unwrap(), Lock::All).wait().unwrap();
    for path in ["dora@home.lan", "alice@home.lan"] {
        assert_eq!(house.stranger(path), "locked", "{path}");
    }
}

#[test]
fn mail_is_handed_over_user_by_user_and_domain_by_domain_o10() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.alias("house.lan", "home.lan");
    let both = ["alice@home.lan", "bob@home.lan"].map(|text| AliasTarget::Address(text.parse().unwrap()));
    house.store.set_alias("team@home.lan".parse().unwrap(), both.to_vec()).wait().unwrap();
    house.route("alice@home.lan", "lmtp:192.0.2.77");
    let alice = "by route:alice@home.lan";
    for (path, wanted) in [
        ("ALICE@home.lan", format!("> ALICE@home.lan {alice}")),
        ("\"alice\"@home.lan", format!("> \"alice\"@home.lan {alice}")),
        ("alice+x@home.lan", format!("> alice+x@home.lan {alice}")),
        ("alice@house.lan", format!("> alice@home.lan {alice}")),
        ("alice+x@house.lan", format!("> alice+x@home.lan {alice}")),
        ("team@home.lan", format!("bob > alice@home.lan {alice} for team@home.lan")),
        ("bob@home.lan", "bob".into()),
        ("alicex@home.lan", "unknown".into()),
        ("postmaster@home.lan", format!("> alice@home.lan {alice} for postmaster@home.lan")),
    ] {
        assert_eq!(house.stranger(path), wanted, "{path}");
    }
    // Locked, or gone: it is handed over all the same.
    house.lock("alice", Lock::All);
    assert_eq!(house.stranger("alice@home.lan"), format!("> alice@home.lan {alice}"));
    house.store.remove_mailbox(named("alice")).wait().unwrap();
    assert_eq!(house.stranger("alice@home.lan"), format!("> alice@home.lan {alice}"));

    house.route("home.lan", "lmtp:192.0.2.78");
    for (path, wanted) in [
        ("alice@home.lan", format!("> alice@home.lan {alice}")),
        ("bob@home.lan", "> bob@home.lan by route:home.lan".into()),
        ("nobody@home.lan", "> nobody@home.lan by route:home.lan".into()),
        ("postmaster@home.lan", "> postmaster@home.lan by route:home.lan".into()),
        ("bob@house.lan", "> bob@house.lan by route:home.lan".into()),
        ("x@far.example", "foreign".into()),
    ] {
        assert_eq!(house.stranger(path), wanted, "{path}");
    }
}

#[test]
fn a_route_above_a_domain_of_ours_takes_nothing_away() {
    let folder = Folder::new();
    let house = House::new(&folder);
    for space in ["*", "*.lan", "far.example", "x@far.example"] {
        house.route(space, "192.0.2.77");
    }
    assert_eq!(house.stranger("alice@home.lan"), "alice");
    assert_eq!(house.stranger("dora@home.lan"), "unknown");
    for path in ["x@far.example", "x@other.lan", "x@nowhere.example"] {
        assert_eq!(house.stranger(path), "foreign", "{path}");
    }
}

#[test]
fn nobody_gets_back_the_mail_of_whom_he_does_not_know_himself_o6() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.share("home.lan", "192.0.2.77");
    let from = |peer: [u8; 4], path| told(&house.find(Whence::Stranger(peer.into()), path));
    assert_eq!(from(BESIDE, "dora@home.lan"), "would return");
    assert_eq!(from(BESIDE, "alice@home.lan"), "alice");
    assert_eq!(from(STRANGER, "dora@home.lan"), "> dora@home.lan by route:home.lan");
    let mapped = Whence::Stranger("::ffff:192.0.2.77".parse().unwrap());
    assert_eq!(told(&house.find(mapped, "dora@home.lan")), "would return");
    let device = Whence::Device { peer: BESIDE.into(), may_leave: true };
    assert_eq!(told(&house.find(device, "dora@home.lan")), "would return");
    let alice = named("alice");
    let user = house.find(Whence::User(&alice), "dora@home.lan");
    assert_eq!(told(&user), "> dora@home.lan by route:home.lan", "a user writes where he is");
    // LMTP hands mail to mailboxes: what a program beside it sends has not come from them.
    house.route("alice@home.lan", "lmtp:192.0.2.77");
    assert_eq!(from(BESIDE, "alice@home.lan"), "> alice@home.lan by route:alice@home.lan");
    house.route("alice@home.lan", "192.0.2.77");
    assert_eq!(from(BESIDE, "alice@home.lan"), "would return");
    // A device's mail for a domain behind itself.
    house.route("far.example", "192.0.2.77");
    assert_eq!(told(&house.find(device, "x@far.example")), "would return");
}

#[test]
fn a_server_beside_us_is_known_by_its_name_as_long_as_it_is_believed_s_137() {
    let folder = Folder::new();
    let mut house = House::new(&folder);
    house.share("home.lan", "other.home.lan");
    let begun = house.now;
    house.hosts.note(
        "other.home.lan",
        vec![[192, 0, 2, 9].into(), BESIDE.into()],
        begun,
        limits::SHARE_HOST_AGE,
    );
    house.now = begun + limits::SHARE_HOST_AGE - limits::SHARE_LOOK_UP;
    let from =
        |house: &House, peer: [u8; 4]| told(&house.find(Whence::Stranger(peer.into()), "dora@home.lan"));
    assert_eq!(from(&house, BESIDE), "would return");
    assert_eq!(from(&house, STRANGER), "> dora@home.lan by route:home.lan");
}

/// Each of two servers thinks that the other one knows who is unknown to it.
#[test]
fn who_is_unknown_to_two_servers_that_share_is_refused_by_the_second_s_118_s_125() {
    let (here, there) = (Folder::new(), Folder::new());
    let (near, far) = (House::new(&here), House::new(&there));
    far.store.add_mailbox(named("dora"), MailboxMark([4; 16]), vec![]).wait().unwrap();
    let (near_address, far_address) = ("192.0.2.10", "192.0.2.20");
    near.share("home.lan", far_address);
    far.share("home.lan", near_address);
    let alice = named("alice");
    for (path, at_the_far) in [("dora@home.lan", "dora"), ("ghost@home.lan", "would return")] {
        assert_eq!(told(&near.find(Whence::User(&alice), path)), format!("> {path} by route:home.lan"));
        assert_eq!(near.stranger(path), format!("> {path} by route:home.lan"));
        assert_eq!(told(&far.find(Whence::Stranger(near_address.parse().unwrap()), path)), at_the_far);
    }
    let back = Whence::Stranger(far_address.parse().unwrap());
    assert_eq!(told(&near.find(back, "ghost@home.lan")), "would return");
}

#[test]
fn who_may_send_out_needs_a_way_o2_o3() {
    let folder = Folder::new();
    let house = House::new(&folder);
    let alice = named("alice");
    let peer = STRANGER.into();
    let seen = |path: &str| {
        [
            Whence::User(&alice),
            Whence::Device { peer, may_leave: true },
            Whence::Ourselves,
            Whence::Device { peer, may_leave: false },
            Whence::Stranger(peer),
        ]
        .map(|from| told(&house.find(from, path)))
    };
    assert_eq!(seen("x@far.example"), ["no way", "no way", "no way", "foreign", "foreign"]);
    house.set("smarthost", "smart.example");
    let sent = "> x@far.example by smarthost";
    assert_eq!(seen("x@far.example"), [sent, sent, sent, "foreign", "foreign"]);
    house
        .store
        .set_level(crate::store::Level::Mailbox(alice.clone()), "smarthost", Some("own.example"))
        .wait()
        .unwrap();
    let own = "> x@far.example by smarthost:alice@home.lan";
    assert_eq!(seen("x@far.example"), [own, sent, sent, "foreign", "foreign"]);
    // Ours, beyond ASCII: it stays here, and a stranger is refused as ever.
    house.store.add_domain("xn--hme-sna.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(seen("x@h\u{f6}me.lan")[0], "unknown");
    assert_eq!(seen("x@h\u{f6}me.lan")[4], "foreign");
    assert_eq!(seen("alice@home.lan"), ["alice"; 5]);
}

#[test]
fn a_report_finds_a_sender_wherever_he_is() {
    let folder = Folder::new();
    let house = House::new(&folder);
    let find = |path: &str| told(&house.find(Whence::Ourselves, path));
    assert_eq!((find("alice@home.lan").as_str(), find("x@far.example").as_str()), ("alice", "no way"));
    house.set("smarthost", "smart.example");
    house.share("home.lan", "192.0.2.77");
    assert_eq!(find("x@far.example"), "> x@far.example by smarthost");
    assert_eq!(find("dora@home.lan"), "> dora@home.lan by route:home.lan");
    assert_eq!(find("a%b@home.lan"), "unknown");
    assert_eq!(find("postmaster@far.example"), "> postmaster@far.example by smarthost");
}

#[test]
fn a_bounce_of_forwarded_mail_finds_home_and_opens_no_relay_o5() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.set("smarthost", "smart.example");
    let back = |domain: &str| {
        let domain: Domain = domain.parse().unwrap();
        key().rewritten("bob@far.example", &domain, house.store.clock().now()).unwrap().to_string()
    };
    let ours = back("home.lan");
    assert_eq!(house.stranger(&ours), "> bob@far.example by smarthost for home.lan");
    assert_eq!(house.stranger(&ours.to_lowercase()), "> bob@far.example by smarthost for home.lan");
    assert_eq!(told(&house.find(Whence::Ourselves, &ours)), house.stranger(&ours));
    for forged in [
        ours.replace("bob", "eve"),
        ours.replace("far.example", "other.example"),
        ours.replacen("SRS0=", "SRS0=a", 1),
        "SRS0=aaaaaaaa=aa=far.example=bob@home.lan".into(),
    ] {
        assert_eq!(house.stranger(&forged), "unknown", "{forged}");
    }
    assert_eq!(house.stranger(&back("other.lan")), "foreign", "made for a domain that is none of ours");
    house.share("home.lan", "192.0.2.77");
    assert_eq!(house.stranger(&ours), "> bob@far.example by smarthost for home.lan");
    // A sender who says that he is at home here, in this machine.
    for nowhere in ["127.0.0.1", "IPv6:::1", "IPv6:::ffff:127.0.0.1", "0.0.0.0"] {
        let sender = format!("x@[{nowhere}]");
        let named = key().rewritten(&sender, &"home.lan".parse().unwrap(), house.store.clock().now());
        assert_eq!(house.stranger(named.unwrap().as_str()), "unknown", "{nowhere}");
    }
}

/// A mailbox that forwards and keeps a copy, or one of a list with a member elsewhere, took mail without end: a stranger
/// could fill the disk through it.
#[test]
fn who_is_full_gets_no_copy_of_what_leaves() {
    let folder = Folder::new();
    let house = House::new(&folder);
    house.set("smarthost", "smart.example");
    house.set("quota_messages", "1");
    for name in ["alice", "carl"] {
        house.forward(name);
    }
    let members = vec![AliasTarget::Address(named("bob")), AliasTarget::Outside("eve@far.example".into())];
    house.store.set_alias("team@home.lan".parse().unwrap(), members).wait().unwrap();
    const EVE: &str = "> eve@far.example by smarthost for";
    assert_eq!(house.stranger("alice@home.lan"), format!("alice {EVE} alice@home.lan"));
    assert_eq!(house.stranger("team@home.lan"), format!("bob {EVE} team@home.lan"));
    house.fill("alice");
    house.fill("bob");
    assert_eq!(house.stranger("alice@home.lan"), format!("{EVE} alice@home.lan"));
    assert_eq!(house.stranger("team@home.lan"), format!("{EVE} team@home.lan"));
    assert_eq!(house.stranger("carl@home.lan"), format!("carl {EVE} carl@home.lan"));
    assert_eq!(house.stranger("bob@home.lan"), "full", "it would be lost");
    let report = house.find(Whence::Ourselves, "alice@home.lan");
    assert_eq!(told(&report), format!("alice {EVE} alice@home.lan"), "a report is what she must know");
    house.store.set_setting("smarthost", None).wait().unwrap();
    assert_eq!(house.stranger("alice@home.lan"), "full", "nothing leaves");
    assert!(house.stranger("carl@home.lan").starts_with("carl > eve@far.example"));
}
