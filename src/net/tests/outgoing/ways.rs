//! Several ways at once, several servers in order, and those where a person must look or the network be back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::net::{self, AddressFamily, SocketType};

use super::sink::{Act, Sink, Step};
use super::{MESSAGE, file, file_one, last_text, outbound, queue, retry, serving, with_smart_host};
use crate::limits;
use crate::mail::HopTls;
use crate::net::tests::trial::Trial;
use crate::net::uplink;
use crate::store::Route;

/// An address where nobody listens, and which nobody else gets for as long as this is held.
struct Nobody {
    socket: OwnedFd,
    address: String,
}

/// A port that was only given back was another test's by the time somebody was to listen there.
fn nobody() -> Nobody {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = SocketAddr::try_from(net::getsockname(&socket).unwrap()).unwrap().to_string();
    Nobody { socket, address }
}

impl Nobody {
    /// Somebody listens there now, and takes everything.
    fn becomes_a_sink(self) -> Sink {
        net::listen(&self.socket, 16).unwrap();
        Sink::at(self.socket.into())
    }
}

fn route(trial: &Trial, domain: &str, hops: &[&str]) {
    let route = Route {
        space: domain.parse().unwrap(),
        hops: hops.iter().map(|hop| hop.parse().unwrap()).collect(),
        tls: Some(HopTls::Opportunistic),
        is_share: false,
        created: trial.server().clock.now(),
    };
    trial.server().store.set_route(route).wait().unwrap();
}

