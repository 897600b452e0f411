//! What a search has found: one entry that may be used, or why there is none.

use super::link::{Link, Trouble};
use super::plan::{Look, Plan};
use crate::auth::Absence;
use crate::clock::UnixTime;
use crate::ldap::{Answer, Entry, Filter, Judgement, Outcome, Question, Scope, Search};
use crate::limits;
use crate::mail::{Account, printable};

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name.
    pub name: String,
    /// What tells it from every other one; empty if that can't be read.
    pub identity: Vec<u8>,
    /// Since when the account is over; none if it never is.
    expires: Option<UnixTime>,
    is_locked: bool,
}

impl Found {
    /// The account that a mailbox is bound to.
    pub fn account(&self, plan: &Plan) -> Account {
        Account { name: plan.account_name.clone(), identity: self.identity.clone() }
    }

    /// Takes what is needed out of an entry. Errs if the account is disabled.
    pub fn of(entry: &Entry) -> Result<Found, Absence> {
        let name = printable(entry.name.as_bytes());
        if entry.name.is_empty() {
            return Err(Absence::Unavailable("the directory gives an entry without a name".into()));
        }
        if number(entry, "userAccountControl").is_some_and(|control| control & DISABLED != 0) {
            return Err(Absence::Refused(format!(
                "the account {name} is disabled: enable it in the directory"
            )));
        }
        let identities = IDENTITIES.iter().filter_map(|attribute| entry.value(attribute));
        let identity =
            identities.into_iter().find(|identity| (1..=IDENTITY_OCTETS).contains(&identity.len()));
        Ok(Found {
            name: entry.name.clone(),
            identity: identity.unwrap_or_default().to_vec(),
            expires: number(entry, "accountExpires").and_then(expiry),
            is_locked: is_locked(entry),
        })
    }

