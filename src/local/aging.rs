//! How long an account and its password are good. shadow(5), chage(1).

use super::Reason;
use crate::clock::{Clock, UnixTime};

/// A day since 1970-01-01, or none if nobody can tell: a board without a battery wakes up in 1970, and neither lets
/// everybody in then nor nobody, but goes by what needs no clock (S-212).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(Option<u64>);

/// The days in a line of shadow; none where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aging {
    /// When the password was changed last; 0 if it must be now.
    pub changed: Option<u32>,
    /// How many days it is good.
    pub longest: Option<u32>,
    /// How many more it is taken.
    pub grace: Option<u32>,
    /// When the account ends.
    pub expires: Option<u32>,
}

impl Day {
    /// Today, unless the clock is suspect or the one who asks doesn't trust it.
    pub fn today(clock: &Clock, is_trusted: bool) -> Day {
        let UnixTime(now) = clock.now();
        Day((is_trusted && !clock.is_suspect()).then_some(now / 86_400))
    }
}

impl Aging {
    /// Errs with why nobody may come in on that day (S-211). Who must change his password can't by mail, so that is a
    /// refusal; only the days that the administrator gives him for it let him in.
    pub fn check(&self, day: Day) -> Result<(), Reason> {
        let Day(today) = day;
        if self.changed == Some(0) {
            return Err(Reason::MustChange);
        }
        let Some(today) = today else { return Ok(()) };
        if self.expires.is_some_and(|end| today >= end.into()) {
            return Err(Reason::Expired);
        }
        if let (Some(changed), Some(longest)) = (self.changed, self.longest) {
            let last = u64::from(changed) + u64::from(longest) + u64::from(self.grace.unwrap_or(0));
            if today > last {
                return Err(Reason::Aged);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Aging = Aging { changed: Some(20_000), longest: None, grace: None, expires: None };

    fn on(day: u64, aging: Aging) -> Result<(), Reason> {
        aging.check(Day(Some(day)))
    }

    #[test]
    fn an_account_ends_on_its_day_s_211() {
        let aging = Aging { expires: Some(20_500), ..NEVER };
        assert_eq!(on(20_499, aging), Ok(()));
        assert_eq!(on(20_500, aging), Err(Reason::Expired));
        assert_eq!(on(20_501, aging), Err(Reason::Expired));
        assert_eq!(on(20_500, Aging { expires: Some(0), ..NEVER }), Err(Reason::Expired), "chage -E 0");
        assert_eq!(on(u64::MAX, NEVER), Ok(()));
    }

    #[test]
    fn a_password_is_good_for_its_days_and_those_of_grace_s_211() {
        let aging = Aging { longest: Some(90), ..NEVER };
        assert_eq!((on(20_089, aging), on(20_090, aging)), (Ok(()), Ok(())));
        assert_eq!(on(20_091, aging), Err(Reason::Aged));
        let aging = Aging { grace: Some(10), ..aging };
        assert_eq!((on(20_099, aging), on(20_100, aging)), (Ok(()), Ok(())));
        assert_eq!(on(20_101, aging), Err(Reason::Aged));
        let all = Some(u32::MAX - 1);
        assert_eq!(on(20_101, Aging { changed: all, longest: all, grace: all, expires: None }), Ok(()));
        assert_eq!(on(20_101, Aging { changed: None, ..aging }), Ok(()), "aging is off without a first day");
        assert_eq!(on(19_000, aging), Ok(()), "changed in the future");
    }

    #[test]
    fn a_password_that_must_be_changed_lets_nobody_in_s_211() {
        let aging = Aging { changed: Some(0), ..NEVER };
        assert_eq!(on(20_000, aging), Err(Reason::MustChange));
        assert_eq!(aging.check(Day(None)), Err(Reason::MustChange), "that needs no clock");
    }

    #[test]
    fn a_clock_that_is_suspect_judges_nobody_s_212() {
        let aging = Aging { changed: Some(1), longest: Some(1), grace: None, expires: Some(1) };
        let clock = |seconds| {
            let clock = Clock::fixed(UnixTime(seconds));
            clock.learn(UnixTime(1_800_000_000));
            clock
        };
        assert_eq!(aging.check(Day::today(&clock(0), true)), Ok(()), "1970");
        assert_eq!(aging.check(Day::today(&clock(1_799_999_999), true)), Ok(()));
        assert_eq!(aging.check(Day::today(&clock(1_800_000_000), true)), Err(Reason::Expired));
        assert_eq!(
            aging.check(Day::today(&clock(1_800_000_000), false)),
            Ok(()),
            "the server doesn't trust it"
        );
    }
}
