//! What moving every mailbox to another method came to.

use serde_json::{Value, json};

use super::accounts::shown;
use super::output::{Output, complain};
use super::table::{Cell, Report};
use crate::admin::{AdminError, FailingRow, Failure, Migration};
use crate::settings::Method;

/// Shows it; errs with [`Failure::Refused`] if something does not fit and nothing was changed.
pub(super) fn report(migration: &Migration, to: Method, output: &Output) -> Result<(), AdminError> {
    let is_refused = !migration.is_done && !migration.failing.is_empty();
    let is_told = output.is_terminal && !output.is_json;
    let put_out = if output.is_json {
        output.json(&as_json(migration, to))
    } else if is_refused {
        let row =
            |row: &FailingRow| vec![Cell::text(&row.mailbox), Cell::text(&row.rule), Cell::text(&row.remedy)];
        let rows = migration.failing.iter().map(row).collect();
        output.report(&Report::Rows(&["mailbox", "rule", "remedy"], rows))
    } else if !migration.passwords.is_empty() {
        let row = |(address, password): &(_, _)| vec![Cell::text(address), Cell::Text(shown(password))];
        let rows = migration.passwords.iter().map(row).collect();
        output.report(&Report::Rows(&["mailbox", "password"], rows))
    } else {
        Ok(())
    };
    if put_out.is_err() {
        // They count already, and nobody can show them again.
        let line = |(address, password): &(_, _)| format!("the password of {address} is {}", shown(password));
        migration.passwords.iter().map(line).for_each(|line| complain(&line));
    }
    put_out?;
    if is_refused {
        return Err(refusal(migration, to));
    }
    if is_told {
        output.text(&format!("{}\n", sentence(migration, to)))?;
    }
    let left_out =
        migration.failing.iter().map(|row| format!("{}: {}; {}", row.mailbox, row.rule, row.remedy));
    left_out.chain(migration.notes.iter().cloned()).for_each(|line| complain(&line));
    Ok(())
}

fn refusal(migration: &Migration, to: Method) -> AdminError {
    let (failing, all) = (migration.failing.len(), migration.mailboxes);
    let force = match migration.failing.iter().all(|row| row.is_forcible) {
        true => "; --force moves them all the same, and their users can't log on until it is done",
        false => "",
    };
    let text = format!(
        "{failing} of {all} mailboxes {} not fit {to}, so nothing was changed: put right what is listed, and say it \
         again{force}",
        if failing == 1 { "does" } else { "do" }
    );
    AdminError::new(Failure::Refused, text)
}

fn sentence(migration: &Migration, to: Method) -> String {
    let mailboxes = match migration.mailboxes {
        1 => "1 mailbox".to_owned(),
        count => format!("{count} mailboxes"),
    };
    if !migration.is_done {
        return format!("{mailboxes} would move from {} to {to}; nothing was changed.", migration.before);
    }
    let passwords = match (migration.passwords.len(), migration.to_learn) {
        (0, 0) => String::new(),
        (0, left) => format!(
            " {left} of them get the password that their users prove at the next logon; \"poppet auth\" counts them."
        ),
        _ => " These passwords are shown only now.".to_owned(),
    };
    if migration.before == to {
        return format!(
            "Users are known by {to} as before, and what mailboxes lacked for that is there.{passwords}"
        );
    }
    format!(
        "Users are known by {to} now: {mailboxes} moved from {}, with all mail.{passwords}",
        migration.before
    )
}

fn as_json(migration: &Migration, to: Method) -> Value {
    let failing: Vec<_> = migration
        .failing
        .iter()
        .map(|row| json!({"mailbox": row.mailbox.as_str(), "rule": row.rule, "remedy": row.remedy}))
        .collect();
    let passwords: Vec<_> = migration
        .passwords
        .iter()
        .map(|(address, password)| json!({"mailbox": address.as_str(), "password": shown(password)}))
        .collect();
    json!({
        "method": to.name(),
        "before": migration.before.name(),
        "done": migration.is_done,
        "mailboxes": migration.mailboxes,
        "failing": failing,
        "passwords": passwords,
        "to_learn": migration.to_learn,
        "meaning": migration.notes,
    })
}
