//! forward.

use super::accounts::mailbox_address;
use super::alias::{target_of, texts};
use super::desk::{Desk, stranger};
use super::outgoing_verbs::ForwardVerb;
use super::table::{Cell, Report, Said};
use crate::admin::{AdminError, Answer, Command, Forward, OutgoingAct, OutgoingTold};
use crate::mail::Address;

pub(super) fn forward(verb: &ForwardVerb, desk: &Desk) -> Result<Report, AdminError> {
    let Some((address, targets)) = verb.words.split_first() else {
        return match verb.only || verb.off {
            true => Err(AdminError::usage(
                "of which mailbox? Say \"poppet forward alice@home.lan\" before the options",
            )),
            false => shown(None, desk),
        };
    };
    let address = mailbox_address(address)?;
    let act = match (targets, verb.only, verb.off) {
        ([], false, false) => return shown(Some(address), desk),
        ([], true, false) => {
            return Err(AdminError::usage(format!(
                "only to whom? Say \"poppet forward {address} TO --only\""
            )));
        }
        ([], false, true) => OutgoingAct::SetForward(address.clone(), None),
        (_, _, true) => {
            return Err(AdminError::usage("--off ends all of it: leave out the addresses and --only"));
        }
        (targets, is_only, false) => {
            let targets = targets.iter().map(|text| target_of(text)).collect::<Result<Vec<_>, _>>()?;
            OutgoingAct::SetForward(address.clone(), Some(Forward { targets, keeps_copy: !is_only }))
        }
    };
    let (rows, notes) = ask(desk, act)?;
    Ok(said(&address, rows.into_iter().next().map(|(_, forward)| forward), notes))
}

fn shown(of: Option<Address>, desk: &Desk) -> Result<Report, AdminError> {
    let (rows, _) = ask(desk, OutgoingAct::Forwards(of))?;
    let cells = |(address, forward): &(Address, Forward)| {
        vec![Cell::text(address), Cell::Texts(texts(&forward.targets)), Cell::Is(forward.keeps_copy)]
    };
    Ok(Report::Rows(&["mailbox", "targets", "copy"], rows.iter().map(cells).collect()))
}

fn said(address: &Address, forward: Option<Forward>, notes: Vec<String>) -> Report {
    let targets = forward.as_ref().map_or_else(Vec::new, |forward| texts(&forward.targets));
    let was = notes.iter().map(|note| format!(" {note}")).collect::<String>();
    let sentence = match &forward {
        None => format!("{address} forwards no more.{was}"),
        Some(Forward { keeps_copy: true, .. }) => {
            format!("{address} forwards to {}, and keeps a copy.", targets.join(", "))
        }
        Some(_) => format!("{address} forwards to {}, and keeps no copy.", targets.join(", ")),
    };
    // What was taken away on purpose needs no warning.
    let means = if forward.is_none() { Said::Quiet } else { Said::Meaning(notes.clone()) };
    let facts = vec![
        ("mailbox", Cell::text(address)),
        ("targets", Cell::Texts(targets)),
        ("copy", Cell::Is(forward.is_none_or(|forward| forward.keeps_copy))),
        ("meaning", Cell::Texts(notes)),
    ];
    Report::Said(sentence, facts, means)
}

fn ask(desk: &Desk, act: OutgoingAct) -> Result<(Rows, Vec<String>), AdminError> {
    match desk.ask(Command::Outgoing(act))? {
        Answer::Outgoing(OutgoingTold::Forwards(rows, notes)) => Ok((rows, notes)),
        _ => Err(stranger()),
    }
}

type Rows = Vec<(Address, Forward)>;
