//! What a person is called in the directory, how he is searched and as whom his password is tried (S-206).

use crate::auth::{Absence, Person};
use crate::ldap::{Filter, NameTemplate, Names};
use crate::mail::Account;
use crate::settings::{Bind, Directory};

/// How a person is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// What his account is called: the name that the administrator gave, or the mailbox's address.
    pub account_name: String,
    /// How he is searched before his password is tried; none if he is not.
    pub look: Option<Look>,
    /// As whom his password is tried if he is not searched.
    pub bind_name: Option<String>,
    /// How he can be found by himself, once his password has proved right.
    pub own_look: Option<Look>,
}

/// How an entry is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// By its name.
    Entry(String),
    /// By filters below the base, the next where one finds nothing.
    Filters(Vec<Vec<u8>>),
}

impl Plan {
    /// The plan for a person. Errs if a setting can't be read.
    pub fn of(directory: &Directory, person: &Person) -> Result<Plan, Absence> {
        let account = person.account.as_ref().map(|account| account.name.as_str());
        // An account that has the mailbox's own address for a name goes by that.
        let other = account.filter(|name| !name.eq_ignore_ascii_case(person.address.as_str()));
        let account_name = account.unwrap_or(person.address.as_str()).to_owned();
        let names = names(person, other);
        if let Some(name) = other.filter(|name| name.contains('=')) {
            let look = Look::Entry(name.into());
            let is_searched = !directory.account.is_empty() || directory.bind == Bind::Search;
            return Ok(Plan {
                account_name,
                look: is_searched.then(|| look.clone()),
                bind_name: Some(name.into()),
                own_look: Some(look),
            });
        }
        let custom = match &directory.filter {
            Some(text) => Some(vec![filter(text, &names)?]),
            None => None,
        };
        let (look, bind_name, own_look) = match &directory.bind {
            Bind::Search => {
                let usual = if other.is_some_and(|name| !name.contains('@')) { BY_USER } else { BY_ADDRESS };
                let filters = custom.map_or_else(|| filter(usual, &names).map(|filter| vec![filter]), Ok)?;
                (Some(Look::Filters(filters)), None, None)
            }
            Bind::Upn { domain } => {
                let name = match (other, domain) {
                    (Some(other), _) if other.contains(['@', '\\']) => other.to_owned(),
                    (_, Some(domain)) => format!("{}@{domain}", names.user),
                    _ => format!("{}@{}", names.user, names.domain),
                };
                let of_name = Names { address: name.clone(), ..names.clone() };
                let is_old_name = name.contains('\\');
                let own = filter(if is_old_name { BY_OLD_NAME } else { BY_UPN }, &of_name)?;
                let mut filters = vec![own.clone()];
                if !is_old_name && is_in_their_domain(&names, other, domain.as_deref()) {
                    filters.push(filter(BY_OLD_NAME, &names)?);
                }
                let look = Look::Filters(custom.unwrap_or(filters));
                let own_look = (!directory.base.is_empty()).then(|| Look::Filters(vec![own]));
                (directory.lacks_for_search().is_none().then_some(look), Some(name), own_look)
            }
            Bind::Template(template) => {
                let template = NameTemplate::parse(template).map_err(|error| {
                    Absence::Unavailable(format!("directory_bind can't be read: {error}; set it anew"))
                })?;
                let name = template.fill(&names);
                let look = Look::Entry(name.clone());
                let is_searched = directory.lacks_for_search().is_none();
                (is_searched.then(|| look.clone()), Some(name), Some(look))
            }
        };
        Ok(Plan { account_name, look, bind_name, own_look })
    }

    /// The account, as far as its name says it.
    pub fn account(&self) -> Result<Account, Absence> {
        Account::named(&self.account_name)
            .ok_or_else(|| Absence::Refused("that name is too long, or has signs that no name has".into()))
    }
}

