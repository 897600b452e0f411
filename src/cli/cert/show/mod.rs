//! cert show: what makes clients trust this server, as a file or as a code for a phone (T5).
//!
//! ```text
//! --pem           the authority's certificate, for whatever takes a file
//! --mobileconfig  the same as a profile of Apple's, with --for the account, too: profile
//! --qr            a code on the terminal: qr. With --for the account, as Thunderbird for Android takes it (account);
//!                 without, the authority's fingerprint, to hold against what a phone shows
//! ```

mod account;
mod profile;
mod qr;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{ask, cannot_make, stranger};
use crate::admin::{
    AdminError, Answer, CertificateAct, CertificateKind, CertificateRow, Failure, Fingerprint, Told,
};
use crate::cli::certificate_verb::CertVerb;
use crate::cli::desk::Desk;
use crate::cli::output::Output;
use crate::cli::table::{Cell, Report, Said};
use account::Account;

/// The authority as its clients see it.
pub(super) struct Authority {
    /// PEM.
    pub pem: String,
    /// Its name and fingerprint.
    pub row: CertificateRow,
}

pub(super) fn show(verb: &CertVerb, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let authority = authority(desk)?;
    let account = match &verb.vouches {
        Some(address) => Some(Account::of(super::address(address)?, verb.host.as_deref(), desk)?),
        None => None,
    };
    match (verb.mobileconfig, verb.qr) {
        (true, _) => {
            let profile = profile::profile(&authority, account.as_ref())?;
            give(verb, "profile", &profile, output)
        }
        (_, true) => show_code(verb, &authority, account.as_ref(), output),
        _ => give(verb, "authority", &authority.pem, output),
    }
}

/// Each way of showing takes some of the options.
pub(super) fn check(verb: &CertVerb) -> Result<(), AdminError> {
    if [verb.pem, verb.mobileconfig, verb.qr].into_iter().filter(|is_given| *is_given).count() > 1 {
        return Err(AdminError::usage("say one of --pem, --mobileconfig and --qr"));
    }
    if verb.vouches.is_some() && !verb.mobileconfig && !verb.qr {
        return Err(AdminError::usage(
            "\"poppet cert show --for ADDRESS\" needs --mobileconfig or --qr: PEM has room for no account",
        ));
    }
    if verb.host.is_some() && verb.vouches.is_none() {
        return Err(AdminError::usage("--host belongs to \"poppet cert show --for ADDRESS\""));
    }
    Ok(())
}

fn authority(desk: &Desk) -> Result<Authority, AdminError> {
    let Answer::Certificate { authority: pem, .. } = ask(desk, CertificateAct::Show)? else {
        return Err(stranger());
    };
    let Answer::Certificates(Told::Rows(rows)) = ask(desk, CertificateAct::List)? else {
        return Err(stranger());
    };
    let row = rows.into_iter().find(|row| row.kind == CertificateKind::Authority).ok_or_else(stranger)?;
    Ok(Authority { pem, row })
}

fn show_code(
    verb: &CertVerb,
    authority: &Authority,
    account: Option<&Account>,
    output: &Output,
) -> Result<(), AdminError> {
    let content = match account {
        Some(account) => account.for_thunderbird()?,
        None => format!("{}\nSHA-256 {}", authority.row.name, as_phones_show(authority.row.fingerprint)),
    };
    if output.is_json {
        return output.report(&Report::Facts(vec![("content", Cell::text(content))]));
    }
    let code = qr::Code::of(&content)?;
    if verb.out.is_some() || !output.is_terminal {
        return give(verb, "code", &code.plain(), output);
    }
    code.check_room(qr::room())?;
    output.text(&code.coloured())?;
    output.text(match account {
        Some(_) => "Thunderbird for Android takes it where an account is added, by \"Import settings\" and \"QR code\".\n",
        None => "It holds the authority's name and fingerprint, for a phone that asks whether to trust the server.\n",
    })
}

fn as_phones_show(print: Fingerprint) -> String {
    print.0.map(|octet| format!("{octet:02X}")).join(":")
}

/// To the file of `--out`, or to standard output.
fn give(verb: &CertVerb, what: &'static str, text: &str, output: &Output) -> Result<(), AdminError> {
    match &verb.out {
        Some(out) => {
            let path = Path::new(out);
            write(path, text).map_err(|error| cannot_make(path, &error))?;
            let sentence = format!("{out} has the {what}.");
            output.report(&Report::Said(sentence, vec![(what, Cell::text(out))], Said::Quiet))
        }
        None if output.is_json => output.report(&Report::Facts(vec![(what, Cell::text(text))])),
        None => output.text(text),
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn refused(text: impl Into<String>) -> AdminError {
    AdminError::new(Failure::Refused, text)
}
