//! What an administrator does, what he sees, and what the hour's chores do.

use super::super::hourly::run_chores;
use super::*;

const DAY: u64 = 86_400;

fn page(store: &Store, which: Which, after: Option<u64>, most: usize) -> Vec<u64> {
    ids(&store.queue_page(which, after.map(QueueId), most).wait().unwrap())
}

fn act(store: &Store, which: Which, act: QueueAct) -> u64 {
    store.queue_act(which, act).wait().unwrap()
}

fn one(id: u64) -> Which {
    Which::One(QueueId(id))
}

fn having(text: &str) -> Which {
    Which::Having(text.into())
}

/// Four on three ways: 1 and 4 by the smart host.
fn four() -> (Folder, Store) {
    let folder = Folder::new();
    let store = folder.create();
    for (way, from, to) in [
        ("smarthost", "alice@home.lan", "bob@example.com"),
        ("route:*", "alice@home.lan", "Carol@Example.net"),
        ("mx:example.org", "", "dave@example.org"),
        ("smarthost", "\u{c4}nne@home.lan", "eve@example.com"),
    ] {
        let outbound = Outbound { lane: lane(way), reverse_path: from.into(), ..outbound(to) };
        file(&store, b"x", vec![outbound]).unwrap();
    }
    (folder, store)
}

#[test]
fn a_page_shows_those_that_are_meant_numbers_rising() {
    let (_folder, store) = four();
    let cases = [
        (Which::All, vec![1, 2, 3, 4]),
        (one(3), vec![3]),
        (one(9), vec![]),
        (one(u64::MAX), vec![]),
        (Which::Lane(lane("smarthost")), vec![1, 4]),
        (Which::Lane(lane("nowhere")), vec![]),
        (having("EXAMPLE.com"), vec![1, 4]),
        (having("carol@example.NET"), vec![2]),
        (having("alice@"), vec![1, 2]),
        (having("\u{e4}NNE"), vec![4]),
        (having("nobody"), vec![]),
        (having(""), vec![1, 2, 3, 4]),
    ];
    for (which, wanted) in cases {
        assert_eq!(page(&store, which.clone(), None, 10), wanted, "{which:?}");
        assert_eq!(page(&store, which.clone(), None, 1), wanted[..wanted.len().min(1)], "{which:?}");
        let behind: Vec<u64> = wanted.iter().copied().filter(|&id| id > 2).collect();
        assert_eq!(page(&store, which.clone(), Some(2), 10), behind, "{which:?}");
        assert!(page(&store, which.clone(), Some(u64::MAX), 10).is_empty());
        assert!(page(&store, which, None, 0).is_empty());
    }
}

#[test]
fn a_page_behind_many_rows_of_others_is_found_in_steps() {
    let folder = Folder::new();
    let store = folder.create();
    let count = limits::SWEPT_ROWS * 2 + 1;
    let to = |number: usize| outbound(&format!("a{number}@example.com"));
    for from in (0..count).step_by(1000) {
        file(&store, b"x", (from..count.min(from + 1000)).map(to).collect()).unwrap();
    }
    let last = format!("a{}@", count - 1);
    assert_eq!(page(&store, having(&last), None, 10), [count as u64]);
    assert_eq!(page(&store, Which::All, None, usize::MAX).len(), count);
    let older = |than, from, most| {
        ids(&store.queue_older(lane("smarthost"), UnixTime(than), QueueId(from), most).wait().unwrap())
    };
    assert_eq!(older(NOW + 1, 0, usize::MAX).len(), count);
    assert_eq!(older(NOW + 1, count as u64, 9), [count as u64]);
    assert_eq!(older(NOW + 1, 7, 2), [7, 8]);
    assert!(older(NOW, 0, usize::MAX).is_empty());
    assert_eq!(act(&store, having(&last), QueueAct::Hold), 1);
    assert_eq!(older(NOW + 1, 0, usize::MAX).len(), count - 1, "who is held is not told of");
}

#[test]
fn acts_change_whom_they_can_and_count_them() {
    let (_folder, store) = four();
    settle(&store, 1, later(NOW + 60));
    settle(&store, 3, Fate::Dead(last(NOW, "550 no")));
    assert_eq!(act(&store, having("eve"), QueueAct::Hold), 1);
    assert_eq!(counts(&store), (2, 1, 1));
    assert!(next(&store).is_empty());
    assert_eq!(act(&store, Which::All, QueueAct::Retry), 3, "who is held waits for his release");
    assert_eq!((counts(&store), ids(&next(&store))), ((3, 1, 0), vec![1]));
    assert_eq!(act(&store, Which::All, QueueAct::Release), 1);
    assert_eq!(act(&store, Which::All, QueueAct::Release), 0);
    assert_eq!(counts(&store), (4, 0, 0));
    assert_eq!(act(&store, Which::Lane(lane("smarthost")), QueueAct::Hold), 2);
    assert_eq!(act(&store, one(1), QueueAct::Hold), 0);
    assert_eq!(act(&store, one(1), QueueAct::Delete), 1);
    assert_eq!(act(&store, one(1), QueueAct::Delete), 0);
    assert_eq!(act(&store, one(u64::MAX), QueueAct::Delete), 0, "that is no recipient");
    // One was under way meanwhile: he is held still, and settled as he is.
    settle(&store, 4, later(NOW + 60));
    assert_eq!(store.queue_page(one(4), None, 1).wait().unwrap()[0].state, QueueState::Held);
    settle(&store, 4, Fate::Sent);
    assert_eq!(act(&store, Which::All, QueueAct::Delete), 2);
    assert_eq!(counts(&store), (0, 0, 0));
    assert!(store.queue_lanes().wait().unwrap().is_empty());
    free_all(&store);
    assert_eq!(left_of_bodies(&store), 0);
}

