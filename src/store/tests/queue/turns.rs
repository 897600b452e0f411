//! Who is next on a way.

use super::super::super::queue::looked_at;
use super::*;

fn next_after(store: &Store, last: Option<&str>, busy: &[u64]) -> Vec<u64> {
    let busy = busy.iter().copied().map(QueueId).collect();
    ids(&store.queue_next(lane("smarthost"), UnixTime(NOW), busy, last.map(Into::into), 100).wait().unwrap())
}

#[test]
fn the_recipients_of_one_mail_come_together_and_no_others() {
    let folder = Folder::new();
    let store = folder.create();
    let others = [
        outbound("a@example.com"),
        Outbound { lane: lane("route:b.example"), ..outbound("b@b.example") },
        outbound("c@example.com"),
        Outbound { reverse_path: "".into(), ..outbound("d@example.com") },
        Outbound { prefix: b"X: y\r\n".to_vec(), ..outbound("e@example.com") },
        Outbound { is_utf8: true, ..outbound("f@example.com") },
        Outbound {
            mail_dsn: MailDsn { ret: None, envelope_id: Some("x".into()) },
            ..outbound("g@example.com")
        },
        outbound("h@example.com"),
    ];
    file(&store, b"", others.to_vec()).unwrap();
    file(&store, b"", vec![outbound("a@example.com")]).unwrap();
    assert_eq!(ids(&next_at(&store, NOW, &[], 100)), [1, 3, 8]);
    for (recipients, found) in [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3)] {
        assert_eq!(next_at(&store, NOW, &[], recipients).len(), found, "{recipients}");
    }
    assert_eq!(ids(&next_at(&store, NOW, &[1], 100)), [3, 8]);
    assert_eq!(ids(&next_at(&store, NOW, &[1, 3, 8], 100)), [4]);
    // Who waits longer than the one behind him goes with him once he is due.
    settle(&store, 1, later(NOW + 20));
    settle(&store, 3, later(NOW + 10));
    settle(&store, 8, later(NOW + 30));
    assert_eq!(ids(&next_at(&store, NOW, &[], 100)), [4]);
    let busy = [4, 5, 6, 7, 9];
    assert_eq!(ids(&next_at(&store, NOW + 19, &busy, 100)), [3]);
    assert_eq!(ids(&next_at(&store, NOW + 20, &busy, 100)), [1, 3]);
    assert_eq!(ids(&next_at(&store, NOW + 30, &busy, 100)), [1, 3, 8]);
}

#[test]
fn submitters_take_turns_as_far_as_is_looked() {
    let folder = Folder::new();
    let store = folder.create();
    for number in 0..limits::QUEUE_LOOK - 1 {
        file(&store, b"x", vec![of("bulk", &format!("a{number}@example.com"))]).unwrap();
    }
    let look = limits::QUEUE_LOOK as u64;
    file(&store, b"x", vec![of("bob", "c@example.com")]).unwrap();
    file(&store, b"x", vec![of("carol", "c@example.com")]).unwrap();
    assert_eq!(next_after(&store, None, &[]), [1]);
    assert_eq!(next_after(&store, Some("alice"), &[]), [1]);
    assert_eq!(next_after(&store, Some("bulk"), &[]), [look]);
    // One further is not looked at, until one before it is under way.
    assert_eq!(next_after(&store, Some("bulk"), &[look]), [look + 1]);
    settle(&store, look, Fate::Sent);
    file(&store, b"x", vec![of("bulk", "z@example.com")]).unwrap();
    assert_eq!(next_after(&store, Some("bulk"), &[]), [look + 1]);
    settle(&store, look + 1, later(NOW + 1));
    assert_eq!(next_after(&store, Some("bulk"), &[]), [1], "nobody else is there");
    assert_eq!(next_after(&store, Some("bulk"), &[1]), [2]);
}

#[test]
fn the_row_behind_the_last_look_is_not_found_for_turns() {
    let folder = Folder::new();
    let store = folder.create();
    for number in 0..limits::QUEUE_LOOK {
        file(&store, b"x", vec![of("bulk", &format!("a{number}@example.com"))]).unwrap();
    }
    file(&store, b"x", vec![of("bob", "c@example.com")]).unwrap();
    assert_eq!(next_after(&store, Some("bulk"), &[]), [1]);
    assert_eq!(next_after(&store, Some("bulk"), &[7]), [limits::QUEUE_LOOK as u64 + 1]);
}

