//! Tests of ways: who gets places, how long one rests, and what ends that.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn direct(number: usize) -> Lane {
    Lane::Direct(format!("d{number}.example").into())
}

/// Rows of ways on each of which ten wait and are due.
fn due(lanes: &[Lane]) -> Vec<LaneRow> {
    let row = |lane: &Lane| LaneRow { lane: lane.clone(), waiting: 10, next: Some(UnixTime(1000)) };
    lanes.iter().map(row).collect()
}

fn moment(begun: Instant, after: Duration) -> Moment {
    Moment { monotonic: begun + after, wall: UnixTime(1000 + after.as_secs()) }
}

fn now() -> Moment {
    moment(Instant::now(), Duration::ZERO)
}

/// A domain could be added for each mail of a flood, and each would have had a connection.
#[test]
fn all_ways_together_have_so_many_connections_and_take_turns() {
    let most = limits::OUTGOING_CONNECTIONS;
    for count in [most - 1, most, most + 1, 3 * most] {
        let ways: Vec<Lane> = (0..count).map(direct).collect();
        let (mut lanes, now) = (Lanes::default(), now());
        assert_eq!(lanes.plan(&due(&ways), now, 2).open, ways[..count.min(most)], "{count}");
        assert_eq!(lanes.plan(&due(&ways), now, 2).open, [], "{count}");
        lanes.closed(&ways[0]);
        let next = if count > most { &ways[most] } else { &ways[0] };
        assert_eq!(lanes.plan(&due(&ways), now, 2).open, std::slice::from_ref(next), "{count}");
    }
}

#[test]
fn a_way_has_one_connection_until_it_is_proven_and_then_as_many_as_are_set_s_135() {
    let (mut lanes, now) = (Lanes::default(), now());
    let opened = |lanes: &mut Lanes| lanes.plan(&due(&[Lane::SmartHost]), now, 3).open.len();
    assert_eq!([opened(&mut lanes), opened(&mut lanes)], [1, 0]);
    lanes.proven(&Lane::SmartHost);
    assert_eq!([opened(&mut lanes), opened(&mut lanes), opened(&mut lanes)], [1, 1, 0]);
    lanes.failed(&Lane::SmartHost, TroubleKind::Later, "x", now, 0);
    lanes.closed(&Lane::SmartHost);
    assert_eq!(opened(&mut lanes), 0);
}

fn finds_nothing(lanes: &mut Lanes, lane: &Lane, now: Instant) -> bool {
    let wettings = lanes.taken(lane).wettings;
    lanes.dry(lane, wettings, now)
}

/// A mail that came, or was given back, while a connection looked in vain was taken for one that is not there: it waited
/// for a minute where nothing else happened.
#[test]
fn what_came_while_somebody_looked_in_vain_is_looked_for_again() {
    let begun = Instant::now();
    let rows = due(&[Lane::SmartHost]);
    type Coming = fn(&mut Lanes);
    let came: [(&str, Coming); 3] = [
        ("filed", |lanes| lanes.wet()),
        ("given back", |lanes| lanes.give_back(&Lane::SmartHost, &[QueueId(1)])),
        ("a change", |lanes| lanes.hurry(true, Instant::now())),
    ];
    for (what, come) in came {
        let mut lanes = Lanes::default();
        lanes.plan(&rows, moment(begun, Duration::ZERO), 1);
        let wettings = lanes.taken(&Lane::SmartHost).wettings;
        come(&mut lanes);
        assert!(!lanes.dry(&Lane::SmartHost, wettings, begun), "{what}");
        assert!(finds_nothing(&mut lanes, &Lane::SmartHost, begun), "{what}: unless nothing came");
        // It comes before the connection waits: nobody can nudge it yet.
        come(&mut lanes);
        assert_eq!(lanes.plan(&rows, moment(begun, Duration::ZERO), 1).open, [], "{what}: it has its place");
        assert!(lanes.idle(&Lane::SmartHost).is_none(), "{what}");
        assert!(finds_nothing(&mut lanes, &Lane::SmartHost, begun));
        let nudge = lanes.idle(&Lane::SmartHost).unwrap();
        come(&mut lanes);
        lanes.plan(&rows, moment(begun, Duration::ZERO), 1);
        assert_eq!(nudge.try_recv(), Ok(()), "{what}");
    }
}

