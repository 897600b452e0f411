//! Devices that may send without a logon (M11): what a profile may grant, and to how wide a network.

use super::{AdminError, Answer, Context, Device, Failure, quoted};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::settings;
use crate::store::StoreError;

pub(super) async fn add(context: &Context, device: Device, is_forced: bool) -> Result<Answer, AdminError> {
    check(&device, is_forced)?;
    let known = context.store.devices();
    if let Some(taken) =
        known.iter().find(|other| other.name == device.name || other.network == device.network)
    {
        return Err(exists(&device, taken));
    }
    let device = Device { created: Clock::system(UnixTime(0)).now(), ..device };
    match context.store.add_device(device.clone()).await {
        Ok(()) => Ok(Answer::Done),
        // Another administrator was faster.
        Err(StoreError::Exists(_)) => Err(exists(&device, &device)),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn remove(context: &Context, name: &str) -> Result<Answer, AdminError> {
    match context.store.remove_device(name).await {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::NotFound(_)) => Err(unknown(context, name)),
        Err(error) => Err(error.into()),
    }
}

/// What a profile may grant. A public network is taken only by force: whoever sends from it is the device. That a wide
/// one is never taken the store sees to.
fn check(device: &Device, is_forced: bool) -> Result<(), AdminError> {
    let refused = |text: String| Err(AdminError::new(Failure::Refused, text));
    let (name, network) = (&device.name, device.network);
    if !network.is_local() && !is_forced {
        return refused(format!(
            "{network} is public: whoever sends from there, or behind the same router, would need no password; say it \
             with --force if it is yours alone"
        ));
    }
    // Its mail bears the address as if it had said it, and it says no SMTPUTF8. RFC 6531 §3.4.
    if let Some(sender) = &device.sender
        && !sender.as_str().is_ascii()
    {
        return Err(AdminError::usage(format!(
            "--from can't be {}: a device sends no international mail, so its address has only letters a-z",
            quoted(sender.as_str())
        )));
    }
    if device.mails_per_day.is_some_and(|mails| !(1..=limits::MOST_MAILS_PER_DAY).contains(&mails)) {
        return Err(AdminError::usage(format!(
            "--per-day is a number from 1 to {}; without it {name} may send as much as it likes",
            limits::MOST_MAILS_PER_DAY
        )));
    }
    Ok(())
}

fn exists(device: &Device, taken: &Device) -> AdminError {
    let text = match taken.name == device.name {
        true => format!(
            "the device {} is here already, at {}: \"poppet device del {}\" first, or choose another name",
            taken.name, taken.network, taken.name
        ),
        false => format!(
            "{} belongs to the device {}: \"poppet device del {}\" first, or give another address",
            taken.network, taken.name, taken.name
        ),
    };
    AdminError::new(Failure::Exists, text)
}

fn unknown(context: &Context, name: &str) -> AdminError {
    let devices = context.store.devices();
    let near = devices
        .iter()
        .map(|device| device.name.as_str())
        .find(|known| known.eq_ignore_ascii_case(name) || settings::is_near(known, name));
    let hint = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    let gap = if near.is_some() { ";" } else { ":" };
    let text =
        format!("there is no device {}{gap} {hint}\"poppet device\" shows those there are", quoted(name));
    AdminError::new(Failure::NotFound, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Reach;

    fn device(name: &str, network: &str) -> Device {
        Device {
            name: name.into(),
            network: network.parse().unwrap(),
            sender: None,
            reach: Reach::Local,
            mails_per_day: None,
            is_lenient: false,
            created: UnixTime(0),
        }
    }

    #[test]
    fn a_public_network_is_taken_by_force_m11() {
        for (network, is_taken) in [
            ("192.168.1.40", true),
            ("192.168.1.0/24", true),
            ("127.0.0.1", true),
            ("fd00::/64", true),
            ("::ffff:10.0.0.0/120", true),
            ("192.0.2.7", false),
            ("192.0.2.0/24", false),
            ("2001:db8::/64", false),
            ("0.0.0.0/0", false),
        ] {
            let device = device("scanner", network);
            let wanted = if is_taken { Ok(()) } else { Err(Failure::Refused) };
            assert_eq!(check(&device, false).map_err(|error| error.kind), wanted, "{network}");
            assert_eq!(check(&device, true), Ok(()), "{network}");
        }
    }

    #[test]
    fn a_sender_beyond_ascii_is_none_for_a_device() {
        // One was taken, and its mails bore it though nobody had said SMTPUTF8.
        for (sender, is_taken) in [("scanner@xn--hme-sna.lan", true), ("jörg@home.lan", false)] {
            let device = Device { sender: Some(sender.parse().unwrap()), ..device("scanner", "10.0.0.1") };
            let wanted = if is_taken { Ok(()) } else { Err(Failure::Usage) };
            assert_eq!(check(&device, true).map_err(|error| error.kind), wanted, "{sender}");
        }
    }

    #[test]
    fn mails_a_day_are_held_at_their_edges() {
        let most = limits::MOST_MAILS_PER_DAY;
        for (mails, is_taken) in [(0, false), (1, true), (most, true), (most + 1, false)] {
            let device = Device { mails_per_day: Some(mails), ..device("scanner", "10.0.0.1") };
            assert_eq!(check(&device, false).is_ok(), is_taken, "{mails}");
        }
    }

    #[test]
    fn a_device_may_send_through_a_smart_host_that_comes_later_m11() {
        let device = Device { reach: Reach::SmartHost, ..device("scanner", "10.0.0.1") };
        assert_eq!(check(&device, false), Ok(()));
        let public = Device { network: "192.0.2.7".parse().unwrap(), ..device };
        assert_eq!(check(&public, false).unwrap_err().kind, Failure::Refused);
    }
}