/// A board without a battery was in 2036 for a while: what was put off then would have waited ten years.
#[test]
fn a_time_that_a_wrong_clock_has_set_is_due_s_129_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let far = limits::QUEUE_FAR.as_secs();
    for (next, is_due) in [(NOW + far - 1, false), (NOW + far, true), (u64::MAX, true), (NOW + 1, false)] {
        file(&store, b"x", vec![outbound("bob@example.com"), outbound("carol@example.com")]).unwrap();
        let id = all(&store)[0].id.0;
        for id in [id, id + 1] {
            settle(&store, id, later(next));
        }
        assert_eq!(ids(&next_at(&store, NOW, &[], 100)), if is_due { vec![id, id + 1] } else { vec![] });
        let told = store.queue_lanes().wait().unwrap().remove(0).next;
        assert_eq!(told, Some(UnixTime(if is_due { NOW } else { next })));
        store.queue_act(Which::All, QueueAct::Delete).wait().unwrap();
    }
}

/// Fills a way with so many, a thousand at a time.
fn fill(store: &Store, way: &str, count: usize) {
    let to = |number: usize| Outbound { lane: lane(way), ..of("bulk", &format!("a{number}@dead.example")) };
    for from in (0..count).step_by(1000) {
        let outbound = (from..count.min(from + 1000)).map(to).collect();
        file(store, b"x", outbound).unwrap();
    }
}

#[test]
fn a_hundred_thousand_for_a_dead_host_cost_others_nothing() {
    let folder = Folder::new();
    let store = folder.create();
    fill(&store, "mx:dead.example", 100_000);
    file(&store, b"y", vec![outbound("bob@example.com")]).unwrap();
    assert_eq!(counts(&store), (100_001, 0, 0));
    let looked = |way: &str, busy: Vec<QueueId>, recipients| {
        looked_at(&store, lane(way), UnixTime(NOW), &busy, recipients)
    };
    let (found, rows) = looked("smarthost", Vec::new(), 100);
    assert_eq!(found, 1);
    assert!(rows <= 4, "{rows} rows for one");
    let (found, rows) = looked("mx:dead.example", Vec::new(), 100);
    assert_eq!(found, 100);
    assert!(rows <= limits::QUEUE_LOOK + 102, "{rows} rows for a hundred");
    let busy: Vec<QueueId> = (1..=2000).map(QueueId).collect();
    let (found, rows) = looked("mx:dead.example", busy, 100);
    assert_eq!(found, 100);
    assert!(rows <= 2000 + 2 * limits::QUEUE_LOOK + 102, "{rows} rows beside two thousand under way");
    // Pages too: what is read for one on another way is a handful, however much waits.
    let before = store.wear();
    for _ in 0..10 {
        assert_eq!(ids(&next(&store)), [100_001]);
        assert_eq!(store.queue_lanes().wait().unwrap().len(), 2);
    }
    let octets = store.wear().read_octets - before.read_octets;
    assert!(octets < 1 << 20, "{octets} octets read for ten times one recipient");
    settle(&store, 100_001, Fate::Sent);
    let older = store.queue_older(lane("mx:dead.example"), UnixTime(NOW + 1), QueueId(50_000), 3).wait();
    assert_eq!(ids(&older.unwrap()), [50_000, 50_001, 50_002]);
    // And all of it can go, in steps.
    let act = |which, act| store.queue_act(which, act).wait().unwrap();
    let commits = store.wear().commits;
    assert_eq!(act(Which::Having("A7777@".into()), QueueAct::Delete), 1);
    assert_eq!(act(Which::Lane(lane("mx:dead.example")), QueueAct::Delete), 99_999);
    assert!(store.wear().commits - commits >= (100_000 / limits::QUEUE_STEP) as u64);
    assert_eq!(counts(&store), (0, 0, 0));
    free_all(&store);
    assert_eq!(left_of_bodies(&store), 0);
}