/// What is filled in: another account's name stands for the local part, and with an `@` for the domain, too.
fn names(person: &Person, other: Option<&str>) -> Names {
    let (own_user, own_domain) = (person.address.local_part(), person.address.domain());
    let (user, domain) = match other {
        None => (own_user, own_domain.as_str()),
        Some(other) => match (other.rsplit_once('@'), other.rsplit_once('\\')) {
            (Some((user, domain)), _) => (user, domain),
            (None, Some((_, user))) => (user, own_domain.as_str()),
            (None, None) => (other, own_domain.as_str()),
        },
    };
    Names { address: format!("{user}@{domain}"), user: user.into(), domain: domain.into() }
}

/// Whether the name before the @ is that of a user of the directory's own domain. Whoever has another domain's address
/// is not the one who has the same old name there.
fn is_in_their_domain(names: &Names, other: Option<&str>, domain: Option<&str>) -> bool {
    match (other, domain) {
        (Some(other), _) if !other.contains('@') => true,
        (Some(_), Some(domain)) => names.domain.eq_ignore_ascii_case(domain),
        (Some(_), None) => false,
        (None, domain) => domain.is_some(),
    }
}

fn filter(text: &str, names: &Names) -> Result<Vec<u8>, Absence> {
    match Filter::parse(text) {
        Ok(filter) => Ok(filter.fill(names)),
        Err(error) => {
            Err(Absence::Unavailable(format!("directory_filter can't be read: {error}; set it anew")))
        }
    }
}

/// What finds a user by his address where nothing else is set.
const BY_ADDRESS: &str = "(|(mail={address})(userPrincipalName={address}))";
/// What finds a user by the name of his account where nothing else is set.
const BY_USER: &str = "(|(sAMAccountName={user})(uid={user}))";
const BY_UPN: &str = "(userPrincipalName={address})";
/// The name from before Windows 2000, of which Active Directory makes a UPN for those who have none.
const BY_OLD_NAME: &str = "(sAMAccountName={user})";

#[cfg(test)]
mod tests {
    use super::*;

    fn person(account: Option<&str>) -> Person {
        let account = account.and_then(Account::named);
        Person { address: "alice@home.lan".parse().unwrap(), account }
    }

    fn directory(bind: &str, base: &str, account: &str) -> Directory {
        let (bind, base, account) = (bind.parse().unwrap(), base.into(), account.into());
        Directory { bind, base, account, ..Directory::default() }
    }

    fn filled(text: &str, address: &str) -> Vec<u8> {
        let (user, domain) = address.split_once('@').unwrap();
        let names = Names { address: address.into(), user: user.into(), domain: domain.into() };
        Filter::parse(text).unwrap().fill(&names)
    }

    #[test]
    fn a_search_is_by_address_or_by_the_accounts_name() {
        for (account, text, address) in [
            (None, BY_ADDRESS, "alice@home.lan"),
            (Some("alice@home.lan"), BY_ADDRESS, "alice@home.lan"),
            (Some("ALICE@home.lan"), BY_ADDRESS, "alice@home.lan"),
            (Some("a.smith@ad.lan"), BY_ADDRESS, "a.smith@ad.lan"),
            (Some("HOME\\asmith"), BY_USER, "asmith@home.lan"),
            (Some("asmith"), BY_USER, "asmith@home.lan"),
        ] {
            let plan = Plan::of(&directory("search", "", ""), &person(account)).unwrap();
            assert_eq!(plan.look, Some(Look::Filters(vec![filled(text, address)])), "{account:?}");
            assert_eq!(plan.bind_name, None);
            assert_eq!(plan.account_name, account.unwrap_or("alice@home.lan"));
        }
        let mut directory = directory("search", "", "");
        directory.filter = Some("(&(ou={domain})(uid={user}))".into());
        let plan = Plan::of(&directory, &person(Some("asmith"))).unwrap();
        let text = "(&(ou={domain})(uid={user}))";
        assert_eq!(plan.look, Some(Look::Filters(vec![filled(text, "asmith@home.lan")])));
    }

