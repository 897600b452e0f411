//! Certificates that look after themselves: files that another program renews (T3), and poppet's own made anew (T1).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use super::certificates::{self, CertificateAct, CertificateKind, CertificateRow, Told, UNREAD};
use super::{AdminError, Answer, Context, Failure, founding, quoted};
use crate::cert::{self, CertError, FilePair, Unreadable, Watched};
use crate::limits;
use crate::sandbox;
use crate::store::StoreError;

/// What is told before an act with a certificate whose files are followed: it can't be installed by hand, for the files
/// would take its place again; and with the certificate goes that its files are followed.
pub(super) async fn before(context: &Context, act: &CertificateAct) -> Result<(), AdminError> {
    match act {
        CertificateAct::Install { label, .. } => {
            let (all, label) = (cert::watched(&context.store).await?, &label.to_ascii_lowercase());
            match all.iter().find(|watched| watched.label == *label) {
                Some(watched) => Err(AdminError::new(
                    Failure::Refused,
                    format!(
                        "{} is the certificate in {}, which is followed: \"poppet cert unwatch {label}\" first",
                        quoted(label),
                        quoted(&watched.chain)
                    ),
                )),
                None => Ok(()),
            }
        }
        CertificateAct::Uninstall { label } => {
            match cert::unwatch(&context.store, &label.to_ascii_lowercase()).await {
                Ok(()) | Err(StoreError::NotFound(_)) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Ok(()),
    }
}

/// What can't be read by now for want of rights is followed all the same: the rights may come, and a sandbox that does
/// not know the folder does so after a restart. `names` are those that who asks has read in the certificate.
pub(super) async fn watch(
    context: &Context,
    label: String,
    (chain, key): (String, String),
    names: &[String],
) -> Result<Answer, AdminError> {
    let store = &context.store;
    let mut watched = Watched::new(&label, chain, key).map_err(refused)?;
    let all = cert::watched(store).await?;
    let is_known = all.iter().any(|kept| kept.label == watched.label);
    if !is_known && all.len() >= limits::WATCHED_CERTIFICATES {
        return Err(AdminError::new(Failure::Refused, cert::too_many_watched()));
    }
    let (mut notes, mut trouble) = (Vec::new(), None);
    match FilePair::read(&watched) {
        Ok(pair) => {
            let key = pair.key.as_ref().map(|key| key.expose());
            let (gatekeeper, label) = (&context.gatekeeper, &watched.label);
            let now = store.believed_now();
            let installed = cert::install(store, gatekeeper, label, pair.chain.expose(), key, now).await;
            let installed = installed.map_err(refused)?;
            watched = Watched { label: installed.label, taken: Some(pair.fingerprint()), ..watched };
            notes = installed.notes;
            notes.extend(installed.taken);
        }
        Err(Unreadable::Denied(CertError(cause))) => {
            watched.label = label_unread(context, &watched, names, &cause).await?;
            trouble = Some(cause);
        }
        Err(Unreadable::Wrong(error)) => return Err(refused(error)),
    }
    let label = watched.label.clone();
    cert::watch(store, watched).await?;
    if let Some(live) = &context.live {
        live.look_at_watched();
    }
    let rows = certificates::all_rows(context).await?;
    let row = rows.into_iter().find(|row| row.kind == CertificateKind::Installed && row.name == label);
    Ok(Answer::Certificates(Told::Followed { label, row: row.map(Box::new), trouble, notes }))
}

/// What files are called that can't be read yet: without a label by the names that are said to be in them.
pub(super) async fn label_unread(
    context: &Context,
    watched: &Watched,
    names: &[String],
    cause: &str,
) -> Result<String, AdminError> {
    match (watched.label.as_str(), names) {
        ("", []) => {
            let is_outside =
                [&watched.chain, &watched.key].iter().any(|path| !sandbox::lets_read(Path::new(path)));
            Err(AdminError::new(Failure::Refused, nameless(cause, is_outside)))
        }
        ("", names) => cert::label_for(&context.store, names).await.map_err(refused),
        (label, _) => Ok(label.to_owned()),
    }
}

/// What to do with files that can't be read yet, so that nobody knows what to call them.
pub(super) fn nameless(cause: &str, is_outside: bool) -> String {
    match is_outside {
        // A start lets the sandbox read what is followed then.
        true => format!(
            "the running server's sandbox doesn't let it read these files: say it again with --as LABEL, so that they are \
             followed, and then {}",
            sandbox::restart()
        ),
        false => format!("{cause}; to follow them all the same, add --as LABEL"),
    }
}

/// The names and addresses that a certificate is for, the server's own of a chain; none if nothing is to be read there.
pub fn names_in(file: &[u8]) -> Vec<String> {
    cert::subjects_in(file)
}

/// What was installed from them stays.
pub(super) async fn unwatch(context: &Context, label: &str) -> Result<Answer, AdminError> {
    match cert::unwatch(&context.store, &label.to_ascii_lowercase()).await {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::NotFound(_)) => Err(AdminError::new(
            Failure::NotFound,
            format!("no files of {} are followed: \"poppet cert list\" shows those that are", quoted(label)),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Gives the new certificate.
pub(super) async fn renew(
    context: &Context,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<Answer, AdminError> {
    founding::renew_certificate(context, names, addresses).await?;
    let mut rows = certificates::all_rows(context).await?;
    rows.retain(|row| row.kind == CertificateKind::Server);
    Ok(Answer::Certificates(Told::Rows(rows)))
}

/// Says of the rows which files are followed for them, and what is wrong with those; what is followed and not installed
/// yet has a row too.
pub(super) async fn tell(context: &Context, rows: &mut Vec<CertificateRow>) -> Result<(), AdminError> {
    let all = cert::watched(&context.store).await?;
    let mut troubles = troubles(context, &all);
    let mut left_out = cert::left_out(&context.store).await.map_err(refused)?;
    for watched in all {
        let trouble = troubles.remove(&watched.label);
        let is_meant =
            |row: &&mut CertificateRow| row.kind == CertificateKind::Installed && row.name == watched.label;
        match rows.iter_mut().find(is_meant) {
            Some(row) => {
                row.left_out = left_out.remove(&watched.label).unwrap_or_default();
                (row.watched, row.trouble) = (Some(watched.chain), trouble);
            }
            None => rows.push(CertificateRow {
                watched: Some(watched.chain),
                trouble: trouble.or_else(|| Some("its files are read within a minute".into())),
                ..CertificateRow::new(CertificateKind::Installed, watched.label, UNREAD)
            }),
        }
    }
    Ok(())
}

/// By label; without a server they are looked for in the files now.
fn troubles(context: &Context, all: &[Watched]) -> BTreeMap<String, String> {
    match &context.live {
        Some(live) => live.troubles_of_watched().into_iter().collect(),
        None => all
            .iter()
            .filter_map(|watched| {
                Some((watched.label.clone(), FilePair::read(watched).err()?.text().to_owned()))
            })
            .collect(),
    }
}

fn refused(CertError(text): CertError) -> AdminError {
    AdminError::new(Failure::Refused, text)
}
