//! The smart host: its password, a trial, and what a changed setting means for it (O2).

use super::{OutgoingTold, relay_changed};
use crate::admin::options::level;
use crate::admin::{AdminError, Consequence, Context, Failure, Origin, Target, check_password, no_server};
use crate::mail::{Address, Domain, HopTls, Lane, NextHop, Secret, Sending};
use crate::relay;
use crate::store::Level;

/// Keeps the password for a smart host, sealed, or forgets it.
pub(super) async fn set_password(
    context: &Context,
    lane: &Lane,
    password: Option<&Secret>,
) -> Result<OutgoingTold, AdminError> {
    let level = match lane {
        Lane::SmartHost => None,
        Lane::SmartHostOf(Sending::Domain(domain)) => {
            Some(level(context, &Target::Domain(domain.clone())).await?)
        }
        Lane::SmartHostOf(Sending::User(address)) => {
            Some(level(context, &Target::Mailbox(address.clone())).await?)
        }
        Lane::Route(_) | Lane::Direct(_) | Lane::Nowhere => {
            return Err(AdminError::usage("only a smart host has a password: routes have none"));
        }
    };
    let record = relay::password_record(lane);
    match password {
        Some(password) => {
            check_password(password)?;
            let sealed = context.gatekeeper.seal(&record, password.expose());
            context.store.put_record(&record, sealed).await?;
        }
        None if context.store.record(&record).await?.is_none() => {
            let text = format!("no password is kept for {lane}, so there is none to forget");
            return Err(AdminError::new(Failure::NotFound, text));
        }
        None => context.store.remove_record(&record).await?,
    }
    relay_changed(context);
    let kept = Kept::at(context, level.as_ref()).await?;
    Ok(OutgoingTold::Done(1, if password.is_some() { kept.lacking(level.as_ref()) } else { Vec::new() }))
}

/// Forgets the passwords of what is removed: a mailbox that gets the name later is another one (S-140).
pub(in crate::admin) async fn forget_password(
    context: &Context,
    domain: Option<&Domain>,
    mailboxes: impl IntoIterator<Item = Address>,
) -> Result<(), AdminError> {
    let users = mailboxes.into_iter().map(Sending::User);
    for sending in domain.cloned().map(Sending::Domain).into_iter().chain(users) {
        let record = relay::password_record(&Lane::SmartHostOf(sending));
        if context.store.record(&record).await?.is_some() {
            context.store.remove_record(&record).await?;
        }
    }
    Ok(())
}

/// Tries a way; only a running server does that here.
pub(super) fn try_way(context: &Context, lane: &Lane) -> Result<OutgoingTold, AdminError> {
    let live = context.live.as_ref().ok_or_else(no_server)?;
    Ok(OutgoingTold::Trial(live.try_way(lane)))
}

/// Has the server go by a setting about outgoing mail that has just been changed; says what the change means, if it is
/// something special.
pub(in crate::admin) async fn changed(
    context: &Context,
    level: Option<&Level>,
    key: &str,
) -> Result<Option<Consequence>, AdminError> {
    let is_of_smart_host = key.starts_with("smarthost");
    if !is_of_smart_host && !OTHERS.contains(&key) {
        return Ok(None);
    }
    relay_changed(context);
    if !is_of_smart_host {
        return Ok(None);
    }
    Ok(Kept::at(context, level).await?.consequence(key))
}

/// What a level has for a smart host of its own.
#[derive(Debug, Default)]
struct Kept {
    hosts: Vec<NextHop>,
    /// Whether anything about one is set there.
    is_any_set: bool,
    user: Option<String>,
    has_password: bool,
    /// None where the default counts.
    tls: Option<HopTls>,
}

impl Kept {
    /// User and password count only with the smart host of the same level, so that they go to no other one.
    async fn at(context: &Context, level: Option<&Level>) -> Result<Kept, AdminError> {
        let store = &context.store;
        let settings = level.map_or_else(|| store.settings(), |level| store.settings_of(level));
        let is_own = |key: &str| match (level, store.origin(level, key)) {
            (None, origin) => origin == Origin::Global,
            (Some(Level::Domain(_)), origin) => origin == Origin::Domain,
            (Some(Level::Mailbox(_)), origin) => origin == Origin::Mailbox,
        };
        let record = relay::password_record(&lane_of(level));
        let outgoing = &settings.outgoing;
        Ok(Kept {
            hosts: if is_own("smarthost") { outgoing.smarthosts.clone() } else { Vec::new() },
            is_any_set: OF_ITS_OWN.iter().any(|key| is_own(key)),
            user: outgoing.smarthost_user.clone().filter(|_| is_own("smarthost_user")),
            has_password: store.record(&record).await?.is_some(),
            tls: is_own("smarthost_tls").then_some(outgoing.smarthost_tls),
        })
    }

