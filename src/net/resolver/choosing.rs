//! Which of a domain's mail exchangers are tried, in what order.

use std::collections::HashSet;

use super::{Unresolved, asking};
use crate::limits;
use crate::wire::dns::{Answer, Name, Record};

/// The mail exchangers of a domain, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchangers(Vec<(u16, String)>);

impl Exchangers {
    /// Takes what a name server says about a domain. Errs if it takes no mail, or names nobody who could.
    pub fn new(answer: Answer) -> Result<Exchangers, Unresolved> {
        if answer.records.is_empty() {
            // RFC 5321 §5.1: as if it named itself.
            return Ok(Exchangers(vec![(0, answer.name.as_str().into())]));
        }
        let mut hosts = Vec::new();
        let mut names_root = false;
        for record in answer.records {
            match record {
                Record::Exchanger { host, .. } if host.is_root() => names_root = true,
                Record::Exchanger { preference, host } if host.is_host() => hosts.push((preference, host)),
                _ => {}
            }
        }
        match (hosts.is_empty(), names_root) {
            (true, true) => Err(Unresolved::TakesNoMail),
            (true, false) => {
                Err(Unresolved::Failed(format!("the MX records of {} name no host", answer.name)))
            }
            // A root among others means nothing. RFC 7505 §3.
            (false, _) => Ok(Exchangers(sorted(hosts))),
        }
    }

    /// Those that are better than we, at most so many; those of equal preference in another order each time. RFC 5321
    /// §5.1.
    pub fn besides(mut self, is_us: impl Fn(&str) -> bool, most: usize) -> Vec<String> {
        let ours = self.0.iter().filter(|(_, host)| is_us(host)).map(|(preference, _)| *preference).min();
        self.0.retain(|(preference, _)| ours.is_none_or(|ours| *preference < ours));
        shuffle(&mut self.0);
        self.0.into_iter().take(most).map(|(_, host)| host).collect()
    }
}

/// Each host once, where it stands best; no more than are ever of use.
fn sorted(mut hosts: Vec<(u16, Name)>) -> Vec<(u16, String)> {
    hosts.sort_by_key(|(preference, _)| *preference);
    let mut seen = HashSet::new();
    hosts.retain(|(_, host)| seen.insert(host.clone()));
    let mut sorted: Vec<_> =
        hosts.into_iter().map(|(preference, host)| (preference, host.as_str().into())).collect();
    shuffle(&mut sorted);
    sorted.truncate(limits::KEPT_EXCHANGERS);
    sorted
}

/// Sorts by preference, and draws lots among equals.
fn shuffle(hosts: &mut [(u16, String)]) {
    hosts.sort_by_cached_key(|(preference, _)| (*preference, asking::random().map_or(0, u64::from_ne_bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dns::Outcome;

    /// So many of one domain, the best first, of whom the `ours`th is this server.
    fn others(count: u16, ours: u16) -> usize {
        let name = |text: &str| Name::new(text).unwrap();
        let record = |preference: u16| Record::Exchanger {
            preference,
            host: name(&format!("mx{preference}.example")),
        };
        let records = (1..=count).map(record).collect();
        let answer = Answer { outcome: Outcome::Answered, is_cut: false, name: name("a.example"), records };
        let us = format!("mx{ours}.example");
        Exchangers::new(answer).unwrap().besides(|host| host == us, usize::from(count)).len()
    }

    /// Who is not among those that are kept is not seen, and all of them are better than he.
    #[test]
    fn we_are_found_among_those_that_are_kept_s_137() {
        let kept = u16::try_from(limits::KEPT_EXCHANGERS).unwrap();
        for (count, ours, left) in [
            (kept - 1, kept - 1, kept - 2),
            (kept, kept, kept - 1),
            (kept + 1, kept, kept - 1),
            (kept + 1, kept + 1, kept),
            (1000, 0, kept),
        ] {
            assert_eq!(others(count, ours), usize::from(left), "{ours} of {count}");
        }
    }
}
