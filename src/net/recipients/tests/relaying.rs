//! The old relay tests, played by a whole session, for everybody who may come and whatever the rules are: nobody's mail
//! leaves who may not send out (S-081 to S-096, S-097 to S-112, S-116).

use super::*;
use crate::sasl::Terms;
use crate::smtp::{Device, Door, Envelope, Event, Facts, Next, Session};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Stranger,
    /// The server with which the domain is shared.
    Beside,
    LocalDevice,
    SendingDevice,
    User,
}

/// What an administrator has set.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rules {
    None,
    SmartHost,
    Routes,
    Mx,
    Shared,
    HandedOver,
}

/// Who may have a forward-path accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum For {
    /// Who may send out, where there is a way.
    Senders,
    /// The same, but it is no matter how: what is behind our own address is nobody's.
    AtLiteral,
    Nobody,
    Everybody,
    /// Everybody but the server to which all of ours are handed over.
    Ours,
    /// Everybody, where somebody else knows who is unknown here.
    ElsewhereOfOurs,
}

/// Cases, forward-paths as RCPT has them, and for whom they are.
const PROBES: &[(&str, &str, For)] = &[
    ("S-081", "relaytest@far.example", For::Senders),
    ("S-085", "relaytest%far.example@[192.0.2.9]", For::AtLiteral),
    ("S-086", "relaytest%far.example@home.lan", For::Nobody),
    ("S-087", "\"relaytest@far.example\"", For::Nobody),
    ("S-088", "\"relaytest%far.example\"", For::Nobody),
    ("S-089", "relaytest@far.example@[192.0.2.9]", For::Nobody),
    ("S-090", "\"relaytest@far.example\"@[192.0.2.9]", For::AtLiteral),
    ("S-090", "\"relaytest@far.example\"@home.lan", For::Nobody),
    ("S-091", "relaytest@far.example@home.lan", For::Nobody),
    ("S-092", "@[192.0.2.9]:relaytest@far.example", For::Nobody),
    ("S-093", "@home.lan:relaytest@far.example", For::Nobody),
    ("S-094", "far.example!relaytest", For::Nobody),
    ("S-095", "far.example!relaytest@[192.0.2.9]", For::AtLiteral),
    ("S-096", "far.example!relaytest@home.lan", For::Nobody),
    ("S-097", "nobody@far.example", For::Senders),
    ("S-098", "postmaster", For::Everybody),
    ("S-098", "bob", For::Nobody),
    ("S-099", "a@@b", For::Nobody),
    ("S-100", "@home.lan,@[192.0.2.9]:x%far.example@home.lan", For::Nobody),
    ("S-100", "far.example!x%y@home.lan", For::Nobody),
    ("S-101", "x@home.lan..", For::Nobody),
    ("S-101", "x@home.lan.", For::Nobody),
    ("S-102", "x@[127.0.0.1]", For::Nobody),
    ("S-102", "x@[IPv6:::1]", For::Nobody),
    ("S-102", "x@[IPv6:::ffff:127.0.0.1]", For::Nobody),
    ("S-102", "x@[0.0.0.0]", For::Nobody),
    ("S-102", "x@[224.0.0.1]", For::Nobody),
    ("S-102", "x@[0177.0.0.1]", For::Nobody),
    ("S-102", "x@[2130706433]", For::Nobody),
    ("S-103", "\"a b\"@home.lan", For::Nobody),
    ("S-103", "\"\"@home.lan", For::Nobody),
    ("S-103", "\"\\@\"@home.lan", For::Nobody),
    ("S-106", "`id`@home.lan", For::Nobody),
    ("S-106", "|cmd@home.lan", For::Nobody),
    ("S-106", "/file@home.lan", For::Nobody),
    ("S-106", "\":include:/etc/passwd\"@home.lan", For::Nobody),
    ("S-107", "../../etc/x@home.lan", For::Nobody),
    ("S-107", "a/b@home.lan", For::Nobody),
    ("S-111", "-oQ/tmp@home.lan", For::Nobody),
    ("S-112", "{a}@home.lan", For::Nobody),
    ("S-113", "alice@home.lan", For::Ours),
    ("S-125", "ghost@home.lan", For::ElsewhereOfOurs),
    ("S-116", "x@elsewhere.example", For::Senders),
];

