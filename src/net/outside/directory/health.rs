//! Which servers have failed lately, and are left out for a while (S-197).

use std::time::Instant;

use crate::limits;
use crate::settings::DirectoryServer;

/// The memory of servers' failures.
#[derive(Debug, Default)]
pub(super) struct Health {
    servers: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    server: DirectoryServer,
    failures: u32,
    left_out_until: Option<Instant>,
}

impl Health {
    /// Whether to try that server now. One that is left out is tried by one question each time its rest is over.
    pub fn admits(&mut self, server: &DirectoryServer, now: Instant) -> bool {
        let record = self.record(server);
        match record.left_out_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                record.left_out_until = Some(now + limits::DIRECTORY_REST);
                true
            }
        }
    }

    /// It has answered, whatever it said.
    pub fn note_answer(&mut self, server: &DirectoryServer) {
        let record = self.record(server);
        (record.failures, record.left_out_until) = (0, None);
    }

    /// It has not. Tells whether it is left out from now on, for the log.
    pub fn note_failure(&mut self, server: &DirectoryServer, now: Instant) -> bool {
        let record = self.record(server);
        record.failures = record.failures.saturating_add(1);
        if record.failures < limits::DIRECTORY_FAILURES {
            return false;
        }
        let is_news = record.left_out_until.is_none();
        record.left_out_until = Some(now + limits::DIRECTORY_REST);
        is_news
    }

    fn record(&mut self, server: &DirectoryServer) -> &mut Record {
        let at = self.servers.iter().position(|record| record.server == *server).unwrap_or_else(|| {
            // Servers that were set once and are no more make room.
            if self.servers.len() >= 2 * limits::DIRECTORY_SERVERS {
                self.servers.remove(0);
            }
            self.servers.push(Record { server: server.clone(), failures: 0, left_out_until: None });
            self.servers.len() - 1
        });
        &mut self.servers[at]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(port: u16) -> DirectoryServer {
        DirectoryServer { host: "dc1.home.lan".into(), port, is_implicit_tls: true }
    }

    #[test]
    fn a_server_rests_after_three_failures_and_is_tried_by_one_then_s_197() {
        let (mut health, begin, one, other) = (Health::default(), Instant::now(), server(636), server(637));
        for failure in 1..=limits::DIRECTORY_FAILURES {
            assert!(health.admits(&one, begin), "{failure}");
            assert_eq!(health.note_failure(&one, begin), failure == limits::DIRECTORY_FAILURES);
        }
        let over = begin + limits::DIRECTORY_REST;
        assert!(!health.admits(&one, begin));
        assert!(!health.admits(&one, over - Duration::from_millis(1)));
        assert!(health.admits(&other, begin), "others are not held to it");
        assert!(health.admits(&one, over), "the probe");
        assert!(!health.admits(&one, over), "one alone");
        assert!(!health.note_failure(&one, over), "that is no news");
        assert!(!health.admits(&one, over + limits::DIRECTORY_REST - Duration::from_millis(1)));
        assert!(health.admits(&one, over + limits::DIRECTORY_REST));
        health.note_answer(&one);
        assert!(health.admits(&one, over) && health.admits(&one, over));
    }

    #[test]
    fn an_answer_between_failures_forgets_them() {
        let (mut health, now, one) = (Health::default(), Instant::now(), server(636));
        for _ in 0..10 {
            for _ in 1..limits::DIRECTORY_FAILURES {
                assert!(!health.note_failure(&one, now));
            }
            health.note_answer(&one);
        }
        assert!(health.admits(&one, now));
    }

    #[test]
    fn a_probe_that_nobody_answers_for_is_not_the_last_one() {
        let (mut health, now, one) = (Health::default(), Instant::now(), server(636));
        for _ in 0..limits::DIRECTORY_FAILURES {
            health.note_failure(&one, now);
        }
        // Who probed was cut off before he could tell.
        assert!(health.admits(&one, now + limits::DIRECTORY_REST));
        assert!(health.admits(&one, now + 2 * limits::DIRECTORY_REST));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut health, now) = (Health::default(), Instant::now());
        for port in 1..1000 {
            health.note_failure(&server(port), now);
        }
        assert!(health.servers.len() <= 2 * limits::DIRECTORY_SERVERS);
    }
}
