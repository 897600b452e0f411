//! account: whose account elsewhere a mailbox is.

use argh::FromArgs;

use super::accounts::mailbox_address;
use super::desk::{Desk, stranger};
use super::table::{Cell, Report, Said, harmless};
use crate::admin::{AccountRow, AccountState, AdminError, Answer, Command};
use crate::mail::Account;
use crate::settings::Method;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "account",
    description = "show or change whose account a mailbox is",
    example = "{command_name} bob@home.lan\n{command_name} bob@home.lan bsmith\n{command_name} bob@home.lan --none",
    note = "Where users are known by local or directory, a mailbox belongs to one account there, and two mailboxes never\n\
    to the same. Lines of a name and a value: mailbox, method, account, identity, state, note. The account is empty\n\
    where the address names it. The identity tells an account from another one that gets its name later: such a one is\n\
    kept out until it is bound here.\n\
    The state is fits, another (the name is another account's now), refused, unknown (nobody could tell) or unused\n\
    (users are known by file).\n\
    With NAME the mailbox is bound to the account that has that name now, with --none to the one that its address\n\
    names. Its sessions end. While users are known by file NAME is kept for \"poppet auth METHOD --migrate\"."
)]
/// account
pub(super) struct AccountVerb {
    /// the mailbox
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: String,
    /// the account's name
    #[argh(positional, arg_name = "NAME")]
    pub name: Option<String>,
    /// let the address name it
    #[argh(switch)]
    pub none: bool,
}

pub(super) fn account(verb: &AccountVerb, desk: &Desk) -> Result<Report, AdminError> {
    let address = mailbox_address(&verb.address)?;
    let is_change = verb.none || verb.name.is_some();
    let command = match (&verb.name, verb.none) {
        (Some(_), true) => return Err(AdminError::usage("give a name or --none, not both")),
        (None, false) => Command::Account(address),
        (name, _) => Command::BindAccount { address, name: name.clone() },
    };
    let Answer::Account(row) = desk.ask(command)? else { return Err(stranger()) };
    let facts = facts(&row);
    Ok(match is_change {
        false => Report::Facts(facts),
        true => Report::Said(sentence(&row), facts, Said::Meaning(note(&row).into_iter().collect())),
    })
}

/// The account of a mailbox and the uid that it had, for a local one.
pub(super) fn local_account(row: &AccountRow) -> (String, Option<u32>) {
    match &row.account {
        None => (row.address.local_part().into(), None),
        Some(account) => (account.name.clone(), uid(account)),
    }
}

fn facts(row: &AccountRow) -> Vec<(&'static str, Cell)> {
    let of_account = |show: &dyn Fn(&Account) -> String| match &row.account {
        Some(account) => Cell::Text(show(account)),
        None => Cell::None,
    };
    let state = match &row.state {
        AccountState::NotUsed => "unused",
        AccountState::Fits => "fits",
        AccountState::Another(_) => "another",
        AccountState::Refused(_) => "refused",
        AccountState::Unknown(_) => "unknown",
    };
    vec![
        ("mailbox", Cell::text(&row.address)),
        ("method", Cell::text(row.method)),
        ("account", of_account(&|account| account.name.clone())),
        ("identity", of_account(&|account| identity(row.method, account))),
        ("state", Cell::text(state)),
        ("note", note(row).map_or(Cell::None, Cell::Text)),
    ]
}

fn sentence(row: &AccountRow) -> String {
    match &row.account {
        None => format!("{} is the account that its address names.", row.address),
        Some(account) => {
            let identity = identity(row.method, account);
            let identity = if identity.is_empty() { identity } else { format!(" ({identity})") };
            format!("{} is the account {}{identity} now.", row.address, harmless(&account.name))
        }
    }
}

/// What is to be done about it.
fn note(row: &AccountRow) -> Option<String> {
    match (&row.state, &row.account) {
        (AccountState::Another(now), Some(before)) => {
            let name = harmless(&before.name);
            Some(format!(
                "the account {name} is another one now ({}, was {}): \"poppet account {} {name}\" takes it",
                identity(row.method, now),
                identity(row.method, before),
                row.address
            ))
        }
        (AccountState::Refused(why) | AccountState::Unknown(why), _) => Some(why.clone()),
        (AccountState::NotUsed, Some(_)) => {
            Some("users are known by file: it counts once \"poppet auth METHOD --migrate\" moves them".into())
        }
        _ => None,
    }
}

/// What tells an account from a later one of its name: a uid, text as it is, other octets in hexadecimal.
fn identity(method: Method, account: &Account) -> String {
    if let (Method::Local, Some(uid)) = (method, uid(account)) {
        return format!("uid {uid}");
    }
    match std::str::from_utf8(&account.identity) {
        Ok(text) if text.bytes().all(|octet| octet.is_ascii_graphic()) => text.into(),
        _ => account.identity.iter().map(|octet| format!("{octet:02x}")).collect(),
    }
}

fn uid(account: &Account) -> Option<u32> {
    account.identity.as_slice().try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(identity: &[u8]) -> Account {
        Account { name: "bob".into(), identity: identity.into() }
    }

    fn row(state: AccountState, account: Option<Account>) -> AccountRow {
        AccountRow { address: "bob@home.lan".parse().unwrap(), method: Method::Local, account, state }
    }

    #[test]
    fn an_account_that_has_become_another_s_is_told_with_what_to_do_s_220() {
        let another = AccountState::Another(account(&1002_u32.to_be_bytes()));
        let told = note(&row(another, Some(account(&1001_u32.to_be_bytes()))));
        let wanted = "the account bob is another one now (uid 1002, was uid 1001): \"poppet account bob@home.lan bob\" \
                      takes it";
        assert_eq!(told.as_deref(), Some(wanted));
        assert_eq!(note(&row(AccountState::Fits, Some(account(b"")))), None);
        assert_eq!(note(&row(AccountState::Refused("why".into()), None)).as_deref(), Some("why"));
    }

    #[test]
    fn identities_are_shown_in_words_or_digits() {
        for (method, octets, wanted) in [
            (Method::Local, &1000_u32.to_be_bytes()[..], "uid 1000"),
            (Method::Local, &u32::MAX.to_be_bytes()[..], "uid 4294967295"),
            (Method::Local, b"", ""),
            (Method::Directory, b"6b3c-11", "6b3c-11"),
            (Method::Directory, b"abcd", "abcd"),
            (Method::Directory, &[0, 0xff, 0x1b], "00ff1b"),
            (Method::Directory, b"a b", "612062"),
        ] {
            assert_eq!(identity(method, &account(octets)), wanted, "{octets:?}");
        }
    }

    #[test]
    fn the_account_to_be_removed_is_the_bound_one_or_the_address_s() {
        assert_eq!(local_account(&row(AccountState::Fits, None)), ("bob".into(), None));
        let bound = Account { name: "bsmith".into(), identity: 1005_u32.to_be_bytes().into() };
        assert_eq!(local_account(&row(AccountState::Fits, Some(bound))), ("bsmith".into(), Some(1005)));
    }
}
