//! What goes wrong on the way or here, and what must be neither lost, nor stuck, nor sent twice for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::sink::{Act, Sink, Step};
use super::{MESSAGE, file, file_one, outbound, queue, serving, with_smart_host};
use crate::clock::Clock;
use crate::net::relay::courier::Batch;
use crate::store::{QueueAct, Queued, Which};
use crate::ticket::block_on;

fn command(verb: &str) -> Step {
    Step::Command(verb.into())
}

/// A server closed its connections after each mail, as some do: each second mail waited for a minute, and with it the
/// whole smart host.
#[test]
fn a_connection_that_ends_between_two_mails_costs_the_second_no_try_s_135() {
    for last_words in [Act::Drop, Act::Say("421 4.4.2 one mail each\r\n")] {
        let (mails, act) = (AtomicUsize::new(0), last_words.clone());
        let sink = Sink::playing(move |_, step| match step {
            step if *step == command("MAIL") && mails.fetch_add(1, Ordering::SeqCst) == 1 => act.clone(),
            _ => Act::Usual,
        });
        let host = sink.host();
        // One, or the second mail may be the first of its connection, and is tried then.
        let settings = [("smarthost", &*host), ("smarthost_tls", "opportunistic"), ("hop_connections", "1")];
        serving(&settings, |trial| {
            for number in 0..5 {
                file_one(trial, &format!("bob{number}@example.com"));
            }
            // The clock stands still: nobody waits for a pause.
            trial.until(&format!("{last_words:?}: all is sent"), || queue(trial).is_empty());
            assert_eq!(sink.bodies(), vec![MESSAGE; 5]);
            assert!(trial.server().relay.status(&trial.server().store).troubles.is_empty());
        });
    }
}

/// A mail at which a server hung up, or fell silent, was as if it had never been tried where another one had gone before
/// it: it went out again and again, without a pause, and was never given up.
#[test]
fn a_connection_that_ends_in_the_middle_of_a_mail_costs_it_a_try_whoever_went_before_s_131_s_135() {
    for point in [Step::Answered("DATA".into()), Step::Body] {
        let (bodies, at) = (AtomicUsize::new(0), point.clone());
        let is_filed = Arc::new(AtomicBool::new(false));
        let is_behind = Arc::clone(&is_filed);
        let sink = Sink::playing(move |_, step| match step {
            step if *step == at && bodies.fetch_add(1, Ordering::SeqCst) == 1 => Act::Drop,
            // The second is there before the first is gone: it goes on the same connection.
            Step::End => {
                while !is_behind.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                Act::Usual
            }
            _ => Act::Usual,
        });
        let host = sink.host();
        let settings = [("smarthost", &*host), ("smarthost_tls", "opportunistic"), ("hop_connections", "1")];
        serving(&settings, |trial| {
            file_one(trial, "good@example.com");
            trial.until("the first is under way", || sink.bodies().len() == 1);
            // No buffer between here and there takes it all.
            file(trial, &MESSAGE.repeat(500_000), vec![outbound("smarthost", "poison@example.com")]);
            is_filed.store(true, Ordering::SeqCst);
            let is_over = || queue(trial).iter().all(|row| row.last.is_some());
            trial.until(&format!("{point:?}: it was tried"), is_over);
            let tries: Vec<u32> = queue(trial).iter().map(|row| row.tries).collect();
            assert_eq!((tries, sink.sessions(), sink.bodies().len()), (vec![1], 1, 1), "{point:?}");
            let troubles = || trial.server().relay.status(&trial.server().store).troubles.len();
            trial.until(&format!("{point:?}: the way rests"), || troubles() == 1);
        });
    }
}

