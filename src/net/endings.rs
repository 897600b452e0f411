//! Tells the log when certificates end: 30, 14, 7 and 1 days before, and each day after that (S-259).

use std::collections::HashMap;
use std::time::Instant;

use crate::admin::{CertificateKind, CertificateRow, Fingerprint};
use crate::cert::Standing;
use crate::clock::UnixTime;
use crate::limits;

/// What has been told since the start; a certificate that is no more is forgotten.
#[derive(Debug, Default)]
pub struct Endings {
    told: HashMap<Fingerprint, (Standing, Instant)>,
}

impl Endings {
    /// The lines that are due for those of these certificates that this server shows, or by which its own is signed. `wall`
    /// is none where the clock is suspect: then nothing ends.
    pub fn due(
        &mut self,
        rows: &[CertificateRow],
        wall: Option<UnixTime>,
        monotonic: Instant,
    ) -> Vec<String> {
        let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, row.ends?))).collect();
        self.told.retain(|print, _| rows.iter().any(|(row, _)| row.fingerprint == *print));
        let mut lines = Vec::new();
        for (row, ends) in rows {
            let standing = Standing::of(ends, wall);
            let Some(line) = line(row, ends, standing) else { continue };
            let is_told = self.told.get(&row.fingerprint).is_some_and(|(told, at)| match standing {
                Standing::Ended => {
                    *told == standing && monotonic.saturating_duration_since(*at) < limits::ENDED_CERTIFICATE
                }
                _ => *told == standing,
            });
            if !is_told {
                self.told.insert(row.fingerprint, (standing, monotonic));
                lines.push(line);
            }
        }
        lines
    }
}

/// None for what is no matter of this server's, or has time.
fn line(row: &CertificateRow, ends: UnixTime, standing: Standing) -> Option<String> {
    let what = match row.kind {
        CertificateKind::Server => "poppet's own certificate".to_owned(),
        CertificateKind::Authority => "poppet's own authority".to_owned(),
        CertificateKind::Installed => {
            format!("the certificate {}", crate::mail::printable(row.name.as_bytes()))
        }
        _ => return None,
    };
    let remedy = row.remedy();
    let moment = ends.rfc3339();
    match standing {
        Standing::Good => None,
        Standing::Ending(1) => Some(format!("{what} ends within a day, on {moment}: {remedy}")),
        Standing::Ending(days) => Some(format!("{what} ends within {days} days, on {moment}: {remedy}")),
        Standing::Ended => Some(format!("{what} ended on {moment}, and clients refuse it: {remedy}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 86_400;
    const ENDS: u64 = 1_800_000_000;

    fn row(kind: CertificateKind, print: u8) -> CertificateRow {
        let row = CertificateRow::new(kind, "company".into(), Fingerprint([print; 32]));
        CertificateRow { ends: Some(UnixTime(ENDS)), ..row }
    }

    #[test]
    fn each_warning_comes_once_and_after_the_end_one_a_day_s_259() {
        let (mut endings, begun) = (Endings::default(), Instant::now());
        let rows = [row(CertificateKind::Installed, 1)];
        let mut told = Vec::new();
        // Each hour, from 40 days before to 3 days after.
        for hour in 0..43 * 24 {
            let wall = UnixTime(ENDS - 40 * DAY + hour * 3600 + 1);
            let lines = endings.due(&rows, Some(wall), begun + Duration::from_secs(hour * 3600));
            told.extend(lines.into_iter().map(|line| (hour / 24, line)));
        }
        let days: Vec<u64> = told.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [10, 26, 33, 39, 40, 41, 42], "{told:?}");
        assert!(
            told[0].1.starts_with("the certificate company ends within 30 days, on 2027-01-15 "),
            "{told:?}"
        );
        assert!(told[3].1.contains("ends within a day"), "{told:?}");
        assert!(told.iter().skip(4).all(|(_, line)| line.contains("ended on")), "{told:?}");
    }

    #[test]
    fn a_start_tells_of_the_nearest_alone_and_a_successor_begins_anew_s_259() {
        let (mut endings, now) = (Endings::default(), Instant::now());
        let mut due = |rows: &[CertificateRow], left| endings.due(rows, Some(UnixTime(ENDS - left)), now);
        let old = [row(CertificateKind::Installed, 1)];
        assert_eq!(due(&old, 5 * DAY).len(), 1);
        assert_eq!(due(&old, 5 * DAY).len(), 0);
        let new = [row(CertificateKind::Installed, 2)];
        assert_eq!(due(&new, 5 * DAY).len(), 1);
        assert_eq!(due(&old, 5 * DAY).len(), 1, "what was no more is told of again");
    }

    #[test]
    fn a_suspect_clock_and_certificates_of_users_are_no_matter_for_the_log_s_316() {
        let (mut endings, now) = (Endings::default(), Instant::now());
        let mut due = |kind, wall| endings.due(&[row(kind, 1)], wall, now).len();
        assert_eq!(due(CertificateKind::Server, None), 0);
        for kind in [CertificateKind::Allowed, CertificateKind::ClientAuthority, CertificateKind::Request] {
            assert_eq!(due(kind, Some(UnixTime(ENDS + 1))), 0, "{kind:?}");
        }
        for kind in [CertificateKind::Server, CertificateKind::Authority, CertificateKind::Installed] {
            let lines = Endings::default().due(&[row(kind, 1)], Some(UnixTime(ENDS + 1)), now);
            assert!(lines.len() == 1 && lines[0].contains("\"poppet "), "{lines:?}");
        }
    }
}
