//! Mail for the outside by hand: passwords that are sealed, smart hosts and routes that lead elsewhere.

use super::*;
use crate::clock::UnixTime;
use crate::mail::Lane;
use crate::relay::password_record;

fn lane(text: &str) -> Lane {
    text.parse().unwrap()
}

fn keep(way: &str, password: Option<&str>) -> Command {
    let password = password.map(|text| Secret::new(text.as_bytes()));
    Command::Outgoing(OutgoingAct::SetPassword(lane(way), password))
}

pub fn route(space: &str, hosts: &str, is_share: bool) -> Command {
    Command::Outgoing(OutgoingAct::SetRoute(Route {
        space: space.parse().unwrap(),
        hops: hosts.split_whitespace().map(|host| host.parse().unwrap()).collect(),
        tls: None,
        is_share,
        created: UnixTime(0),
    }))
}

pub fn assign(target: Option<&str>, key: &str, value: Option<&str>) -> Command {
    let (key, value) = (key.to_owned(), value.map(str::to_owned));
    match target {
        None => Command::Assign { key, value, is_final: false },
        Some(target) => Command::AssignFor { target: target.parse().unwrap(), key, value, is_final: false },
    }
}

impl House {
    fn password_of(&self, way: &str) -> Option<Secret> {
        let record = password_record(&lane(way));
        let sealed = self.context.store.record(&record).wait().unwrap()?;
        self.context.gatekeeper.unseal(&record, &sealed)
    }

    #[track_caller]
    fn failed(&self, command: Command) -> (Failure, String) {
        let error = self.act(command).unwrap_err();
        assert_eq!(error.text.lines().count(), 1, "{}", error.text);
        (error.kind, error.text)
    }

    /// What a changed setting means for a smart host.
    fn means(&self, command: Command) -> Option<Consequence> {
        let Answer::Assigned { consequence, .. } = self.act(command).unwrap() else { panic!("no answer") };
        consequence
    }
}

#[test]
fn a_password_is_kept_sealed_for_its_way_alone_s_140() {
    let house = House::with(&["alice@home.lan"]);
    for (way, password) in [
        ("smarthost", "hunter1"),
        ("smarthost:home.lan", "hunter2"),
        ("smarthost:alice@home.lan", "hunter3"),
        ("smarthost", "hunter4"),
    ] {
        let told = house.act(keep(way, Some(password))).unwrap();
        assert!(matches!(told, Answer::Outgoing(OutgoingTold::Done(1, _))), "{told:?}");
        assert_eq!(house.password_of(way).unwrap().expose(), password.as_bytes());
        assert!(!format!("{told:?}").contains(password));
    }
    assert_eq!(house.sessions.looked_anew.load(Ordering::Relaxed), 4);
    let sealed = house.context.store.record(&password_record(&lane("smarthost"))).wait().unwrap().unwrap();
    let elsewhere = password_record(&lane("smarthost:home.lan"));
    assert_eq!(house.context.gatekeeper.unseal(&elsewhere, &sealed), None);
}

#[test]
fn a_password_is_forgotten_once() {
    let house = House::with(&["alice@home.lan"]);
    house.act(keep("smarthost:home.lan", Some("secret"))).unwrap();
    house.act(keep("smarthost:home.lan", None)).unwrap();
    assert_eq!(house.password_of("smarthost:home.lan"), None);
    for way in ["smarthost:home.lan", "smarthost"] {
        let (kind, text) = house.failed(keep(way, None));
        assert!(kind == Failure::NotFound && text.contains("no password is kept"), "{text}");
    }
}

#[test]
fn a_password_that_can_not_be_is_refused_and_not_repeated() {
    let house = House::with(&["alice@home.lan"]);
    let most = crate::limits::PASSWORD_OCTETS;
    let (long, longest) = ("x".repeat(most + 1), "x".repeat(most));
    for (way, password, wanted) in [
        ("smarthost", "", Failure::Refused),
        ("smarthost", "hun\nter2", Failure::Refused),
        ("smarthost", "hun\0ter2", Failure::Refused),
        ("smarthost", &long, Failure::Refused),
        ("smarthost:nowhere.lan", "hunter2", Failure::NotFound),
        ("smarthost:bob@home.lan", "hunter2", Failure::NotFound),
        ("route:example.com", "hunter2", Failure::Usage),
        ("mx:example.com", "hunter2", Failure::Usage),
        ("nowhere", "hunter2", Failure::Usage),
    ] {
        let (kind, text) = house.failed(keep(way, Some(password)));
        assert_eq!(kind, wanted, "{way}: {text}");
        assert!(!text.contains("ter2"), "{text}");
        assert_eq!(house.password_of(way), None, "{way}");
    }
    house.act(keep("smarthost", Some(&longest))).unwrap();
    assert_eq!(house.sessions.looked_anew.load(Ordering::Relaxed), 1);
}