    fn consequence(&self, key: &str) -> Option<Consequence> {
        let has_hosts = !self.hosts.is_empty();
        let (has_user, has_password) = (self.user.is_some(), self.has_password);
        let is_missing = !has_hosts && self.is_any_set;
        let lacks_password = has_hosts && has_user && !has_password;
        let lacks_user = has_hosts && !has_user && has_password;
        let hands_on_password = key == "smarthost" && has_hosts && has_user && has_password;
        let guards_password = has_hosts && has_user && self.tls == Some(HopTls::Opportunistic);
        let is_any = is_missing || lacks_password || lacks_user || hands_on_password || guards_password;
        is_any.then_some(Consequence::SmartHost {
            is_missing,
            lacks_password,
            lacks_user,
            hands_on_password,
            guards_password,
        })
    }

    /// What a password still lacks to be of use, in lines for people.
    fn lacking(&self, level: Option<&Level>) -> Vec<String> {
        let option = match level {
            None => String::new(),
            Some(Level::Domain(domain)) => format!(" --for {domain}"),
            Some(Level::Mailbox(address)) => format!(" --for {address}"),
        };
        let host = format!(
            "There is no smart host to which it belongs yet: \"poppet set smarthost HOST{option}\" names it."
        );
        let user =
            format!("Nobody logs on with it until \"poppet set smarthost_user NAME{option}\" says as whom.");
        let host = self.hosts.is_empty().then_some(host);
        host.into_iter().chain(self.user.is_none().then_some(user)).collect()
    }
}

fn lane_of(level: Option<&Level>) -> Lane {
    match level {
        None => Lane::SmartHost,
        Some(Level::Domain(domain)) => Lane::SmartHostOf(Sending::Domain(domain.clone())),
        Some(Level::Mailbox(address)) => Lane::SmartHostOf(Sending::User(address.clone())),
    }
}

/// Settings that are of use only beside a smart host of the same level.
const OF_ITS_OWN: [&str; 4] = ["smarthost_user", "smarthost_pin", "smarthost_sender", "smarthost_tls"];
/// The other settings by which mail leaves.
const OTHERS: [&str; 6] =
    ["route_tls", "mx", "queue_days", "delay_note_hours", "hop_connections", "eight_bit"];

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(hosts: &str, user: Option<&str>, has_password: bool, tls: HopTls) -> Kept {
        Kept {
            hosts: hosts.split_whitespace().map(|host| host.parse().unwrap()).collect(),
            is_any_set: user.is_some(),
            user: user.map(String::from),
            has_password,
            tls: Some(tls),
        }
    }

    /// Which of them are true, in their order.
    fn marks(consequence: Option<Consequence>) -> String {
        let Some(Consequence::SmartHost {
            is_missing,
            lacks_password,
            lacks_user,
            hands_on_password,
            guards_password,
        }) = consequence
        else {
            return String::new();
        };
        let marks = [
            (is_missing, "missing "),
            (lacks_password, "password "),
            (lacks_user, "user "),
            (hands_on_password, "hands "),
            (guards_password, "guards "),
        ];
        marks.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect()
    }

    #[test]
    fn what_a_smart_host_lacks_is_told_o2() {
        use HopTls::{Implicit, Opportunistic, Required};
        for (hosts, user, has_password, tls, key, wanted) in [
            ("", None, false, Required, "smarthost", ""),
            ("", None, true, Required, "smarthost", ""),
            ("", Some("me"), false, Required, "smarthost_user", "missing "),
            ("a", None, false, Required, "smarthost", ""),
            ("a", None, false, Opportunistic, "smarthost_tls", ""),
            ("a", Some("me"), false, Required, "smarthost_user", "password "),
            ("a", Some("me"), true, Required, "smarthost_user", ""),
            ("a b", Some("me"), true, Implicit, "smarthost", "hands "),
            ("a", None, true, Required, "smarthost_user", "user "),
            ("a", Some("me"), true, Opportunistic, "smarthost_tls", "guards "),
            ("a", Some("me"), false, Opportunistic, "smarthost_tls", "password guards "),
        ] {
            let found = marks(kept(hosts, user, has_password, tls).consequence(key));
            assert_eq!(found, wanted, "{hosts:?} {user:?} {has_password} {tls} {key}");
        }
    }

    #[test]
    fn a_password_of_no_use_yet_says_what_it_waits_for() {
        let level = Level::Domain("home.lan".parse().unwrap());
        let told = kept("", None, true, HopTls::Required).lacking(Some(&level));
        assert!(told[0].contains("\"poppet set smarthost HOST --for home.lan\""), "{told:?}");
        assert!(told[1].contains("\"poppet set smarthost_user NAME --for home.lan\""), "{told:?}");
        assert_eq!(kept("a", Some("me"), true, HopTls::Required).lacking(None), Vec::<String>::new());
    }
}
