//! When poppet's own server certificate is made anew, and for which addresses (T1).

use std::net::IpAddr;

use super::{MadeFor, make};
use crate::clock::UnixTime;
use crate::limits;

/// How many of the machine's addresses a certificate has, the first ones, and loopback in any case.
pub(super) fn fitting(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (loopback, mut fitting): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(IpAddr::is_loopback);
    fitting.truncate(limits::CERTIFICATE_ADDRESSES.saturating_sub(loopback.len()));
    fitting.extend(loopback);
    fitting
}

/// The addresses that a new certificate is for: those of the machine, and those of the one before, as many as fit.
///
/// A laptop between two networks, or a board whose router forgets it, comes back to an address that it had: then
/// nothing needs to be made anew. Whoever has the old address now has not the key, so nobody can misuse it.
pub(super) fn with_former(fitting: &[IpAddr], former: Option<&MadeFor>) -> Vec<IpAddr> {
    let mut addresses = fitting.to_vec();
    let before = former.map_or(&[][..], |former| &former.subjects);
    let gone = before.iter().filter_map(|subject| subject.parse().ok());
    addresses.extend(gone.filter(|address: &IpAddr| !fitting.contains(address)));
    addresses.truncate(limits::CERTIFICATE_ADDRESSES.max(fitting.len()));
    addresses
}

/// Names and addresses as they are kept.
pub(super) fn subjects(names: &[String], addresses: &[IpAddr]) -> Vec<String> {
    names.iter().cloned().chain(addresses.iter().map(IpAddr::to_string)).collect()
}

/// Whether a certificate that was made for `made_for` is to be made anew because of the time.
///
/// One that ends later than any that is made today was made while the clock could not be right, for all times, which
/// Apple's clients refuse, or by a clock that was ahead (S-261, S-316); a clock that can be right replaces it at once. One
/// that ends soon is replaced only by a clock that is `believed`: after a leap of ten years each would (S-309).
pub(super) fn is_out_of_time(made_for: &MadeFor, now: UnixTime, believed: bool) -> bool {
    const DAY: u64 = 86_400;
    if !make::is_plausible(now) {
        return false;
    }
    let is_too_long = made_for.ends.0 > now.0 + limits::CERTIFICATE_DAYS * DAY;
    let ends_soon = made_for.ends.0 <= now.0 + limits::CERTIFICATE_RENEWAL_DAYS * DAY;
    is_too_long || (believed && ends_soon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: u8) -> Vec<IpAddr> {
        (0..count).map(|number| IpAddr::from([192, 168, 1, number])).collect()
    }

    const LOOPBACK: [IpAddr; 2] =
        [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];

    /// A machine of many containers has more addresses than fit, and had a new certificate at each look.
    #[test]
    fn so_many_addresses_fit_and_loopback_in_any_case() {
        let most = u8::try_from(limits::CERTIFICATE_ADDRESSES).unwrap();
        for (count, fit) in
            [(most - 3, most - 3), (most - 2, most - 2), (most - 1, most - 2), (255, most - 2)]
        {
            let fitting = fitting(&[addresses(count), LOOPBACK.to_vec()].concat());
            assert_eq!(fitting, [addresses(fit), LOOPBACK.to_vec()].concat(), "{count}");
        }
    }

    #[test]
    fn addresses_of_before_are_kept_as_long_as_they_fit_and_names_are_not() {
        let most = u8::try_from(limits::CERTIFICATE_ADDRESSES).unwrap();
        let made_for = |all: &[IpAddr]| MadeFor {
            subjects: subjects(&["mail.home.lan".into()], all),
            ends: UnixTime(0),
        };
        let now = [IpAddr::from([10, 0, 0, 7])];
        let with = |former: &[IpAddr]| with_former(&now, Some(&made_for(former)));
        assert_eq!(with_former(&now, None), now);
        assert_eq!(with(&addresses(2)), [&now[..], &addresses(2)].concat());
        assert_eq!(with(&now), now, "each stands once");
        assert_eq!(with(&addresses(most)), [&now[..], &addresses(most - 1)].concat());
        assert_eq!(with_former(&addresses(200), Some(&made_for(&now))), addresses(200));
    }

    #[test]
    fn time_renews_by_a_clock_that_is_believed_and_a_leap_does_not_s_261_s_309_s_316() {
        const NOW: UnixTime = UnixTime(1_800_000_000);
        let days = |days: u64| NOW.0 + days * 86_400;
        let (renewal, whole) = (limits::CERTIFICATE_RENEWAL_DAYS, limits::CERTIFICATE_DAYS);
        for (ends, now, believed, wanted) in [
            (days(renewal) + 1, NOW, true, false),
            (days(renewal), NOW, true, true),
            (days(renewal), NOW, false, false),
            (0, NOW, true, true),
            (0, NOW, false, false),
            (days(whole), NOW, true, false),
            (days(whole) + 1, NOW, true, true),
            (days(whole) + 1, NOW, false, true),
            (make::server_validity(UnixTime(60)).1.0, NOW, false, true),
            (make::server_validity(UnixTime(60)).1.0, UnixTime(60), true, false),
            (0, UnixTime(60), true, false),
            (0, UnixTime(u64::MAX), true, false),
        ] {
            let made_for = MadeFor { subjects: Vec::new(), ends: UnixTime(ends) };
            assert_eq!(is_out_of_time(&made_for, now, believed), wanted, "{ends} {now:?} {believed}");
        }
    }
}