/// A route was removed while a mail for it was being taken: the mail came to a way that was gone, and stayed there until
/// somebody changed a setting, or for ever. It is the same where a mailbox with a smart host of its own is removed.
#[test]
fn what_comes_to_a_way_that_is_gone_goes_by_another_o1_o3() {
    let sink = Sink::new();
    with_smart_host(&sink, |trial| {
        file_one(trial, "before@example.com");
        trial.until("all has been looked through", || queue(trial).is_empty());
        for lane in ["route:gone.lan", "smarthost:gone@home.lan"] {
            file(trial, MESSAGE, vec![outbound(lane, "bob@gone.lan")]);
            trial.until(lane, || queue(trial).is_empty());
        }
        assert_eq!(sink.bodies(), vec![MESSAGE; 3]);
    });
}

/// A server that looks at each recipient for minutes had used up the time of a try before it had the message: its answer
/// was waited for no longer, and it got the message again and again.
#[test]
fn who_has_the_whole_message_has_ten_minutes_to_say_so_however_slow_he_was_s_131_s_134() {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    let sink = Sink::playing(|_, step| {
        let seconds = match step {
            Step::Command(verb) if verb == "RCPT" => 290,
            Step::End => 400,
            _ => 0,
        };
        if let Some(clock) = CLOCK.get() {
            clock.put_forward(Duration::from_secs(seconds));
        }
        Act::Usual
    });
    with_smart_host(&sink, |trial| {
        CLOCK.set(trial.server().clock.clone()).unwrap();
        let to = (0..6).map(|number| outbound("smarthost", &format!("bob{number}@example.com")));
        file(trial, MESSAGE, to.collect());
        trial.until("it is sent", || queue(trial).is_empty());
        assert_eq!(sink.bodies(), [MESSAGE]);
        assert_eq!(trial.server().relay.status(&trial.server().store).unsure, 0);
    });
}

/// The report on one recipient could not be stored, and the others, who had the mail, were only noted behind it: had the
/// power failed then, they would have got it twice.
#[test]
fn who_has_the_mail_is_noted_before_others_are_reported_on_s_131() {
    static IS_FULL: AtomicBool = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    let sink = Sink::playing(move |_, step| match step {
        Step::Command(verb) if verb == "RCPT" && asked.fetch_add(1, Ordering::SeqCst) == 1 => {
            while !IS_FULL.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            Act::Say("550 5.1.1 nobody\r\n")
        }
        _ => Act::Usual,
    });
    with_smart_host(&sink, |trial| {
        let to = ["a@example.com", "gone@example.com", "c@example.com"];
        file(trial, MESSAGE, to.iter().map(|to| outbound("smarthost", to)).collect());
        trial.server().store.set_setting("reserve_mib", Some("1048576")).wait().unwrap();
        IS_FULL.store(true, Ordering::SeqCst);
        let rows_of_gone = || {
            let mut rows = queue(trial);
            let is_put_off = |row: &Queued| row.outbound.recipient.as_str() == to[1] && row.tries == 1;
            rows.iter().any(is_put_off).then(|| std::mem::take(&mut rows))
        };
        trial.until("who is not reported on waits", || rows_of_gone().is_some());
        assert_eq!(rows_of_gone().map(|rows| rows.len()), Some(1), "the others are gone by then");
    });
}

/// A bug broke the sending of a mail off behind the server's answer: the mail was due at once, and would have been sent
/// again as fast as the line allows.
#[test]
fn over_what_the_sending_stumbles_it_does_not_go_again_s_131() {
    serving(&[], |trial| {
        let lane = "nowhere".parse().unwrap();
        file(trial, MESSAGE, vec![outbound("nowhere", "bob@held.lan")]);
        let rows = queue(trial);
        let id = rows[0].id;
        let busy = || trial.server().relay.lanes().under_way().contains(&id);
        drop(Batch::new(trial.server(), &lane, rows.clone()));
        assert!(!busy(), "what ends well is given back");
        let stumbling = || {
            let _batch = Batch::new(trial.server(), &lane, rows.clone());
            panic!("a bug");
        };
        assert!(catch_unwind(AssertUnwindSafe(stumbling)).is_err());
        assert!(busy());
    });
}