/// While one mail was sent for minutes and another one waited for its time, connections were opened and closed without a
/// pause: nobody was found, and the end of a connection made the way look again.
#[test]
fn a_way_on_which_nobody_was_found_rests_though_a_connection_ends() {
    let begun = Instant::now();
    let rows = due(&[Lane::SmartHost]);
    let mut lanes = Lanes::default();
    let open = |lanes: &mut Lanes, after| lanes.plan(&rows, moment(begun, after), 2).open.len();
    lanes.proven(&Lane::SmartHost);
    assert_eq!(open(&mut lanes, Duration::ZERO), 1);
    assert!(finds_nothing(&mut lanes, &Lane::SmartHost, begun));
    lanes.closed(&Lane::SmartHost);
    assert_eq!(open(&mut lanes, Duration::ZERO), 0);
    lanes.wet();
    assert_eq!(open(&mut lanes, Duration::ZERO), 1);
    assert!(finds_nothing(&mut lanes, &Lane::SmartHost, begun));
    lanes.closed(&Lane::SmartHost);
    assert_eq!(
        [DRY_LOOK - SECOND, DRY_LOOK].map(|after| open(&mut lanes, after)),
        [0, 1],
        "it rests for a minute"
    );
}

#[test]
fn what_is_held_is_tried_again_after_hours_or_when_a_person_has_looked() {
    let begun = Instant::now();
    let rows = due(&[Lane::SmartHost]);
    let failed = || {
        let mut lanes = Lanes::default();
        let told = lanes.failed(&Lane::SmartHost, TroubleKind::Held, "x", moment(begun, Duration::ZERO), 0);
        assert_eq!(told, (limits::HELD_RETRY, true));
        lanes
    };
    let mut lanes = failed();
    let plan = lanes.plan(&rows, moment(begun, limits::HELD_RETRY - SECOND), 2);
    assert_eq!(plan, Plan { open: vec![], look_again: Some(SECOND) });
    lanes.hurry(false, begun);
    assert_eq!(lanes.plan(&rows, moment(begun, SECOND), 2).open, [], "the network says nothing of it");
    assert_eq!(lanes.plan(&rows, moment(begun, limits::HELD_RETRY), 2).open, [Lane::SmartHost]);
    let mut lanes = failed();
    lanes.hurry(true, begun);
    assert_eq!(lanes.plan(&rows, moment(begun, SECOND), 2).open, [Lane::SmartHost]);
    let again = lanes.failed(&Lane::SmartHost, TroubleKind::Held, "x", moment(begun, SECOND), 0);
    assert_eq!(again, (limits::HELD_RETRY, false), "it was told");
}

/// What waits on a way is given up only after the way itself has failed for hours, from whatever reasons.
#[test]
fn a_way_has_failed_after_hours_by_the_clock_that_cannot_leap_g13() {
    let begun = Instant::now();
    let mut lanes = Lanes::default();
    lanes.failed(&Lane::SmartHost, TroubleKind::Offline, "first", moment(begun, Duration::ZERO), 0);
    let leapt = Moment { monotonic: begun + SECOND, wall: UnixTime(1 << 40) };
    lanes.failed(&Lane::SmartHost, TroubleKind::Later, "then", leapt, 0);
    for (after, is_failing) in [
        (limits::WAY_FAILING - SECOND, false),
        (limits::WAY_FAILING, true),
        (limits::WAY_FAILING + SECOND, true),
    ] {
        let told = lanes.failing(begun + after);
        let wanted = is_failing.then(|| (Lane::SmartHost, "then".to_owned()));
        assert_eq!(told, Vec::from_iter(wanted), "{after:?}");
    }
    lanes.proven(&Lane::SmartHost);
    assert_eq!(lanes.failing(begun + 2 * limits::WAY_FAILING), []);
}

#[test]
fn without_name_service_all_that_go_by_names_rest_and_nobody_else_o8() {
    let begun = Instant::now();
    let mut lanes = Lanes::default();
    let (pause, _) = lanes.failed(&direct(0), TroubleKind::Nameless, "x", moment(begun, Duration::ZERO), 0);
    let rows = due(&[direct(0), direct(1), Lane::SmartHost]);
    assert_eq!(lanes.plan(&rows, moment(begun, Duration::ZERO), 2).open, [Lane::SmartHost]);
    assert_eq!(lanes.offline_since(), Some(UnixTime(1000)));
    let mut open = lanes.plan(&rows, moment(begun, pause + SECOND), 2).open;
    open.sort_unstable();
    assert_eq!(open, [direct(0), direct(1)]);
}