/// A mailbox that gets the name later would have sent its predecessor's password.
#[test]
fn passwords_of_what_is_removed_are_forgotten_s_140() {
    let house = House::with(&["alice@home.lan", "bob@home.lan", "carol@office.lan"]);
    for way in ["smarthost", "smarthost:home.lan", "smarthost:office.lan"] {
        house.act(keep(way, Some("secret"))).unwrap();
    }
    for user in ["alice@home.lan", "bob@home.lan", "carol@office.lan"] {
        house.act(keep(&format!("smarthost:{user}"), Some("secret"))).unwrap();
    }
    let has = |way: &str| house.password_of(way).is_some();
    house.act(remove("bob@home.lan")).unwrap();
    assert!(!has("smarthost:bob@home.lan") && has("smarthost:alice@home.lan"));
    house.act(remove("home.lan")).unwrap();
    assert!(!has("smarthost:alice@home.lan") && !has("smarthost:home.lan"));
    assert!(has("smarthost") && has("smarthost:office.lan") && has("smarthost:carol@office.lan"));
}

#[test]
fn the_password_is_no_setting_and_never_shown_s_140() {
    let house = House::with(&["alice@home.lan"]);
    house.act(keep("smarthost", Some("hunter2"))).unwrap();
    let key = || Some("smarthost_password".to_owned());
    for command in [
        Command::Settings(key()),
        Command::SettingsFor { target: "home.lan".parse().unwrap(), key: key() },
        assign(None, "smarthost_password", Some("hunter2")),
        assign(Some("home.lan"), "smarthost_password", Some("hunter2")),
    ] {
        let text = house.refused(command);
        assert!(text.contains("kept sealed") && !text.contains("hunter2"), "{text}");
    }
    let all = house.act(Command::Settings(None)).unwrap();
    assert!(!format!("{all:?}").contains("hunter2"));
}

#[test]
fn a_smart_host_that_is_ourselves_is_refused_at_every_level_s_118() {
    let house = House::with(&["alice@home.lan"]);
    house.set("hostname", "mail.home.lan");
    house.set("submission", "0.0.0.0:587");
    house.set("smtp", "0.0.0.0:25");
    let offline = Context { live: None, ..house.context.clone() };
    for target in [None, Some("home.lan"), Some("alice@home.lan")] {
        for value in ["mail.home.lan", "mail.example.com,mail.home.lan:25", "127.0.0.1:25", "localhost"] {
            let error = block_on(execute(&offline, assign(target, "smarthost", Some(value)))).unwrap_err();
            assert_eq!(error.kind, Failure::Refused, "{value}: {}", error.text);
            assert!(error.text.contains("is this server itself"), "{}", error.text);
        }
        for value in ["mail.example.com", "localhost:10025", "off"] {
            block_on(execute(&offline, assign(target, "smarthost", Some(value)))).unwrap();
        }
    }
    assert_eq!(house.context.store.settings().outgoing.smarthosts, []);
}

#[test]
fn what_is_set_beside_a_smart_host_counts_only_with_one_of_the_same_level_o2() {
    let house = House::with(&["alice@home.lan"]);
    let host = |target| assign(target, "smarthost", Some("mail.example.com"));
    let user = |target| assign(target, "smarthost_user", Some("me"));
    let marks = |consequence: Option<Consequence>| match consequence {
        Some(Consequence::SmartHost { is_missing, lacks_password, hands_on_password, .. }) => {
            (is_missing, lacks_password, hands_on_password)
        }
        None => (false, false, false),
        other => panic!("{other:?}"),
    };
    let means = |command| marks(house.means(command));
    assert_eq!(means(host(None)), (false, false, false));
    assert_eq!(means(user(None)), (false, true, false));
    house.act(keep("smarthost", Some("secret"))).unwrap();
    assert_eq!(means(user(None)), (false, false, false));
    assert_eq!(means(host(None)), (false, false, true));
    // alice has no smart host of her own, and the one of all isn't hers to log on at.
    assert_eq!(means(user(Some("alice@home.lan"))), (true, false, false));
    assert_eq!(means(host(Some("alice@home.lan"))), (false, true, false));
    house.act(keep("smarthost:alice@home.lan", Some("secret"))).unwrap();
    assert_eq!(means(user(Some("alice@home.lan"))), (false, false, false));
    // The domain's is another one, and without a user.
    assert_eq!(means(host(Some("home.lan"))), (false, false, false));
    assert_eq!(means(assign(None, "smarthost", None)), (true, false, false));
}

