//! Tests of judging: every verdict with every wish, at every age, by clocks good and bad.

use super::*;
use crate::mail::{Lane, MailDsn, RcptDsn, RemoteAddress};
use crate::store::{Outbound, QueueId, QueueState};

const DAY: u64 = 86_400;
const RECEIVED: u64 = 1_795_295_700;

fn notify(success: bool, failure: bool, delay: bool) -> Option<Notify> {
    Some(Notify { success, failure, delay })
}

fn row(id: u64) -> Queued {
    Queued {
        id: QueueId(id),
        outbound: Outbound {
            lane: Lane::SmartHost,
            reverse_path: "alice@home.lan".into(),
            recipient: RemoteAddress::from_path("bob@far.example"),
            mail_dsn: MailDsn::default(),
            rcpt_dsn: RcptDsn::default(),
            is_utf8: false,
            needs_utf8: false,
            submitter: "alice@home.lan".into(),
            chooser: None,
            came_from: None,
            prefix: Vec::new(),
        },
        blob: 7,
        chunks: 1,
        octets: 100,
        is_8bit: false,
        received: UnixTime(RECEIVED),
        is_sure: true,
        // One try more, and age may end it.
        tries: limits::TRIES_BEFORE_GIVING_UP - 1,
        next: UnixTime(RECEIVED),
        state: QueueState::Waiting,
        is_delay_told: false,
        unsure_sends: 0,
        last: None,
    }
}

fn wishing(id: u64, notify: Option<Notify>) -> Queued {
    let mut row = row(id);
    row.outbound.rcpt_dsn.notify = notify;
    row
}

fn from_nobody(id: u64) -> Queued {
    let mut row = row(id);
    row.outbound.reverse_path = "".into();
    row
}

/// So many seconds after it was received, by a clock that may be believed.
fn after(seconds: u64) -> Terms {
    let now = UnixTime(RECEIVED + seconds);
    Terms { now, believed_now: Some(now), queue_days: 5, delay_note_hours: 4, jitter: 3 }
}

fn answer(verdict: Verdict) -> Answer {
    let reply = Reply { code: 450, enhanced: Some([4, 2, 1]), text: "said".into() };
    Answer { verdict, reply }
}

/// What becomes of one row: its fate by name, and what is told.
fn fate(row: Queued, verdict: Verdict, terms: &Terms) -> (Vec<&'static str>, Vec<About>) {
    names(judge(vec![row], vec![answer(verdict)], "mx.far.example", terms))
}

fn names(judgement: Judgement) -> (Vec<&'static str>, Vec<About>) {
    let name = |settlement: &Settlement| match &settlement.fate {
        Fate::Sent => "sent",
        Fate::Failed => "failed",
        Fate::Dead(_) => "dead",
        Fate::Later { is_unsure: false, .. } => "later",
        Fate::Later { is_unsure: true, .. } => "unsure",
        Fate::DelayTold => "told",
        Fate::Moved(_) => "moved",
        Fate::Home => "home",
    };
    let told = judgement.reports.iter().map(|told| told.about).collect();
    (judgement.settled.iter().map(name).collect(), told)
}

const TAKEN: Verdict = Verdict::Taken { relays_dsn: false };
const TAKEN_WITH_DSN: Verdict = Verdict::Taken { relays_dsn: true };
const SILENCE: &[About] = &[];
const FAILURE: &[About] = &[About::Failure];
const DELAY: &[About] = &[About::Delay];
const RELAYED: &[About] = &[About::Relayed];