#[test]
fn mail_leaves_by_the_smart_host_and_many_on_one_connection_o2_s_135() {
    let sink = Sink::new();
    with_smart_host(&sink, |trial| {
        for number in 0..20 {
            file_one(trial, &format!("bob{number}@example.com"));
        }
        trial.until("all is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), vec![MESSAGE; 20]);
        trial.until("it is counted", || trial.server().relay.status(&trial.server().store).sent == 20);
        assert!(sink.most_open() <= 2, "{} connections at once", sink.most_open());
        assert!(sink.sessions() <= 10, "{} connections for 20 mails", sink.sessions());
    });
}

/// A mail is sent, and before the connection is closed comes another one: the first, although it was gone, counted as
/// under way, so that nobody saw the second until the connection had waited for its two seconds and was closed.
#[test]
fn mail_that_comes_while_a_connection_waits_leaves_on_it_s_135() {
    let sink = Sink::new();
    with_smart_host(&sink, |trial| {
        for number in 0..5 {
            file_one(trial, &format!("bob{number}@example.com"));
            trial.until("it is sent", || queue(trial).is_empty());
        }
        assert_eq!(sink.bodies(), vec![MESSAGE; 5]);
        // One that comes in the moment before the waiting begins may open a second one.
        assert!(sink.sessions() < 5, "each mail has had a connection of its own");
    });
}

/// Some servers count the mails of a connection, and end it rudely.
#[test]
fn a_connection_has_a_hundred_mails_and_another_one_the_rest() {
    let mails = Arc::new(Mutex::new(BTreeMap::<usize, usize>::new()));
    let counted = Arc::clone(&mails);
    let sink = Sink::playing(move |session, step| {
        if matches!(step, Step::Command(verb) if verb == "MAIL") {
            *counted.lock().unwrap().entry(session).or_default() += 1;
        }
        Act::Usual
    });
    serving(&[("smarthost_tls", "opportunistic"), ("hop_connections", "1")], |trial| {
        for number in 0..=2 * limits::HOP_MAILS {
            file(trial, MESSAGE, vec![outbound("nowhere", &format!("bob{number}@example.com"))]);
        }
        trial.server().store.set_setting("smarthost", Some(&sink.host())).wait().unwrap();
        trial.server().relay.changed(&trial.server().clock);
        trial.until("all is sent", || queue(trial).is_empty());
    });
    let mails = mails.lock().unwrap();
    assert_eq!(mails.values().sum::<usize>(), 2 * limits::HOP_MAILS + 1);
    assert_eq!(mails.values().max(), Some(&limits::HOP_MAILS), "{mails:?}");
}

/// A smart host that has shut an account takes nothing, and was asked about each of a thousand mails.
#[test]
fn a_smart_host_that_refuses_mail_after_mail_is_left_alone() {
    let most = limits::REFUSED_IN_A_ROW as usize;
    for (mails, tried, rests) in [(most - 1, most - 1, 0), (most, most, 1), (most + 1, most, 1)] {
        // A connection that was begun before all mail was on this way has had all there was, and ends: it proves nothing.
        let asked = (0..20).find_map(|_| asked_of_one_that_refuses(mails, tried, rests));
        assert_eq!(asked, Some(tried), "of {mails}");
    }
}

/// How often it was asked about so many mails, once so many have been tried and so many ways rest; none if that took
/// another connection.
fn asked_of_one_that_refuses(mails: usize, tried: usize, rests: usize) -> Option<usize> {
    let sink = Sink::playing(|_, step| match step {
        Step::Command(verb) if verb == "MAIL" => Act::Say("450 4.7.0 not now\r\n"),
        _ => Act::Usual,
    });
    serving(&[("smarthost_tls", "opportunistic"), ("hop_connections", "1")], |trial| {
        for number in 0..mails {
            file(trial, MESSAGE, vec![outbound("nowhere", &format!("bob{number}@example.com"))]);
        }
        trial.server().store.set_setting("smarthost", Some(&sink.host())).wait().unwrap();
        trial.server().relay.changed(&trial.server().clock);
        let troubles = || trial.server().relay.status(&trial.server().store).troubles.len();
        let settled = || queue(trial).iter().filter(|row| row.last.is_some()).count();
        trial.until("it has refused them", || {
            (settled() == tried && troubles() == rests) || sink.sessions() > 1
        });
    });
    let asked = sink.commands().iter().filter(|command| command.starts_with("MAIL")).count();
    (sink.sessions() == 1).then_some(asked)
}

#[test]
fn recipients_of_one_mail_are_told_in_one_transaction_and_settled_one_by_one_s_130() {
    let recipients = AtomicUsize::new(0);
    let sink = Sink::playing(move |_, step| match step {
        Step::Command(verb) if verb == "RCPT" && recipients.fetch_add(1, Ordering::SeqCst) == 1 => {
            Act::Say("450 4.2.0 not now\r\n")
        }
        _ => Act::Usual,
    });
    with_smart_host(&sink, |trial| {
        let to = ["a@example.com", "b@example.com", "c@example.com"];
        file(trial, MESSAGE, to.iter().map(|to| outbound("smarthost", to)).collect());
        trial.until("two are sent", || queue(trial).len() == 1);
        assert_eq!(queue(trial)[0].outbound.recipient.as_str(), "b@example.com");
        retry(trial);
        trial.until("all is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), vec![MESSAGE; 2]);
        let told: Vec<_> =
            sink.commands().into_iter().filter(|line| line.contains("<a@example.com>")).collect();
        assert_eq!(told.len(), 1, "who has it is not sent it again: {told:?}");
    });
}

#[test]
fn a_dead_server_keeps_no_mail_of_another_way_and_the_next_one_in_order_takes_over_o1_s_134() {
    let (alive, second) = (Sink::new(), Sink::new());
    let silent = Sink::playing(|_, _| Act::Silence);
    serving(&[], |trial| {
        let (dead, first) = (nobody(), nobody());
        route(trial, "dead.lan", &[&dead.address]);
        route(trial, "silent.lan", &[&silent.host()]);
        route(trial, "alive.lan", &[&alive.host()]);
        route(trial, "two.lan", &[&first.address, &second.host()]);
        for domain in ["dead.lan", "silent.lan", "alive.lan", "two.lan"] {
            let to = format!("bob@{domain}");
            file(trial, MESSAGE, vec![outbound(&format!("route:{domain}"), &to)]);
        }
        trial.until("two are sent", || queue(trial).len() == 2);
        assert_eq!((alive.bodies().len(), second.bodies().len()), (1, 1));
        trial.until("the dead one is known", || {
            trial.server().relay.status(&trial.server().store).troubles.len() == 1
        });
        // It is known a moment before the try is written down.
        trial.until("its try is counted", || queue(trial)[0].tries == 1);
        assert_eq!(queue(trial)[1].tries, 0, "that of the silent one is under way");
    });
}

#[test]
fn a_refused_connection_to_the_only_smart_host_is_no_try_and_the_network_wakes_it_o8() {
    let nobody = nobody();
    serving(&[("smarthost", &nobody.address.clone()), ("smarthost_tls", "opportunistic")], |trial| {
        file_one(trial, "bob@example.com");
        trial.until("it was found", || queue(trial)[0].last.is_some());
        let status = trial.server().relay.status(&trial.server().store);
        assert_eq!((queue(trial)[0].tries, status.offline_since.is_some()), (0, true));
        let sink = nobody.becomes_a_sink();
        trial.server().relay.network_changed(&trial.server().clock);
        trial.until("it is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), [MESSAGE]);
        let status = trial.server().relay.status(&trial.server().store);
        assert_eq!((status.offline_since, status.troubles.len()), (None, 0));
    });
}

/// A route to a host that was switched off counted as being offline: nobody was told, and no try was counted.
#[test]
fn without_a_way_to_one_server_only_a_smart_host_makes_us_offline_o8() {
    // Nothing can be connected to there, and nothing leaves the machine.
    let no_way = "127.255.255.255:25";
    serving(&[], |trial| {
        route(trial, "away.lan", &[no_way]);
        file(trial, MESSAGE, vec![outbound("route:away.lan", "bob@away.lan")]);
        trial.until("it was found", || queue(trial)[0].last.is_some());
        let status = trial.server().relay.status(&trial.server().store);
        let is_offline = !uplink::has_way_out();
        assert_eq!(status.offline_since.is_some(), is_offline, "{}", last_text(trial));
        assert_eq!(queue(trial)[0].tries, u32::from(!is_offline));
    });
    serving(&[("smarthost", no_way), ("smarthost_tls", "opportunistic")], |trial| {
        file_one(trial, "bob@example.com");
        trial.until("it was found", || queue(trial)[0].last.is_some());
        let status = trial.server().relay.status(&trial.server().store);
        assert_eq!((queue(trial)[0].tries, status.offline_since.is_some()), (0, true));
    });
}

#[test]
fn time_alone_wakes_it_too_o8() {
    let nobody = nobody();
    serving(&[("smarthost", &nobody.address.clone()), ("smarthost_tls", "opportunistic")], |trial| {
        file_one(trial, "bob@example.com");
        trial.until("it was found", || queue(trial)[0].last.is_some());
        let status = || trial.server().relay.status(&trial.server().store);
        trial.until("whoever tried it is gone", || status().connections == 0);
        let sink = nobody.becomes_a_sink();
        trial.pass(2 * 60);
        trial.until("it is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), [MESSAGE]);
    });
}

#[test]
fn mail_never_goes_back_to_where_it_came_from_o6() {
    // Addresses of this machine are no other machine's; see the rigs for others.
    let sink = Sink::new();
    with_smart_host(&sink, |trial| {
        let mut outbound = outbound("smarthost", "bob@example.com");
        outbound.came_from = Some(sink.address.ip());
        file(trial, MESSAGE, vec![outbound]);
        trial.until("it is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), [MESSAGE], "programs of one machine are not one another");
    });
}

#[test]
fn a_way_that_leads_to_ourselves_is_held_and_sends_nothing_s_118_s_137() {
    serving(&[], |trial| {
        let own = trial.server().doors()[0];
        let host = own.to_string();
        trial.server().store.set_setting("smarthost", Some(&host)).wait().unwrap();
        trial.server().relay.changed(&trial.server().clock);
        file_one(trial, "bob@example.com");
        trial.until("it was found", || queue(trial)[0].last.is_some());
        assert!(last_text(trial).contains("this server itself"), "{}", last_text(trial));
        assert_eq!(queue(trial)[0].tries, 0);
    });
}

#[test]
fn another_smart_host_takes_over_what_waits_and_routes_move_it_o2_o3() {
    let (sink, routed) = (Sink::new(), Sink::new());
    serving(&[("smarthost", &nobody().address), ("smarthost_tls", "opportunistic")], |trial| {
        file_one(trial, "bob@example.com");
        file_one(trial, "bob@routed.lan");
        trial.until("it was found", || queue(trial).iter().any(|row| row.last.is_some()));
        route(trial, "routed.lan", &[&routed.host()]);
        trial.server().store.set_setting("smarthost", Some(&sink.host())).wait().unwrap();
        trial.server().relay.changed(&trial.server().clock);
        trial.until("all is sent", || queue(trial).is_empty());
        assert_eq!((sink.bodies().len(), routed.bodies().len()), (1, 1));
    });
}

#[test]
fn what_waited_nowhere_goes_when_there_is_a_way_o1() {
    let sink = Sink::new();
    serving(&[("smarthost_tls", "opportunistic")], |trial| {
        file(trial, MESSAGE, vec![outbound("nowhere", "bob@example.com")]);
        trial.server().store.set_setting("smarthost", Some(&sink.host())).wait().unwrap();
        trial.server().relay.changed(&trial.server().clock);
        trial.until("it is sent", || queue(trial).is_empty());
    });
}

#[test]
fn lmtp_has_a_reply_for_each_o10() {
    let sink = Sink::with("", true, None, |_, _| Act::Usual);
    serving(&[], |trial| {
        route(trial, "cluster.lan", &[&format!("lmtp:{}", sink.host())]);
        let to = ["a@cluster.lan", "b@cluster.lan"];
        file(trial, MESSAGE, to.iter().map(|to| outbound("route:cluster.lan", to)).collect());
        trial.until("it is sent", || queue(trial).is_empty());
        assert!(sink.commands()[0].starts_with("LHLO "));
        assert_eq!(sink.bodies(), [MESSAGE]);
    });
}

#[test]
fn a_server_that_answers_early_and_hangs_up_is_heard_s_134() {
    let sink = Sink::playing(|_, step| match step {
        Step::Body => Act::Say("452 4.3.1 no room\r\n"),
        Step::End => Act::Silence,
        _ => Act::Usual,
    });
    with_smart_host(&sink, |trial| {
        file(trial, &MESSAGE.repeat(500_000), vec![outbound("smarthost", "bob@example.com")]);
        trial.until("it was found", || queue(trial)[0].last.is_some());
        assert!(last_text(trial).contains("no room"), "{}", last_text(trial));
        retry(trial);
    });
}

#[test]
fn who_stops_in_the_middle_of_a_reply_notes_that_it_may_come_twice_s_131() {
    let sink = Sink::playing(|_, step| if *step == Step::End { Act::Silence } else { Act::Usual });
    with_smart_host(&sink, |trial| {
        file_one(trial, "bob@example.com");
        trial.until("its end is sent", || !sink.bodies().is_empty());
        trial.server().relay.cut();
        trial.until("it is noted", || queue(trial)[0].unsure_sends == 1);
    });
}
