//! The link is dropped at each point of a delivery (S-131).

use std::sync::atomic::Ordering;

use super::sink::{Act, Sink, Step};
use super::{MESSAGE, file, outbound, queue, retry, with_smart_host};

fn command(verb: &str) -> Step {
    Step::Command(verb.into())
}

fn answered(verb: &str) -> Step {
    Step::Answered(verb.into())
}

/// Where a link is dropped, and how often the mail comes to its end.
fn points() -> Vec<(Step, usize)> {
    vec![
        (Step::Connected, 1),
        (command("EHLO"), 1),
        (answered("EHLO"), 1),
        (command("MAIL"), 1),
        (answered("MAIL"), 1),
        (command("RCPT"), 1),
        (answered("RCPT"), 1),
        (command("DATA"), 1),
        (answered("DATA"), 1),
        (Step::Body, 1),
        // The only window: nobody can know. RFC 5321 §6.1.
        (Step::End, 2),
        (Step::Taken, 1),
    ]
}

#[test]
fn wherever_the_link_is_dropped_the_mail_comes_and_twice_only_from_the_known_window_s_131() {
    for (point, copies) in points() {
        let dropped = point.clone();
        let sink = Sink::playing(
            move |number, step| {
                if number == 0 && *step == dropped { Act::Drop } else { Act::Usual }
            },
        );
        with_smart_host(&sink, |trial| {
            // No buffer between here and there takes it all.
            let is_long = [Step::Body, answered("DATA")].contains(&point);
            let message = if is_long { MESSAGE.repeat(500_000) } else { MESSAGE.to_vec() };
            file(trial, &message, vec![outbound("smarthost", "bob@example.com")]);
            if point != Step::Taken {
                trial.until(&format!("{point:?}: the try has failed"), || {
                    queue(trial).first().is_some_and(|row| row.last.is_some())
                });
                // The way rests a moment later: tried again before that, the mail would wait for the rest's end.
                let server = trial.server();
                trial.until(&format!("{point:?}: the way rests"), || {
                    !server.relay.status(&server.store).troubles.is_empty()
                });
                let rows = queue(trial);
                let is_unsure = point == Step::End;
                assert_eq!(rows[0].unsure_sends, u32::from(is_unsure), "{point:?}");
                assert_eq!(trial.server().relay.status(&trial.server().store).unsure, u64::from(is_unsure));
                retry(trial);
            }
            trial.until(&format!("{point:?}: it is sent"), || queue(trial).is_empty());
            assert!(sink.bodies() == vec![message; copies], "{point:?}");
            assert_eq!(trial.server().broken_off.load(Ordering::Relaxed), 0);
        });
    }
}