#[test]
fn every_verdict_is_judged_by_what_the_sender_wants_to_know() {
    let never = notify(false, false, false);
    for (verdict, wish, young, old) in [
        (TAKEN, None, (&["sent"][..], SILENCE), (&["sent"][..], SILENCE)),
        (TAKEN, never, (&["sent"], SILENCE), (&["sent"], SILENCE)),
        (TAKEN, notify(false, true, true), (&["sent"], SILENCE), (&["sent"], SILENCE)),
        (TAKEN, notify(true, false, false), (&[], RELAYED), (&[], RELAYED)),
        (TAKEN_WITH_DSN, notify(true, true, true), (&["sent"], SILENCE), (&["sent"], SILENCE)),
        (Verdict::Never, None, (&[], FAILURE), (&[], FAILURE)),
        (Verdict::Never, never, (&["failed"], SILENCE), (&["failed"], SILENCE)),
        (Verdict::Never, notify(true, false, true), (&["failed"], SILENCE), (&["failed"], SILENCE)),
        (Verdict::Never, notify(false, true, false), (&[], FAILURE), (&[], FAILURE)),
        (Verdict::Later, None, (&["later"], SILENCE), (&[], FAILURE)),
        (Verdict::Later, never, (&["later"], SILENCE), (&["failed"], SILENCE)),
        (Verdict::Later, notify(true, true, true), (&["later"], SILENCE), (&[], FAILURE)),
        (Verdict::Unsure, None, (&["unsure"], SILENCE), (&[], FAILURE)),
        (Verdict::Unsure, never, (&["unsure"], SILENCE), (&["failed"], SILENCE)),
    ] {
        let what = format!("{verdict:?} {wish:?}");
        let (settled, told) = fate(wishing(1, wish), verdict, &after(60));
        assert_eq!((&settled[..], &told[..]), young, "young: {what}");
        let (settled, told) = fate(wishing(1, wish), verdict, &after(5 * DAY));
        assert_eq!((&settled[..], &told[..]), old, "old: {what}");
    }
}

#[test]
fn nobody_is_told_of_mail_from_nobody_s_126() {
    for wish in [None, notify(true, true, true), notify(false, false, false)] {
        let nobodys = || {
            let mut row = from_nobody(1);
            row.outbound.rcpt_dsn.notify = wish;
            row
        };
        assert_eq!(fate(nobodys(), TAKEN, &after(60)), (vec!["sent"], vec![]));
        assert_eq!(fate(nobodys(), Verdict::Never, &after(60)), (vec!["dead"], vec![]));
        assert_eq!(fate(nobodys(), Verdict::Later, &after(4 * 3600)), (vec!["later"], vec![]));
        assert_eq!(fate(nobodys(), Verdict::Later, &after(5 * DAY)), (vec!["dead"], vec![]));
        assert_eq!(fate(nobodys(), Verdict::Unsure, &after(5 * DAY)), (vec!["dead"], vec![]));
    }
    let judgement = judge_waiting(vec![from_nobody(1)], line("down"), &after(5 * DAY));
    assert_eq!(names(judgement), (vec!["dead"], vec![]));
}

#[test]
fn mail_is_given_up_at_its_age_and_not_a_second_earlier_s_129() {
    for days in [1, 5, 30] {
        for (seconds, is_given_up) in [
            (u64::from(days) * DAY - 1, false),
            (u64::from(days) * DAY, true),
            (u64::from(days) * DAY + 1, true),
        ] {
            let terms = Terms { queue_days: days, delay_note_hours: 0, ..after(seconds) };
            let wanted = if is_given_up { (vec![], vec![About::Failure]) } else { (vec!["later"], vec![]) };
            assert_eq!(fate(row(1), Verdict::Later, &terms), wanted, "{days} {seconds}");
            let waiting = names(judge_waiting(vec![row(1)], line("down"), &terms));
            assert_eq!(waiting.1, wanted.1, "{days} {seconds}");
            assert!(waiting.0.is_empty(), "{days} {seconds}");
        }
    }
    // More days than can be set are none more.
    let terms = Terms { queue_days: u32::MAX, ..after(30 * DAY) };
    assert_eq!(fate(row(1), Verdict::Later, &terms).1, FAILURE);
}

#[test]
fn nothing_is_given_up_or_noted_by_a_clock_that_may_be_wrong_g13() {
    let of_an_unsure_time = || Queued { is_sure: false, ..row(1) };
    let of_the_future = || Queued { received: UnixTime(RECEIVED + 60 * DAY), ..row(1) };
    let suspect = Terms { believed_now: None, ..after(50 * DAY) };
    let back_in_1970 = Terms { now: UnixTime(5), believed_now: Some(UnixTime(5)), ..after(0) };
    for (row, terms) in [
        (of_an_unsure_time(), after(50 * DAY)),
        (of_the_future(), after(50 * DAY)),
        (row(1), suspect),
        (row(1), back_in_1970),
        (of_the_future(), Terms { now: UnixTime(u64::MAX), ..after(50 * DAY) }),
    ] {
        let row = Queued { tries: 0, ..row };
        assert_eq!(fate(row.clone(), Verdict::Later, &terms), (vec!["later"], vec![]), "{row:?} {terms:?}");
        assert_eq!(judge_waiting(vec![row], line("down"), &terms), Judgement::default());
    }
    // A server's own no needs no clock.
    assert_eq!(fate(of_an_unsure_time(), Verdict::Never, &suspect).1, FAILURE);
}