/// One domain whose only server could not be reached kept the mail for all others from leaving, for an hour and more.
#[test]
fn a_domain_without_a_way_keeps_no_other_one_back() {
    let begun = Instant::now();
    for kind in [TroubleKind::Later, TroubleKind::Offline] {
        let mut lanes = Lanes::default();
        lanes.failed(&direct(0), kind, "x", moment(begun, Duration::ZERO), 0);
        let open = lanes.plan(&due(&[direct(0), direct(1)]), moment(begun, Duration::ZERO), 2).open;
        assert_eq!(open, [direct(1)], "{kind:?}");
    }
}

/// Each address that came or went, as they do all day where there is IPv6, had a dead server tried again, and its pause
/// begin anew.
#[test]
fn the_network_hurries_only_what_waited_for_it_o8() {
    let begun = Instant::now();
    let now = moment(begun, Duration::ZERO);
    for (kind, is_hurried) in [
        (TroubleKind::Later, false),
        (TroubleKind::Held, false),
        (TroubleKind::Offline, true),
        (TroubleKind::Nameless, true),
    ] {
        let mut lanes = Lanes::default();
        let failed = |lanes: &mut Lanes| lanes.failed(&direct(0), kind, "x", now, 0).0;
        let earlier = (0..4).map(|_| failed(&mut lanes)).last().unwrap();
        lanes.hurry(false, begun);
        let open = lanes.plan(&due(&[direct(0)]), now, 2).open;
        assert_eq!(open.len(), usize::from(is_hurried), "{kind:?}");
        let next = failed(&mut lanes);
        assert_eq!(next < earlier, is_hurried, "{kind:?}");
        assert_eq!(next > earlier, kind == TroubleKind::Later, "{kind:?}: its pause goes on growing");
    }
}

/// A bug broke the sending to some recipients off, and an administrator deleted them: they counted as under way for ever,
/// and the way stood still until more mail waited on it than they had been.
#[test]
fn who_is_deleted_or_held_while_under_way_does_not_keep_others_waiting_s_131() {
    let begun = Instant::now();
    let lane = Lane::SmartHost;
    let gone: Vec<QueueId> = (1..=5).map(QueueId).collect();
    let rows = |waiting| [LaneRow { lane: lane.clone(), waiting, next: Some(UnixTime(1000)) }];
    let at = |seconds: u32| moment(begun, SECOND * seconds);
    for is_abandoned in [true, false] {
        let mut lanes = Lanes::default();
        lanes.take(&lane, &gone, None);
        if is_abandoned {
            lanes.abandon(&lane, &gone);
        }
        assert_eq!(
            lanes.plan(&rows(6), at(0), 2).open,
            std::slice::from_ref(&lane),
            "one more waits than they are"
        );
        lanes.closed(&lane);
        for waiting in [1, 5] {
            let mut lanes = Lanes::default();
            lanes.take(&lane, &gone, None);
            if is_abandoned {
                lanes.abandon(&lane, &gone);
            }
            let shut = |seconds| Plan { open: vec![], look_again: Some(seconds) };
            assert_eq!(lanes.plan(&rows(waiting), at(0), 2), shut(DRY_LOOK));
            assert_eq!(lanes.plan(&rows(waiting), at(59), 2), shut(SECOND));
            assert_eq!(lanes.plan(&rows(waiting), at(60), 2).open, std::slice::from_ref(&lane), "{waiting}");
            // He has found nothing, and nobody looks again before a minute is over.
            assert_eq!(lanes.taken(&lane).busy, gone, "whoever looks leaves them alone");
            assert!(finds_nothing(&mut lanes, &lane, at(60).monotonic));
            lanes.closed(&lane);
            assert_eq!(lanes.plan(&rows(waiting), at(60), 2), shut(DRY_LOOK));
            assert_eq!(lanes.plan(&rows(waiting), at(119), 2), shut(SECOND));
            assert_eq!(lanes.plan(&rows(waiting), at(120), 2).open, std::slice::from_ref(&lane), "{waiting}");
        }
    }
}

#[test]
fn those_over_whom_the_sending_stumbled_are_left_alone_until_nobody_waits_there_s_131() {
    let (mut lanes, now, lane) = (Lanes::default(), now(), Lane::SmartHost);
    lanes.take(&lane, &[QueueId(1)], None);
    lanes.abandon(&lane, &[QueueId(1)]);
    lanes.plan(&due(std::slice::from_ref(&lane)), now, 2);
    lanes.closed(&lane);
    assert!(lanes.under_way().contains(&QueueId(1)));
    lanes.plan(&[], now, 2);
    assert!(lanes.under_way().is_empty() && lanes.taken(&lane).busy.is_empty());
}
