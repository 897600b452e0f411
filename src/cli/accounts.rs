//! add, del, lock, unlock, passwd.

use std::io::{IsTerminal, Write};

use super::alias::{alias_of, texts};
use super::desk::{Desk, stranger};
use super::table::{Cell, Report, Said};
use super::verbs::{Add, Del, Passwd};
use super::{making, password};
use crate::admin::{AdminError, AliasRow, Answer, Command, Failure, Lock, MailboxRow, Target};
use crate::mail::{Address, Alias, Secret};

pub(super) fn add(verb: &Add, desk: &Desk) -> Result<Report, AdminError> {
    match verb.target.parse()? {
        Target::Domain(_) if verb.password_stdin => Err(AdminError::usage(
            "a domain has no password: leave out --password-stdin, or name an address such as alice@home.lan",
        )),
        Target::Domain(_) if verb.create_user || verb.account.is_some() => Err(AdminError::usage(
            "a domain has no account: name an address such as alice@home.lan, or leave out --account and --create-user",
        )),
        Target::Mailbox(address) if verb.create_user => making::add(verb, &address, desk),
        Target::Domain(domain) => {
            desk.ask(Command::AddDomain(domain.clone()))?;
            let facts = vec![("domain", Cell::text(&domain)), ("added", Cell::Is(true))];
            Ok(Report::Said(format!("The domain {domain} is added."), facts, Said::Quiet))
        }
        Target::Mailbox(address) => {
            let password = password(&address, verb.password_stdin, true, desk)?;
            let answer = desk.ask(Command::AddMailbox {
                address: address.clone(),
                password,
                account: verb.account.clone(),
            })?;
            let sentence = "The mailbox {} is added";
            Ok(match answer {
                Answer::AddedUnseen { note } => with_note(&address, sentence, note),
                answer => with_password(&address, generated(answer)?, sentence),
            })
        }
    }
}

pub(super) fn passwd(verb: &Passwd, desk: &Desk) -> Result<Report, AdminError> {
    let address = mailbox_address(&verb.address)?;
    let password = password(&address, verb.password_stdin, false, desk)?;
    let answer = desk.ask(Command::SetPassword { address: address.clone(), password })?;
    Ok(with_password(&address, generated(answer)?, "{} has a new password"))
}

pub(super) fn del(verb: &Del, desk: &Desk) -> Result<Report, AdminError> {
    if verb.delete_user {
        return making::del(verb, desk);
    }
    let target = match alias_of(&verb.target)? {
        Alias::Domain(domain) => Target::Domain(domain),
        Alias::Address(address) => Target::Mailbox(address),
        catch_all @ Alias::CatchAll(_) => return alias_removed(desk.ask(Command::RemoveAlias(catch_all))?),
    };
    del_target(target, verb.yes, desk)
}

/// Removes a domain, a mailbox, or the alias of that name; asks a person if something goes with it.
pub(super) fn del_target(target: Target, is_sure: bool, desk: &Desk) -> Result<Report, AdminError> {
    let remove = |is_confirmed| desk.ask(Command::Remove { target: target.clone(), is_confirmed });
    let answer = match remove(is_sure) {
        Err(error) if error.kind == Failure::Refused && !is_sure && may_ask() => {
            if !is_agreed(&target, &error) {
                return Err(AdminError::new(Failure::Refused, format!("{target} stays as it is")));
            }
            remove(true)?
        }
        result => result?,
    };
    let Answer::Removed { mailboxes, messages, until, aliases, dead_ends } = answer else {
        return alias_removed(answer);
    };
    let meaning = led_nowhere(&dead_ends);
    let facts = vec![
        ("target", Cell::text(&target)),
        ("removed", Cell::Is(true)),
        ("mailboxes", Cell::Number(mailboxes.into())),
        ("messages", Cell::Number(messages)),
        ("recoverable_until", until.map_or(Cell::None, Cell::Time)),
        ("aliases", Cell::Number(aliases.into())),
        ("lead_nowhere", Cell::Texts(texts(&dead_ends))),
        ("meaning", Cell::Texts(meaning.clone())),
    ];
    let undo = match (&target, until) {
        (_, None) => String::new(),
        (Target::Domain(_), Some(_)) if mailboxes == 0 => String::new(),
        (Target::Domain(domain), Some(until)) => format!(
            " Until {} \"poppet add {domain}\" and \"poppet undelete ADDRESS\" bring each mailbox back.",
            until.rfc3339()
        ),
        (Target::Mailbox(address), Some(until)) => {
            format!(" Until {} \"poppet undelete {address}\" brings it back.", until.rfc3339())
        }
    };
    Ok(Report::Said(format!("{target} is removed.{undo}"), facts, Said::Meaning(meaning)))
}