#[test]
fn the_dead_go_when_their_days_are_over_s_126() {
    let (folder, store) = four();
    for id in 1..=3 {
        settle(&store, id, Fate::Dead(last(NOW, "550 no")));
    }
    act(&store, one(2), QueueAct::Retry);
    let store = folder.reopen(&store, NOW + 7 * DAY - 1);
    run_chores(&store);
    assert_eq!(counts(&store), (2, 0, 2));
    let store = folder.reopen(&store, NOW + 7 * DAY);
    run_chores(&store);
    assert_eq!((counts(&store), ids(&all(&store))), ((2, 0, 0), vec![2, 4]));
}

#[test]
fn a_clock_that_leaps_ten_years_buries_nobody_and_gives_nobody_up_s_309() {
    let (folder, store) = four();
    settle(&store, 3, Fate::Dead(last(NOW, "550 no")));
    assert_eq!(store.believed_now(), Some(UnixTime(NOW)));
    for (now, is_believed) in [(NOW + 3650 * DAY, false), (0, false), (NOW - 3600, false), (NOW + 1, true)] {
        store.close();
        let store = folder.open_at(Clock::fixed(UnixTime(now))).unwrap();
        assert_eq!(store.believed_now().is_some(), is_believed, "{now}");
        run_chores(&store);
        assert_eq!(counts(&store), (3, 0, 1));
        store.close();
    }
}

#[test]
fn what_comes_to_leave_while_a_clock_is_ahead_makes_no_right_clock_suspect_s_309() {
    let (folder, store) = four();
    let store = folder.reopen(&store, NOW + 3650 * DAY);
    file(&store, b"ahead", vec![outbound("dora@b.example")]).unwrap();
    let store = folder.reopen(&store, NOW + 1);
    assert!(!store.has_suspect_clock());
    file(&store, b"now", vec![outbound("dora@b.example")]).unwrap();
    let store = folder.reopen(&store, NOW);
    assert!(store.has_suspect_clock(), "what is believed is remembered");
}

#[test]
fn who_died_while_the_clock_was_wrong_died_when_it_is_right_s_308() {
    let (folder, store) = four();
    let store = folder.reopen(&store, 1000);
    settle(&store, 3, Fate::Dead(last(1000, "550 no")));
    let store = folder.reopen(&store, NOW + DAY);
    run_chores(&store);
    let store = folder.reopen(&store, NOW + 8 * DAY - 1);
    run_chores(&store);
    assert_eq!(counts(&store).2, 1);
    let store = folder.reopen(&store, NOW + 8 * DAY);
    run_chores(&store);
    assert_eq!(counts(&store).2, 0);
}

#[test]
fn settlements_together_are_one_commit_and_a_thousand_are_four() {
    let folder = Folder::new();
    let store = folder.create();
    let to = |number: usize| outbound(&format!("a{number}@example.com"));
    for (count, commits) in [(1, 1), (limits::QUEUE_STEP, 1), (limits::QUEUE_STEP + 1, 2), (1000, 4)] {
        file(&store, b"x", (0..count).map(to).collect()).unwrap();
        let sent = |queued: Queued| Settlement { id: queued.id, fate: Fate::Sent };
        let settled = all(&store).into_iter().map(sent).collect();
        let before = store.wear().commits;
        store.queue_settle(settled).wait().unwrap();
        assert_eq!(store.wear().commits - before, commits, "{count}");
        assert_eq!(counts(&store), (0, 0, 0));
    }
    let before = store.wear().commits;
    store.queue_settle(Vec::new()).wait().unwrap();
    assert_eq!(store.wear().commits, before);
}

/// One mail in and out costs two commits, and so many at once share them.
#[test]
fn mail_that_comes_and_goes_together_shares_its_syncs() {
    let folder = Folder::new();
    let store = folder.create();
    let filing = || Filing { outbound: vec![outbound("bob@example.com")], ..Filing::default() };
    let run = |count: usize| {
        let before = store.wear();
        let asks: Vec<_> = (0..count).map(|_| upload(&store, &body(5000)).file(filing())).collect();
        asks.into_iter().for_each(|ask| assert_eq!(ask.wait(), Ok(leaving(1))));
        let sent = |queued: Queued| vec![Settlement { id: queued.id, fate: Fate::Sent }];
        let asks: Vec<_> = all(&store).into_iter().map(|queued| store.queue_settle(sent(queued))).collect();
        asks.into_iter().for_each(|ask| assert_eq!(ask.wait(), Ok(())));
        let after = store.wear();
        (after.commits - before.commits, after.syncs - before.syncs)
    };
    // The file grows by doubling, and each growth is synced: let it grow before the count.
    run(64);
    let (commits, syncs) = run(1);
    assert_eq!((commits, syncs), (2, 2));
    let (commits, _) = run(64);
    assert!(commits < 64, "{commits} commits for 64 mails in and out");
}