const SENDERS: [&str; 8] = [
    "",
    "antispam@far.example",
    "antispam@home.lan",
    "antispam@[192.0.2.9]",
    "spamtest@localhost",
    "alice@home.lan",
    "postmaster@home.lan",
    "x@other.home.lan",
];

#[test]
fn nobodys_mail_leaves_who_may_not_send_out_s_081_to_s_096() {
    for rules in [Rules::None, Rules::SmartHost, Rules::Routes, Rules::Mx, Rules::Shared, Rules::HandedOver] {
        let folder = Folder::new();
        let house = House::new(&folder);
        set_rules(&house, rules);
        for who in [Who::Stranger, Who::Beside, Who::LocalDevice, Who::SendingDevice, Who::User] {
            for sender in SENDERS {
                play(&house, who, rules, sender);
            }
        }
    }
}

/// Who had been written to by one who forwards, once, could send him whatever he liked for forty days, through us and as
/// anybody: the address for his bounces took every mail.
#[test]
fn only_what_comes_from_nobody_goes_the_way_of_a_bounce_o5_s_081() {
    let folder = Folder::new();
    let house = House::new(&folder);
    let back = key().rewritten("x@far.example", &"home.lan".parse().unwrap(), house.store.clock().now());
    let back = back.unwrap().to_string();
    for rules in [Rules::SmartHost, Rules::Shared, Rules::HandedOver] {
        set_rules(&house, rules);
        for who in [Who::Stranger, Who::Beside, Who::LocalDevice, Who::SendingDevice, Who::User] {
            for sender in SENDERS {
                let (reply, envelope) = Talk::begin(&house, who).send(sender, &back);
                let what = format!("{who:?} <{sender}> with {rules:?}: {reply}");
                assert_eq!(
                    reply.split(' ').next(),
                    Some(if sender.is_empty() { "250" } else { "550" }),
                    "{what}"
                );
                assert!(sender.is_empty() || reply.starts_with("550 5.7.1 Only reports"), "{what}");
                let left = envelope.iter().flat_map(|it| &it.leaving).map(|(it, _)| it.recipient.as_str());
                assert!(left.eq(sender.is_empty().then_some("x@far.example")), "{what}");
            }
        }
    }
}

fn set_rules(house: &House, rules: Rules) {
    match rules {
        Rules::None => {}
        Rules::SmartHost => house.set("smarthost", "smart.example"),
        Rules::Mx => house.set("mx", "on"),
        Rules::Routes => {
            for space in ["*", "far.example", "*.example", "nobody@far.example"] {
                house.route(space, "mail.far.example");
            }
        }
        Rules::Shared => {
            house.share("home.lan", "192.0.2.77");
            house.set("smarthost", "smart.example");
        }
        Rules::HandedOver => {
            house.route("home.lan", "192.0.2.77");
            house.route("*", "smart.example");
        }
    }
}

/// A session in which every probe is said, each in a mail of its own.
fn play(house: &House, who: Who, rules: Rules, sender: &str) {
    for (case, path, wanted) in PROBES {
        let what = format!("{case} <{path}> of {who:?} <{sender}> with {rules:?}");
        let (reply, envelope) = Talk::begin(house, who).send(sender, path);
        let is_taken = reply.starts_with("250");
        assert!(is_taken || reply.starts_with('5'), "{what}: {reply}");
        assert_eq!(is_taken, is_for(*wanted, who, rules), "{what}: {reply}");
        let Some(envelope) = envelope else { continue };
        for (leaving, _) in &envelope.leaving {
            let is_sender = matches!(who, Who::User | Who::SendingDevice);
            let is_ours = leaving.lane.to_string() == "route:home.lan";
            assert!(is_sender || is_ours, "{what} left by {}", leaving.lane);
            assert!(
                !is_ours || leaving.recipient.domain_text() == "home.lan",
                "{what} left by {}",
                leaving.lane
            );
        }
    }
}

