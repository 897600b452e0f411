//! Whose mail a forward-path's mail is, and whether it has room there. No name outside is ever looked up.

use crate::mail::{Address, Domain, Role};
use crate::settings::{FullMailbox, Settings};
use crate::smtp::{ForwardPath, Recipient};
use crate::store::{Destination, Resolved, Store, StoreError};

/// Finds out who a forward-path is, for a message of so many octets; 0 if they are not known. Every domain of ours has
/// a postmaster and somebody for complaints of abuse: a mailbox or alias of that name, else who the settings name, else
/// the oldest mailbox, each passed over while it is locked for all; a catch-all is for other names. RFC 5321 §4.5.1,
/// RFC 2142 §4.
pub async fn look_up(
    store: &Store,
    settings: &Settings,
    path: ForwardPath,
    octets: u64,
) -> Result<Recipient, StoreError> {
    let found = match path {
        ForwardPath::Address(address) => {
            let separator = store.settings().tag_separator.0;
            match Role::of(address.local_part(), separator) {
                Some(_) => role(store, settings, address).await?,
                None => store.resolve(address).await?,
            }
        }
        ForwardPath::Postmaster => administrator(store, settings).await?,
        ForwardPath::Role(name, domain) => match Address::new(name.as_str(), &domain) {
            Ok(address) => role(store, settings, address).await?,
            Err(_) => unknown_at(store, domain).await?,
        },
        ForwardPath::OtherLocalPart(domain) => unknown_at(store, domain).await?,
        ForwardPath::Foreign => Resolved::ForeignDomain,
    };
    Ok(match found {
        Resolved::Mailboxes(found) => judge(store, found, octets),
        // Not built yet.
        Resolved::Outside(..) => Recipient::UnknownUser,
        Resolved::UnknownUser => Recipient::UnknownUser,
        Resolved::ForeignDomain => Recipient::ForeignDomain,
    })
}

/// Whether mail for these, all of them full, shall not be tried again: none of their users is expected to make room.
pub fn is_final<'a>(store: &Store, mut addresses: impl Iterator<Item = &'a Address>) -> bool {
    addresses.all(|address| store.settings_for(address).full_mailbox == FullMailbox::Refuse)
}

/// Those that are locked for all get nothing; with one that has room, all others get it.
fn judge(store: &Store, mut found: Vec<Destination>, octets: u64) -> Recipient {
    found.retain(|it| it.is_open);
    if found.is_empty() {
        return Recipient::Locked;
    }
    let has_room = |it: &Destination| {
        let quota = store.settings_for(&it.address).quota;
        quota.allows(it.messages.saturating_add(1), it.octets.saturating_add(octets))
    };
    if !found.iter().any(has_room) {
        return Recipient::Full { is_final: is_final(store, found.iter().map(|it| &it.address)) };
    }
    Recipient::Mailboxes(found.into_iter().map(|it| (it.mailbox, it.address)).collect())
}

/// A name that every domain of ours has.
async fn role(store: &Store, settings: &Settings, address: Address) -> Result<Resolved, StoreError> {
    let named = store.resolve_named(address).await?;
    if takes_mail(&named) || named == Resolved::ForeignDomain {
        return Ok(named);
    }
    let next = administrator(store, settings).await?;
    let is_passed_over = named == Resolved::UnknownUser || takes_mail(&next);
    Ok(if is_passed_over { next } else { named })
}

/// Who the settings name, else the oldest mailbox; one that takes mail, if there is any.
async fn administrator(store: &Store, settings: &Settings) -> Result<Resolved, StoreError> {
    let named = match &settings.postmaster {
        Some(address) => store.resolve(address.clone()).await?,
        None => Resolved::UnknownUser,
    };
    if takes_mail(&named) {
        return Ok(named);
    }
    match store.oldest_mailbox().await? {
        Some((next, is_open)) if is_open || !matches!(named, Resolved::Mailboxes(_)) => {
            store.resolve(next).await
        }
        Some(_) => Ok(named),
        None => Ok(Resolved::UnknownUser),
    }
}

fn takes_mail(found: &Resolved) -> bool {
    matches!(found, Resolved::Mailboxes(found) if found.iter().any(|it| it.is_open))
}

async fn unknown_at(store: &Store, domain: Domain) -> Result<Resolved, StoreError> {
    let is_ours = store.has_domain(domain).await?;
    Ok(if is_ours { Resolved::UnknownUser } else { Resolved::ForeignDomain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;
    use crate::clock::{Clock, UnixTime};
    use crate::mail::{Alias, AliasTarget, MailboxMark};
    use crate::store::{Lock, Options};
    use crate::ticket::block_on;

    #[test]
    fn a_postmaster_who_is_locked_for_all_is_passed_over() {
        // An administrator left, was locked with --all, and nobody could tell the house any more that something is
        // wrong with its mail: postmaster and abuse were refused for good.
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        for (name, mark) in [("alice", 1), ("bob", 2), ("carl", 3)] {
            store.add_mailbox(named(name), MailboxMark([mark; 16]), vec![]).wait().unwrap();
        }
        store.set_setting("postmaster", Some("bob@home.lan")).wait().unwrap();
        let lock = |name, lock| store.lock_mailbox(named(name), lock).wait().unwrap();
        let all = |wanted: Option<&str>| {
            for path in [
                ForwardPath::Postmaster,
                ForwardPath::Address(named("postmaster")),
                ForwardPath::Address(named("abuse")),
            ] {
                let what = format!("{path:?}");
                assert_eq!(reached(&store, path).as_deref(), wanted, "{what}");
            }
        };
        all(Some("bob@home.lan"));
        lock("bob", Lock::Reading);
        all(Some("bob@home.lan"));
        lock("bob", Lock::All);
        all(Some("alice@home.lan"));
        lock("alice", Lock::All);
        all(Some("carl@home.lan"));
        lock("carl", Lock::All);
        all(None);
        lock("bob", Lock::Open);
        all(Some("bob@home.lan"));
        let to_carl = vec![AliasTarget::Address(named("carl"))];
        store.set_alias(Alias::Address(named("abuse")), to_carl).wait().unwrap();
        assert_eq!(reached(&store, ForwardPath::Address(named("abuse"))).as_deref(), Some("bob@home.lan"));
        lock("carl", Lock::Open);
        assert_eq!(reached(&store, ForwardPath::Address(named("abuse"))).as_deref(), Some("carl@home.lan"));
        lock("carl", Lock::All);
        assert_eq!(reached(&store, ForwardPath::Address(named("carl"))), None, "others are not passed over");
    }

    fn named(name: &str) -> Address {
        format!("{name}@home.lan").parse().unwrap()
    }

    /// Who gets the mail; none where it is locked.
    fn reached(store: &Store, path: ForwardPath) -> Option<String> {
        match block_on(look_up(store, &store.settings(), path, 0)).unwrap() {
            Recipient::Mailboxes(found) => {
                Some(found.into_iter().map(|(_, address)| address.to_string()).collect())
            }
            Recipient::Locked => None,
            other => panic!("{other:?}"),
        }
    }
}