/// Mail waited for a server that was down, an administrator removed it, and "poppet status" went on telling of the server.
#[test]
fn where_nothing_waits_any_more_there_is_no_trouble() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    serving(&[("smarthost", &port), ("smarthost_tls", "opportunistic")], |trial| {
        let server = trial.server();
        let troubles = || server.relay.status(&server.store).troubles.len();
        file_one(trial, "bob@example.com");
        trial.until("there is trouble", || troubles() == 1);
        server.store.queue_act(Which::All, QueueAct::Delete).wait().unwrap();
        server.relay.changed(&server.clock);
        trial.until("there is none", || troubles() == 0);
    });
}

/// The server stops while a mail is under way, and waits no longer: what may have been taken is noted as such, all else
/// just waits for the next start.
#[test]
fn a_stop_in_the_middle_of_a_mail_leaves_it_waiting_and_notes_what_nobody_knows_s_131() {
    for (point, unsure) in [(Step::Connected, 0), (command("MAIL"), 0), (command("DATA"), 0), (Step::End, 1)]
    {
        let silent = point.clone();
        let sink = Sink::playing(move |_, step| if *step == silent { Act::Silence } else { Act::Usual });
        with_smart_host(&sink, |trial| {
            let server = trial.server();
            file_one(trial, "bob@example.com");
            let has_come = || match &point {
                Step::Connected => sink.sessions() == 1,
                Step::Command(verb) => sink.commands().iter().any(|line| line.starts_with(verb)),
                _ => sink.bodies().len() == 1,
            };
            trial.until(&format!("{point:?}: it is under way"), has_come);
            server.relay.stop();
            server.relay.cut();
            block_on(server.relay.gone());
            let rows = queue(trial);
            assert_eq!((rows.len(), rows[0].unsure_sends), (1, unsure), "{point:?}");
            assert_eq!(
                (server.relay.status(&server.store).connections, sink.sessions()),
                (0, 1),
                "{point:?}"
            );
        });
    }
}

/// The same, but the server's answer comes in time: the mail is out of the queue before the store is closed.
#[test]
fn a_stop_waits_for_an_answer_that_comes_s_131() {
    static IS_STOPPING: AtomicBool = AtomicBool::new(false);
    let sink = Sink::playing(|_, step| {
        while *step == Step::End && !IS_STOPPING.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        Act::Usual
    });
    let host = sink.host();
    // With one connection, only one mail can be under way when the sending is stopped.
    let settings = [("smarthost", &*host), ("smarthost_tls", "opportunistic"), ("hop_connections", "1")];
    serving(&settings, |trial| {
        let server = trial.server();
        for number in 0..3 {
            file_one(trial, &format!("bob{number}@example.com"));
        }
        trial.until("one is under way", || sink.bodies().len() == 1);
        server.relay.stop();
        IS_STOPPING.store(true, Ordering::SeqCst);
        block_on(server.relay.gone());
        assert_eq!((queue(trial).len(), sink.bodies().len()), (2, 1), "no other one is begun");
    });
}

/// The sending was stopped while a connection was being made, and the mail for which it was made still went: a stop had
/// to wait for it, or to note that nobody knows whether it was taken.
#[test]
fn a_connection_that_is_made_only_behind_a_stop_carries_no_mail_s_131() {
    static IS_STOPPING: AtomicBool = AtomicBool::new(false);
    let sink = Sink::playing(|_, step| {
        while *step == Step::Connected && !IS_STOPPING.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        Act::Usual
    });
    with_smart_host(&sink, |trial| {
        let server = trial.server();
        file_one(trial, "bob@example.com");
        trial.until("it is connected", || sink.sessions() == 1);
        server.relay.stop();
        IS_STOPPING.store(true, Ordering::SeqCst);
        block_on(server.relay.gone());
        let verbs: Vec<String> = sink.commands().iter().map(|line| line[..4].to_owned()).collect();
        assert_eq!(verbs, ["EHLO", "QUIT"]);
        let rows = queue(trial);
        assert_eq!((rows.len(), rows[0].tries, rows[0].unsure_sends), (1, 0, 0), "it waits as it was");
    });
}