fn is_for(wanted: For, who: Who, rules: Rules) -> bool {
    let is_sender = matches!(who, Who::User | Who::SendingDevice);
    let is_beside = who == Who::Beside;
    match wanted {
        For::Senders | For::AtLiteral => is_sender && rules != Rules::None,
        For::Nobody => false,
        For::Everybody => true,
        For::Ours => !(is_beside && rules == Rules::HandedOver),
        For::ElsewhereOfOurs => matches!(rules, Rules::Shared | Rules::HandedOver) && !is_beside,
    }
}

/// A session whose wishes the house carries out.
struct Talk<'a> {
    house: &'a House,
    who: Who,
    alice: Address,
    session: Session,
    stored: Option<Envelope>,
}

impl Talk<'_> {
    fn begin(house: &House, who: Who) -> Talk<'_> {
        let is_device = matches!(who, Who::LocalDevice | Who::SendingDevice);
        let device = Device { name: "scanner".into(), sender: None, is_lenient: true };
        let session = Session::new(Facts {
            door: if who == Who::User { Door::Submission } else { Door::Mx },
            hostname: "mail.home.lan".into(),
            peer: peer(who),
            tls: None,
            offers_starttls: false,
            terms: Terms { takes_passwords: true, ..Terms::default() },
            tls_terms: None,
            message_octets: 1000,
            recipients: 5,
            device: is_device.then(|| Box::new(device)),
        });
        let mut talk = Talk { house, who, alice: named("alice"), session, stored: None };
        talk.tell(Event::Connected);
        talk.say("EHLO client.example");
        if who == Who::User {
            assert!(talk.say("AUTH PLAIN AGFsaWNlAHJpZ2h0").starts_with("235"));
        }
        talk
    }

    /// What RCPT is told, and the envelope that is stored if anybody was accepted.
    fn send(mut self, sender: &str, path: &str) -> (String, Option<Envelope>) {
        let reply = self.say(&format!("MAIL FROM:<{sender}>"));
        assert!(reply.starts_with("250"), "{reply}");
        let reply = self.say(&format!("RCPT TO:<{path}>"));
        let begun = self.say("DATA");
        assert_eq!(begun.starts_with("354"), reply.starts_with("250"), "{reply} {begun}");
        if begun.starts_with("354") {
            assert!(self.tell(Event::Received(crate::smtp::DataEnd::Good)).starts_with("250"));
        }
        (reply, self.stored)
    }

    fn say(&mut self, line: &str) -> String {
        self.tell(Event::Line { line: line.as_bytes(), is_followed: false })
    }

    fn tell(&mut self, event: Event<'_>) -> String {
        let mut out = Vec::new();
        let mut next = self.session.handle(event, &mut out);
        loop {
            let answer = match next {
                Next::Login(_) => Event::LoggedIn { user: self.alice.clone(), signature: None },
                Next::CheckSender(_) => Event::SenderFits,
                Next::CheckSpace { .. } => Event::SpaceFound,
                Next::LookUp { path, named, octets } => {
                    let settings = self.house.store.settings();
                    let search = Search {
                        store: &self.house.store,
                        settings: &settings,
                        from: self.whence(),
                        hosts: &self.house.hosts,
                        returns: &key(),
                        now: self.house.now,
                    };
                    Event::Recipient(smol::block_on(search.find(path, &named, octets)).unwrap())
                }
                Next::Store(envelope) => {
                    self.stored = Some(envelope);
                    Event::Stored
                }
                _ => return String::from_utf8(out).unwrap(),
            };
            next = self.session.handle(answer, &mut out);
        }
    }

    fn whence(&self) -> Whence<'_> {
        let peer = peer(self.who);
        match self.who {
            Who::Stranger | Who::Beside => Whence::Stranger(peer),
            Who::LocalDevice => Whence::Device { peer, may_leave: false },
            Who::SendingDevice => Whence::Device { peer, may_leave: true },
            Who::User => Whence::User(&self.alice),
        }
    }
}

fn peer(who: Who) -> IpAddr {
    if who == Who::Beside { BESIDE.into() } else { STRANGER.into() }
}