/// A box without a clock of its own took mail for a dead server: the mail waited for ever, and nobody heard of it.
#[test]
fn whose_age_no_clock_tells_is_told_of_by_tries_and_never_given_up_s_129() {
    let no_clock = Terms { believed_now: None, ..after(0) };
    for (tries, hours, terms, notes) in [
        (8, 4, after(0), SILENCE),
        (9, 4, after(0), DELAY),
        (1000, 4, after(0), DELAY),
        (9, 4, no_clock, DELAY),
        (9, 5, no_clock, SILENCE),
        (1000, 0, after(0), SILENCE),
    ] {
        let waiting = || Queued { is_sure: false, tries, ..row(1) };
        let terms = Terms { delay_note_hours: hours, ..terms };
        let (settled, told) = fate(waiting(), Verdict::Later, &terms);
        assert_eq!((&settled[..], &told[..]), (&["later"][..], notes), "{tries} {hours}");
        let told_already = Queued { is_delay_told: true, ..waiting() };
        assert_eq!(fate(told_already, Verdict::Later, &terms).1, SILENCE, "once");
    }
}

#[test]
fn an_old_mail_that_was_hardly_tried_is_tried_some_more_g13() {
    let least = limits::TRIES_BEFORE_GIVING_UP;
    for (tries, is_given_up) in [(0, false), (least - 2, false), (least - 1, true), (u32::MAX, true)] {
        let tried = Queued { tries, is_delay_told: true, ..row(1) };
        let wanted = if is_given_up { (vec![], vec![About::Failure]) } else { (vec!["later"], vec![]) };
        assert_eq!(fate(tried, Verdict::Later, &after(3650 * DAY)), wanted, "{tries}");
    }
}

#[test]
fn a_delay_is_told_once_and_to_whom_it_matters() {
    for (seconds, hours, wish, is_told, notes) in [
        (4 * 3600 - 1, 4, None, false, SILENCE),
        (4 * 3600, 4, None, false, DELAY),
        (4 * 3600 + 1, 4, None, false, DELAY),
        (4 * 3600, 4, None, true, SILENCE),
        (4 * 3600, 5, None, false, SILENCE),
        (4 * DAY, 0, None, false, SILENCE),
        (4 * 3600, 4, notify(false, false, true), false, DELAY),
        (4 * 3600, 4, notify(true, true, false), false, SILENCE),
        (4 * 3600, 4, notify(false, false, false), false, SILENCE),
    ] {
        let waiting = || Queued { is_delay_told: is_told, ..wishing(1, wish) };
        let terms = Terms { delay_note_hours: hours, ..after(seconds) };
        let what = format!("{seconds} {hours} {wish:?} {is_told}");
        for verdict in [Verdict::Later, Verdict::Unsure] {
            let (settled, told) = fate(waiting(), verdict, &terms);
            assert_eq!((settled.len(), &told[..]), (1, notes), "{what}");
        }
        let (settled, told) = names(judge_waiting(vec![waiting()], line("down"), &terms));
        assert_eq!((settled.len(), &told[..]), (0, notes), "{what}");
    }
}

#[test]
fn who_waits_waits_for_the_next_pause() {
    for (tries, least, most) in [(0, 45, 75), (1, 90, 150), (7, 3000, 5000), (u32::MAX, 3000, 5000)] {
        let judged = judge(
            vec![Queued { tries, ..row(1) }],
            vec![answer(Verdict::Unsure)],
            "mx.far.example",
            &after(60),
        );
        let [Settlement { id: QueueId(1), fate: Fate::Later { next, is_try, is_unsure, last } }] =
            &judged.settled[..]
        else {
            panic!("{judged:?}")
        };
        assert!(*is_try && *is_unsure);
        assert!((least..=most).contains(&(next.0 - RECEIVED - 60)), "{tries}: {next:?}");
        let text = "450 4.2.1 said".into();
        let told = LastTry { at: UnixTime(RECEIVED + 60), host: "mx.far.example".into(), text };
        assert_eq!(last.as_ref(), Some(&told));
    }
    let at_the_end = Terms { now: UnixTime(u64::MAX), ..after(0) };
    assert_eq!(fate(row(1), Verdict::Later, &at_the_end).0, ["later"]);
}