fn alias_removed(answer: Answer) -> Result<Report, AdminError> {
    let Answer::AliasRemoved { row: AliasRow { alias, targets, .. }, dead_ends } = answer else {
        return Err(stranger());
    };
    let targets = texts(&targets);
    let sentence = format!("The alias {alias} is removed. It led to {}.", targets.join(", "));
    let meaning = led_nowhere(&dead_ends);
    let facts = vec![
        ("alias", Cell::text(&alias)),
        ("removed", Cell::Is(true)),
        ("targets", Cell::Texts(targets)),
        ("lead_nowhere", Cell::Texts(texts(&dead_ends))),
        ("meaning", Cell::Texts(meaning.clone())),
    ];
    Ok(Report::Said(sentence, facts, Said::Meaning(meaning)))
}

/// What it means for aliases, in a line for people.
fn led_nowhere(dead_ends: &[Alias]) -> Vec<String> {
    let names = texts(dead_ends);
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let nowhere = match names.len() {
        0 => return Vec::new(),
        1 => format!("{shown} leads nowhere now, and mail for it is refused"),
        count if count <= SHOWN => format!("{shown} lead nowhere now, and mail for them is refused"),
        count => {
            let more = count - SHOWN;
            format!(
                "{shown} and {more} more (--json names all) lead nowhere now, and mail for them is refused"
            )
        }
    };
    vec![format!("{nowhere}: \"poppet alias\" gives an alias another target, \"poppet del\" removes it.")]
}

pub(super) fn lock(target: &str, lock: Lock, desk: &Desk) -> Result<Report, AdminError> {
    let target: Target = target.parse()?;
    let answer = desk.ask(Command::Lock { target: target.clone(), lock })?;
    let was_locked_out = matches!(answer, Answer::Unlocked { was_locked_out: true });
    let state = match lock {
        Lock::Open if was_locked_out => "unlocked, and no longer locked out for wrong passwords",
        Lock::Open => "unlocked",
        Lock::Reading => "locked: it can't be read, while mail still arrives",
        Lock::All => "locked: it can't be read, and takes no mail",
    };
    let meaning = match lock {
        Lock::All => passed_over(&target, desk)?,
        Lock::Open | Lock::Reading => Vec::new(),
    };
    let facts = vec![
        ("target", Cell::text(&target)),
        ("locked", Cell::Is(lock.is_locked())),
        ("takes_mail", Cell::Is(lock != Lock::All)),
        ("was_locked_out", Cell::Is(was_locked_out)),
        ("meaning", Cell::Texts(meaning.clone())),
    ];
    Ok(Report::Said(format!("{target} is {state}."), facts, Said::Meaning(meaning)))
}

/// Who gets the mail for postmaster now that this target takes none, in a line for people; nothing where somebody else
/// gets it anyway.
fn passed_over(target: &Target, desk: &Desk) -> Result<Vec<String>, AdminError> {
    let Answer::Settings(settings) = desk.ask(Command::Settings(Some("postmaster".into())))? else {
        return Err(stranger());
    };
    let Answer::Mailboxes(mut rows) = desk.ask(Command::Mailboxes(None))? else { return Err(stranger()) };
    rows.sort_by_key(|row| row.id);
    let is_named = |row: &&MailboxRow| settings.iter().any(|setting| setting.value == row.address.as_str());
    let Some(holder) = rows.iter().find(is_named).or(rows.first()) else { return Ok(Vec::new()) };
    let is_in_target = match target {
        Target::Domain(domain) => holder.address.domain() == *domain,
        Target::Mailbox(address) => holder.address == *address,
    };
    if !is_in_target {
        return Ok(Vec::new());
    }
    Ok(vec![match rows.iter().find(|row| row.is_open()) {
        Some(next) => format!(
            "Mail for postmaster, which {} got, goes to {} meanwhile: \"poppet set postmaster ADDRESS\" names another.",
            holder.address, next.address
        ),
        None => format!(
            "No mailbox takes mail now, so mail for postmaster is refused too: \"poppet unlock {target}\" ends that."
        ),
    }])
}