#[test]
fn what_changes_ways_wakes_the_queue_and_nothing_else_does() {
    let house = House::with(&["alice@home.lan"]);
    let looked = || house.sessions.looked_anew.load(Ordering::Relaxed);
    for (key, value, is_told) in [
        ("smarthost", "mail.example.com", true),
        ("smarthost_tls", "implicit", true),
        ("mx", "on", true),
        ("route_tls", "required", true),
        ("queue_days", "3", true),
        ("hop_connections", "1", true),
        ("language", "de", false),
        ("retain", "365", false),
    ] {
        let before = looked();
        house.act(assign(None, key, Some(value))).unwrap();
        assert_eq!(looked() - before, u32::from(is_told), "{key}");
    }
    house.act(assign(None, "smarthost", Some("a b"))).unwrap_err();
    assert_eq!(looked(), 6);
}

#[test]
fn a_route_that_can_not_be_is_refused_with_advice_o3_o4_s_118() {
    let house = House::with(&["alice@home.lan"]);
    house.set("smtp", "0.0.0.0:2525");
    house.set("hostname", "mail.home.lan");
    let offline = Context { live: None, ..house.context.clone() };
    for (command, kind, wanted) in [
        (route("example.com", "", false), Failure::Usage, "to which server"),
        (route("nowhere.lan", "mail.example.com", true), Failure::NotFound, "there is no domain nowhere.lan"),
        (route("*", "mail.example.com", true), Failure::Usage, "only a domain can"),
        (route("alice@home.lan", "mail.example.com", true), Failure::Usage, "only a domain can"),
        (route("example.com", "a.example mail.home.lan:2525", false), Failure::Refused, "this server itself"),
        (route("home.lan", "127.0.0.1:2525", true), Failure::Refused, "this server itself"),
    ] {
        let error = block_on(execute(&offline, command.clone())).unwrap_err();
        assert_eq!(error.kind, kind, "{command:?}: {}", error.text);
        assert!(error.text.contains(wanted) && error.text.lines().count() == 1, "{}", error.text);
    }
    let remove = Command::Outgoing(OutgoingAct::RemoveRoute("example.com".parse().unwrap()));
    let (kind, text) = house.failed(remove);
    assert!(kind == Failure::NotFound && text.contains("\"poppet route\" shows"), "{text}");
    assert_eq!(house.sessions.looked_anew.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_not_in_the_queue_is_told_o1() {
    let house = House::empty();
    let one = || Which::One(QueueId(7));
    for act in [
        OutgoingAct::Show(QueueId(7)),
        OutgoingAct::Queue(one(), QueueAct::Retry),
        OutgoingAct::Queue(one(), QueueAct::Delete),
        OutgoingAct::Queue(Which::Lane(lane("smarthost")), QueueAct::Hold),
        OutgoingAct::Queue(Which::Having("bob@".into()), QueueAct::Release),
    ] {
        let (kind, text) = house.failed(Command::Outgoing(act));
        assert!(kind == Failure::NotFound && text.contains("\"poppet queue\" shows what waits"), "{text}");
    }
    let all = OutgoingAct::Queue(Which::All, QueueAct::Delete);
    assert_eq!(house.act(Command::Outgoing(all)), Ok(Answer::Outgoing(OutgoingTold::Done(0, Vec::new()))));
    let page = OutgoingAct::Page { which: Which::All, after: None };
    let Answer::Outgoing(OutgoingTold::Queue { rows, is_last: true }) =
        house.act(Command::Outgoing(page)).unwrap()
    else {
        panic!("no page");
    };
    assert_eq!(rows, []);
}

#[test]
fn a_way_is_tried_by_the_running_server() {
    let house = House::empty();
    let Answer::Outgoing(OutgoingTold::Trial(trial)) =
        house.act(Command::Outgoing(OutgoingAct::Try(lane("route:example.com")))).unwrap()
    else {
        panic!("no trial");
    };
    assert_eq!(trial.steps[0].text, "route:example.com");
    let offline = Context { live: None, ..house.context.clone() };
    let error =
        block_on(execute(&offline, Command::Outgoing(OutgoingAct::Try(lane("smarthost"))))).unwrap_err();
    assert_eq!(error.kind, Failure::Unreachable);
}