#[test]
fn one_report_tells_of_all_that_failed_together_s_130() {
    let rows: Vec<Queued> = (0..100)
        .map(|id| {
            let wish = if id == 3 { notify(false, false, false) } else { None };
            Queued { tries: 0, ..wishing(id, wish) }
        })
        .collect();
    let verdicts = |id: usize| match id % 3 {
        0 => Verdict::Never,
        1 => TAKEN,
        _ => Verdict::Later,
    };
    let answers = (0..100).map(|id| answer(verdicts(id))).collect();
    let judged = judge(rows, answers, "mx.far.example", &after(60));
    assert_eq!(judged.reports.len(), 1);
    let told: Vec<u64> = judged.reports[0].of.iter().map(|(row, ..)| row.id.0).collect();
    assert_eq!(told, (0..100).filter(|id| id % 3 == 0 && *id != 3).collect::<Vec<u64>>());
    assert_eq!(judged.settled.len() + told.len(), 100, "each has one fate");
}

#[test]
fn mails_and_senders_have_reports_of_their_own() {
    let mut other_sender = row(2);
    other_sender.outbound.reverse_path = "carl@home.lan".into();
    let mut other_envelope = row(3);
    other_envelope.outbound.mail_dsn.envelope_id = Some("QQ".into());
    let other_mail = Queued { blob: 8, ..row(4) };
    let rows = vec![row(1), other_sender, other_envelope, other_mail, row(5)];
    let judged = judge_waiting(rows, line("down"), &after(5 * DAY));
    let told = |told: &Told| told.of.iter().map(|(row, ..)| row.id.0).collect::<Vec<_>>();
    assert_eq!(judged.reports.iter().map(told).collect::<Vec<_>>(), [vec![1, 5], vec![2], vec![3], vec![4]]);
}

#[test]
fn who_has_no_answer_stays_as_he_was() {
    let judged = judge(vec![row(1), row(2)], vec![answer(TAKEN)], "mx", &after(60));
    assert_eq!(judged.settled, [Settlement { id: QueueId(1), fate: Fate::Sent }]);
    assert_eq!(judge(vec![], vec![answer(TAKEN)], "mx", &after(60)), Judgement::default());
}

#[test]
fn what_servers_say_is_kept_harmless_and_short_s_132() {
    let kept = |code, text: &str, host: &str| {
        let reply = Reply { code, enhanced: None, text: text.into() };
        let last = last_try(&reply, host, UnixTime(1));
        (last.text.to_string(), last.host.to_string())
    };
    assert_eq!(kept(550, "a\r\nBcc: x\0\u{1b}[31m\u{202e}y", "h\r\nx").0, "550 a??Bcc: x??[31m?y");
    assert_eq!(kept(0, "no answer", "h\r\nx"), ("no answer".into(), "h??x".into()));
    let most = limits::KEPT_REPLY_OCTETS;
    for (letters, octets) in [(most - 5, most - 1), (most - 4, most), (most - 3, most), (10_240, most)] {
        assert_eq!(kept(550, &"x".repeat(letters), "").0.len(), octets, "{letters}");
    }
    let (text, _) = kept(0, &"日".repeat(400), "");
    assert_eq!(text, "日".repeat(most / 3), "no letter is cut");
    let told = judge_waiting(vec![row(1)], line("a\nb"), &after(5 * DAY));
    assert_eq!(&*told.reports[0].of[0].1.text, "a?b");
}

#[test]
fn what_can_not_be_reported_now_is_tried_again() {
    let put_off = put_off(&Queued { tries: 1, ..row(9) }, &line("no"), UnixTime(1000), 5);
    let Fate::Later { next, is_try: true, is_unsure: false, last: Some(last) } = put_off.fate else {
        panic!("{put_off:?}")
    };
    assert!(put_off.id == QueueId(9) && (1090..=1150).contains(&next.0) && last == line("no"));
}

fn line(text: &str) -> LastTry {
    LastTry { at: UnixTime(1), host: "".into(), text: text.into() }
}