/// The address of a mailbox as typed.
pub(super) fn mailbox_address(text: &str) -> Result<Address, AdminError> {
    match text.parse()? {
        Target::Mailbox(address) => Ok(address),
        Target::Domain(domain) => {
            Err(AdminError::usage(format!("{domain} is a domain: name a mailbox, such as alice@{domain}")))
        }
    }
}

/// The generated password in an answer, if one was generated.
pub(super) fn generated(answer: Answer) -> Result<Option<Secret>, AdminError> {
    match answer {
        Answer::Password(password) => Ok(password),
        _ => Err(stranger()),
    }
}

/// A password as text, to be shown once.
pub(super) fn shown(password: &Secret) -> String {
    String::from_utf8_lossy(password.expose()).into_owned()
}

/// Nobody types a password twice to hear that there is no such mailbox.
fn password(
    address: &Address,
    is_on_stdin: bool,
    is_new: bool,
    desk: &Desk,
) -> Result<Option<Secret>, AdminError> {
    if !is_on_stdin && std::io::stdin().is_terminal() {
        // By a desk of its own: the file is not kept open while somebody thinks of a password.
        let desk = Desk::new(desk.database().to_owned());
        if desk.ask(Command::MayHavePassword { address: address.clone(), is_new })? == Answer::NoPassword {
            return Ok(None);
        }
    }
    password::obtain(address, is_on_stdin)
}

/// A report of a mailbox with its new password, which is shown if it was generated.
pub(super) fn with_password(address: &Address, password: Option<Secret>, sentence: &str) -> Report {
    let sentence = sentence.replace("{}", address.as_str());
    let address = Cell::text(address);
    match password {
        None => Report::Said(
            format!("{sentence}."),
            vec![("mailbox", address), ("password", Cell::None)],
            Said::Quiet,
        ),
        Some(password) => {
            let password = shown(&password);
            let sentence = format!("{sentence}. Its password is shown only now: {password}");
            Report::Said(sentence, vec![("mailbox", address), ("password", Cell::Text(password))], Said::Line)
        }
    }
}

/// A report of a mailbox whose account nobody has looked for.
fn with_note(address: &Address, sentence: &str, note: String) -> Report {
    let sentence = format!("{}.", sentence.replace("{}", address.as_str()));
    let meaning = vec![note];
    let facts = vec![
        ("mailbox", Cell::text(address)),
        ("password", Cell::None),
        ("meaning", Cell::Texts(meaning.clone())),
    ];
    Report::Said(sentence, facts, Said::Meaning(meaning))
}

/// Whether a person is there to be asked.
pub(super) fn may_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a person. What the refusal says stands before its advice.
fn is_agreed(target: &Target, refusal: &AdminError) -> bool {
    let what = refusal.text.split(": say").next().unwrap_or_default();
    let _ = write!(std::io::stderr(), "{what}. Remove {target} all the same? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Names in a sentence.
const SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_that_lead_nowhere_are_named() {
        let aliases = |count| {
            (0..count).map(|number| alias_of(&format!("a{number}@home.lan")).unwrap()).collect::<Vec<_>>()
        };
        let said = |count| led_nowhere(&aliases(count)).join("\n");
        assert_eq!(said(0), "");
        assert!(said(1).starts_with("a0@home.lan leads nowhere now"), "{}", said(1));
        assert!(said(2).starts_with("a0@home.lan, a1@home.lan lead nowhere now"), "{}", said(2));
        assert!(!said(10).contains(" more"), "{}", said(10));
        assert!(said(11).contains("a9@home.lan and 1 more (--json names all) lead"), "{}", said(11));
    }
}