    #[test]
    fn a_upn_is_the_address_or_what_stands_for_it_s_206() {
        for (bind, account, name) in [
            ("upn", None, "alice@home.lan"),
            ("upn:ad.lan", None, "alice@ad.lan"),
            ("upn:ad.lan", Some("alice@home.lan"), "alice@ad.lan"),
            ("upn:ad.lan", Some("asmith"), "asmith@ad.lan"),
            ("upn", Some("asmith"), "asmith@home.lan"),
            ("upn:ad.lan", Some("a.smith@other.lan"), "a.smith@other.lan"),
            ("upn:ad.lan", Some("HOME\\asmith"), "HOME\\asmith"),
            ("upn", Some("cn=Alice,dc=home"), "cn=Alice,dc=home"),
        ] {
            let plan = Plan::of(&directory(bind, "", ""), &person(account)).unwrap();
            assert_eq!(plan.bind_name.as_deref(), Some(name), "{bind} {account:?}");
            assert_eq!(plan.look, None, "nobody is there to search");
        }
        let plan =
            Plan::of(&directory("upn:ad.lan", "dc=ad", "svc@ad.lan"), &person(Some("HOME\\bob"))).unwrap();
        assert_eq!(plan.look, Some(Look::Filters(vec![filled(BY_OLD_NAME, "bob@home.lan")])));
    }

    /// Users of several domains are in one directory: the alice of another one has the same old name.
    #[test]
    fn an_old_name_finds_nobody_for_an_address_of_any_domain_s_206() {
        for (bind, account, upn, old_name) in [
            ("upn", None, "alice@home.lan", None),
            ("upn", Some("alice@home.lan"), "alice@home.lan", None),
            ("upn", Some("alice@ad.lan"), "alice@ad.lan", None),
            ("upn", Some("asmith"), "asmith@home.lan", Some("asmith@home.lan")),
            ("upn:ad.lan", None, "alice@ad.lan", Some("alice@home.lan")),
            ("upn:ad.lan", Some("ALICE@home.lan"), "alice@ad.lan", Some("alice@home.lan")),
            ("upn:ad.lan", Some("asmith"), "asmith@ad.lan", Some("asmith@home.lan")),
            ("upn:ad.lan", Some("asmith@AD.lan"), "asmith@AD.lan", Some("asmith@AD.lan")),
            ("upn:ad.lan", Some("asmith@other.lan"), "asmith@other.lan", None),
        ] {
            let plan = Plan::of(&directory(bind, "dc=ad", "svc@ad.lan"), &person(account)).unwrap();
            let mut filters = vec![filled(BY_UPN, upn)];
            filters.extend(old_name.map(|name| filled(BY_OLD_NAME, name)));
            assert_eq!(plan.look, Some(Look::Filters(filters)), "{bind} {account:?}");
        }
    }

    #[test]
    fn a_template_is_filled_with_names_and_never_with_more_s_193() {
        for (account, name) in [
            (None, "uid=alice,dc=home"),
            (Some("asmith"), "uid=asmith,dc=home"),
            (Some("HOME\\asmith"), "uid=asmith,dc=home"),
            (Some("bob,ou"), "uid=bob\\2Cou,dc=home"),
            (Some("cn=Alice,dc=home"), "cn=Alice,dc=home"),
        ] {
            let plan = Plan::of(&directory("dn:uid={user},dc=home", "", "cn=svc"), &person(account)).unwrap();
            assert_eq!(plan.bind_name.as_deref(), Some(name));
            assert_eq!(plan.look, Some(Look::Entry(name.into())));
        }
    }

    #[test]
    fn settings_that_can_not_be_read_are_nobodys_wrong_password_s_196() {
        let mut broken = directory("search", "", "");
        broken.filter = Some("(uid={user}".into());
        let told = Plan::of(&broken, &person(None)).unwrap_err();
        assert!(matches!(&told, Absence::Unavailable(text) if text.contains("directory_filter")), "{told:?}");
        let broken = directory("dn:uid={user},o={company}", "", "");
        let told = Plan::of(&broken, &person(None)).unwrap_err();
        assert!(matches!(&told, Absence::Unavailable(text) if text.contains("{company}")), "{told:?}");
    }
}
