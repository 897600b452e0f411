//! How far a certificate is from its end, and when that is to be told (S-259).

use crate::clock::UnixTime;
use crate::limits;

/// How a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has more time than the first warning leaves, or nobody can say because the clock is suspect.
    Good,
    /// It ends within so many days, one of [`limits::CERTIFICATE_WARNING_DAYS`].
    Ending(u64),
    /// Its end has passed.
    Ended,
}

impl Standing {
    /// How a certificate with that end is; `now` is none where the clock is suspect.
    pub fn of(ends: UnixTime, now: Option<UnixTime>) -> Standing {
        let Some(now) = now else { return Standing::Good };
        if now > ends {
            return Standing::Ended;
        }
        let left = ends.0 - now.0;
        let reached = limits::CERTIFICATE_WARNING_DAYS.iter().filter(|days| left <= **days * 86_400);
        reached.min().map_or(Standing::Good, |days| Standing::Ending(*days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_begins_at_its_day_s_259() {
        const DAY: u64 = 86_400;
        const NOW: u64 = 1_800_000_000;
        let of =
            |left: i64| Standing::of(UnixTime(NOW.checked_add_signed(left).unwrap()), Some(UnixTime(NOW)));
        for (days, before) in [
            (30, Standing::Good),
            (14, Standing::Ending(30)),
            (7, Standing::Ending(14)),
            (1, Standing::Ending(7)),
        ] {
            let left = i64::try_from(days * DAY).unwrap();
            assert_eq!(
                [left + 1, left, left - 1].map(of),
                [before, Standing::Ending(days), Standing::Ending(days)],
                "{days}"
            );
        }
        assert_eq!([1, 0, -1].map(of), [Standing::Ending(1), Standing::Ending(1), Standing::Ended]);
        assert_eq!(Standing::of(UnixTime(0), None), Standing::Good, "a suspect clock ends nothing");
    }
}