    /// Errs if the account would let nobody in with his password, either, who then must not come in without it. An end is
    /// judged by the time that is given, or not at all.
    pub fn must_let_in(&self, now: Option<UnixTime>) -> Result<(), Absence> {
        let name = printable(self.name.as_bytes());
        if self.is_locked {
            return Err(Absence::Refused(format!(
                "the account {name} is locked: unlock it in the directory, or log on there with the password"
            )));
        }
        match (self.expires, now) {
            (Some(expires), Some(now)) if expires <= now => {
                Err(Absence::Refused(format!("the account {name} has expired: extend it in the directory")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether tries or an administrator have locked it. Active Directory leaves lockoutTime as it is when a lock is over,
/// and tells in a number of its own whether it is. [MS-ADTS] §3.1.1.4.5.17.
fn is_locked(entry: &Entry) -> bool {
    let is_by_tries = match number(entry, "msDS-User-Account-Control-Computed") {
        Some(control) => control & LOCKED != 0,
        None => number(entry, "lockoutTime").is_some_and(|since| since > 0),
    };
    is_by_tries
        || entry.value("nsAccountLock").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"))
        || entry.value("pwdAccountLockedTime").is_some()
}

/// A time of Active Directory: tenths of microseconds since 1601; none if that is never. [MS-ADA1] §2.1.
fn expiry(at: i64) -> Option<UnixTime> {
    let since_1601 = u64::try_from(at).ok().filter(|at| *at != 0 && *at != NEVER)? / TICKS_A_SECOND;
    Some(UnixTime(since_1601.saturating_sub(EPOCH_SECONDS)))
}

fn number(entry: &Entry, attribute: &str) -> Option<i64> {
    std::str::from_utf8(entry.value(attribute)?).ok()?.parse().ok()
}

/// Asks for what is to be found: a name itself, or filter by filter until one finds something.
pub(super) async fn look_up(
    link: &mut Link,
    look: &Look,
    base: &str,
) -> Result<(Vec<Entry>, Outcome), Trouble> {
    let (base, scope, filters) = match look {
        Look::Entry(name) => (name.as_str(), Scope::Base, &[Filter::of_everything()][..]),
        Look::Filters(filters) => (base, Scope::Subtree, &filters[..]),
    };
    let mut last = None;
    for filter in filters {
        let (entries, outcome) = search(link, base, scope, filter, WANTED).await?;
        let is_over = !entries.is_empty() || !outcome.is_success();
        last = Some((entries, outcome));
        if is_over {
            break;
        }
    }
    last.ok_or_else(|| Trouble::Failed("there is nothing to search by".into()))
}

/// Where the server's tree begins; none if it doesn't say. RFC 4512 §5.1.
pub(super) async fn root(link: &mut Link) -> Result<Option<String>, Trouble> {
    let (entries, _) = search(link, "", Scope::Base, &Filter::of_everything(), ROOTS).await?;
    let root = entries.first().and_then(|entry| ROOTS.iter().find_map(|root| entry.value(root)));
    let root = root.and_then(|root| std::str::from_utf8(root).ok());
    Ok(root.filter(|root| !root.is_empty()).map(str::to_owned))
}

async fn search(
    link: &mut Link,
    base: &str,
    scope: Scope,
    filter: &[u8],
    attributes: &'static [&'static str],
) -> Result<(Vec<Entry>, Outcome), Trouble> {
    let seconds = limits::DIRECTORY_REPLY.as_secs() as u32;
    let search = Search { base: base.into(), scope, filter: filter.to_vec(), attributes, seconds };
    match link.ask(&Question::Search(search)).await? {
        Answer::Found(entries, outcome) => Ok((entries, outcome)),
        _ => Err(Trouble::Failed("it answers what was not asked".into())),
    }
}

/// The one entry that is meant, or why it is none (S-194). Errs with trouble that another server may not have.
pub(super) fn judge(
    (entries, outcome): (Vec<Entry>, Outcome),
    base: &str,
    look: &Look,
    plan: &Plan,
) -> Result<Result<Found, Absence>, Trouble> {
    let what = &plan.account_name;
    let is_by_name = matches!(look, Look::Entry(_));
    if outcome.judgement() == Judgement::Elsewhere {
        return Err(Trouble::Failed(outcome.reason()));
    }
    if outcome.is_nowhere() && !is_by_name {
        let text = format!(
            "the directory has no {base:?}, or does not show it: look at directory_base and directory_account"
        );
        return Ok(Err(Absence::Unavailable(text)));
    }
    if !(outcome.is_success() || outcome.is_cut() || outcome.is_nowhere()) {
        return Ok(Err(Absence::Unavailable(format!("the directory does not search: {}", outcome.reason()))));
    }
    let mut entries = entries.into_iter();
    Ok(match (entries.next(), entries.next(), outcome.is_cut()) {
        (Some(entry), None, false) => Found::of(&entry),
        (None, _, false) if is_by_name => Err(Absence::Refused(format!(
            "the directory has no {what}, or does not show it: look at directory_bind, or name the account with --account"
        ))),
        (None, _, false) => Err(Absence::Refused(format!(
            "the directory has nobody for {what} below {base}: look at directory_base and directory_filter, or name the \
             account with --account"
        ))),
        _ => Err(Absence::Refused(format!(
            "the directory has more than one for {what} below {base}: narrow directory_filter, or name the account with \
             --account"
        ))),
    })
}

/// What never changes and is never given again: of most directories (RFC 4530 §2.1), of Active Directory, of 389.
const IDENTITIES: &[&str] = &["entryUUID", "objectGUID", "nsUniqueId"];
/// What is asked of an entry.
const WANTED: &[&str] = &[
    "entryUUID",
    "objectGUID",
    "nsUniqueId",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "lockoutTime",
    "accountExpires",
    "nsAccountLock",
    "pwdAccountLockedTime",
];
const ROOTS: &[&str] = &["defaultNamingContext", "namingContexts"];
/// The bit of userAccountControl that says so. [MS-ADTS] §2.2.16.
const DISABLED: i64 = 2;
/// The bit of msDS-User-Account-Control-Computed that says so.
const LOCKED: i64 = 0x10;
/// The other time beside 0 that means never.
const NEVER: u64 = i64::MAX as u64;
const TICKS_A_SECOND: u64 = 10_000_000;
/// From 1601 to 1970.
const EPOCH_SECONDS: u64 = 11_644_473_600;
/// An identity has 16 octets, or 36 as text.
const IDENTITY_OCTETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::tests::server::{entry, extended, reference, searched};
    use crate::ldap::{Channel, Client, Event, Next};

    type Attributes = [(&'static str, &'static [u8])];

    fn answer(entries: &[(&str, &Attributes)], code: i64) -> (Vec<Entry>, Outcome) {
        let mut client = Client::new(Channel::Tls);
        let filter = Filter::of_everything();
        let search =
            Search { base: String::new(), scope: Scope::Base, filter, attributes: WANTED, seconds: 5 };
        client.ask(&Question::Search(search)).unwrap();
        let mut octets: Vec<u8> =
            entries.iter().flat_map(|(name, attributes)| entry(1, name, attributes)).collect();
        octets.extend(reference(1));
        octets.extend(searched(1, code));
        match client.handle(Event::Octets(&octets)) {
            Next::Answer(Answer::Found(entries, outcome)) => (entries, outcome),
            next => panic!("{next:?}"),
        }
    }

    fn plan() -> Plan {
        Plan { account_name: "alice@home.lan".into(), look: None, bind_name: None, own_look: None }
    }

    #[test]
    fn exactly_one_entry_will_do_s_194() {
        let filters = Look::Filters(vec![Filter::of_everything()]);
        let by_name = Look::Entry("cn=alice".into());
        let alice: (&str, &Attributes) = ("cn=alice", &[("entryUUID", b"u-1")]);
        for (look, entries, code, outcome) in [
            (&filters, &[alice][..], 0, "cn=alice"),
            (&by_name, &[alice], 0, "cn=alice"),
            (&filters, &[], 0, "refused nobody for alice@home.lan below dc=home"),
            (&by_name, &[], 0, "refused has no alice@home.lan"),
            (&by_name, &[], 32, "refused has no alice@home.lan"),
            (&filters, &[], 32, "unavailable directory_base"),
            (&filters, &[alice, alice], 0, "refused more than one"),
            (&filters, &[alice, alice], 4, "refused more than one"),
            (&filters, &[alice], 4, "refused more than one"),
            (&filters, &[], 10, "unavailable not followed"),
            (&filters, &[alice], 10, "unavailable not followed"),
            (&filters, &[], 50, "unavailable does not allow"),
            (&filters, &[], 1, "unavailable does not search"),
            (&filters, &[alice], 3, "unavailable too long"),
            (&filters, &[], 51, "trouble busy"),
            (&filters, &[], 52, "trouble busy"),
        ] {
            let (kind, words) = outcome.split_once(' ').unwrap_or(("found", outcome));
            let told = match judge(answer(entries, code), "dc=home", look, &plan()) {
                Ok(Ok(found)) => ("found", found.name),
                Ok(Err(Absence::Refused(text))) => ("refused", text),
                Ok(Err(Absence::Unavailable(text))) => ("unavailable", text),
                Err(trouble) => ("trouble", trouble.text().to_owned()),
            };
            assert!(told.0 == kind && told.1.contains(words), "{told:?} for {outcome} and {code}");
        }
    }

    #[test]
    fn the_identity_is_what_never_changes() {
        for (attributes, identity) in [
            (&[("entryUUID", &b"u-1"[..])][..], &b"u-1"[..]),
            (&[("objectGUID", b"\x01\x00\xFF")], b"\x01\x00\xFF"),
            (&[("ENTRYUUID", b"u-1"), ("objectGUID", b"x")], b"u-1"),
            (&[("entryUUID", b""), ("objectGUID", b"x")], b"x"),
            (&[("mail", b"a@b")], b""),
            (&[], b""),
            (&[("entryUUID", &[b'x'; IDENTITY_OCTETS])], &[b'x'; IDENTITY_OCTETS]),
            (&[("entryUUID", &[b'x'; IDENTITY_OCTETS + 1])], b""),
        ] {
            let (entries, _) = answer(&[("cn=alice", attributes)], 0);
            assert_eq!(Found::of(&entries[0]).unwrap().identity, identity, "{attributes:?}");
        }
    }

    #[test]
    fn a_disabled_account_is_refused() {
        for (control, is_refused) in [
            (&b"512"[..], false),
            (b"514", true),
            (b"66050", true),
            (b"-2147483646", true),
            (b"x", false),
            (b"", false),
        ] {
            let (entries, _) = answer(&[("cn=alice", &[])], 0);
            assert!(Found::of(&entries[0]).is_ok());
            let mut client = Client::new(Channel::Tls);
            let filter = Filter::of_everything();
            let search =
                Search { base: String::new(), scope: Scope::Base, filter, attributes: WANTED, seconds: 5 };
            client.ask(&Question::Search(search)).unwrap();
            let octets = [entry(1, "cn=alice", &[("userAccountControl", control)]), searched(1, 0)].concat();
            let Next::Answer(Answer::Found(entries, _)) = client.handle(Event::Octets(&octets)) else {
                panic!()
            };
            assert_eq!(Found::of(&entries[0]).is_err(), is_refused, "{control:?}");
        }
        assert!(!extended(1, 0).is_empty());
    }

    #[test]
    fn an_account_that_is_locked_or_over_lets_nobody_in_without_a_password_either() {
        let now = UnixTime(1_800_000_000);
        // 134444736000000000 is that moment since 1601.
        for (attribute, value, words) in [
            ("lockoutTime", &b"0"[..], None),
            ("lockoutTime", b"-1", None),
            ("lockoutTime", b"1", Some("locked")),
            ("lockoutTime", b"134444736000000000", Some("locked")),
            ("msDS-User-Account-Control-Computed", b"8388608", None),
            ("msDS-User-Account-Control-Computed", b"16", Some("locked")),
            ("nsAccountLock", b"TRUE", Some("locked")),
            ("nsaccountlock", b"true", Some("locked")),
            ("nsAccountLock", b"FALSE", None),
            ("pwdAccountLockedTime", b"000001010000Z", Some("locked")),
            ("pwdAccountLockedTime", b"20270101000000Z", Some("locked")),
            ("accountExpires", b"0", None),
            ("accountExpires", b"9223372036854775807", None),
            ("accountExpires", b"9223372036854775806", None),
            ("accountExpires", b"-1", None),
            ("accountExpires", b"x", None),
            ("accountExpires", b"1", Some("expired")),
            ("accountExpires", b"134444735990000000", Some("expired")),
            ("accountExpires", b"134444736000000000", Some("expired")),
            ("accountExpires", b"134444736010000000", None),
        ] {
            let (entries, _) = answer(&[("cn=alice", &[(attribute, value)])], 0);
            let found = Found::of(&entries[0]).unwrap();
            let told = found.must_let_in(Some(now));
            match words {
                None => assert_eq!(told, Ok(()), "{attribute} {value:?}"),
                Some(words) => assert!(
                    matches!(&told, Err(Absence::Refused(text)) if text.contains(words)),
                    "{attribute} {value:?}: {told:?}"
                ),
            }
            let is_expiry = words == Some("expired");
            assert_eq!(found.must_let_in(None).is_err(), told.is_err() && !is_expiry, "{attribute}");
        }
        let over: &Attributes =
            &[("lockoutTime", b"134444736000000000"), ("msDS-User-Account-Control-Computed", b"0")];
        let (entries, _) = answer(&[("cn=alice", over)], 0);
        assert_eq!(Found::of(&entries[0]).unwrap().must_let_in(Some(now)), Ok(()), "the lock is over");
    }
}
