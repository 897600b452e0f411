//! Certificates for this server that others have signed (T2): requested, installed, bound, taken away.

use super::{CertificateKind, CertificateRow, EVERYWHERE, Told, failed, has_ended, now, row};
use crate::admin::{AdminError, Answer, Context, Failure, quoted};
use crate::cert::{self, Bound, CertError, Installed, Requested, TakenAway};
use crate::mail::Secret;
use crate::store::StoreError;

/// Makes a request, or gives the one that is pending.
pub(super) async fn request(
    context: &Context,
    subjects: &[String],
    names: &[String],
) -> Result<Answer, AdminError> {
    let made = cert::request(&context.store, &context.gatekeeper, subjects, names).await?;
    let Requested { request, subjects } = made;
    let request = cert::labelled("CERTIFICATE REQUEST", &request);
    Ok(Answer::Certificates(Told::Request { request, subjects }))
}

pub(super) async fn install(
    context: &Context,
    label: &str,
    chain: &Secret,
    key: Option<&Secret>,
) -> Result<Answer, AdminError> {
    let Context { store, gatekeeper, .. } = context;
    let installed =
        cert::install(store, gatekeeper, label, chain.expose(), key.map(Secret::expose), now()).await;
    let mut installed = installed.map_err(|CertError(text)| AdminError::new(Failure::Refused, text))?;
    let mut notes = std::mem::take(&mut installed.notes);
    notes.extend(installed.taken.take());
    let row = Box::new(installed_row(installed).ok_or_else(vanished)?);
    Ok(Answer::Certificates(Told::Installed { row, notes }))
}

pub(super) async fn bind(context: &Context, label: &str, places: &[String]) -> Result<Answer, AdminError> {
    cert::bind(&context.store, label, places).await.map_err(|error| unknown(error, label))?;
    let label = label.to_ascii_lowercase();
    let row = match label == cert::POPPET {
        true => own(context).await?,
        false => {
            let installed = cert::installed(&context.store).await.map_err(failed)?;
            installed.into_iter().find(|installed| installed.label == label).and_then(installed_row)
        }
    };
    Ok(super::rows(vec![row.ok_or_else(vanished)?]))
}

pub(super) async fn uninstall(context: &Context, label: &str) -> Result<Answer, AdminError> {
    let taken = cert::uninstall(&context.store, label).await.map_err(|error| unknown(error, label))?;
    Ok(Answer::Certificates(Told::Uninstalled { is_request: taken == TakenAway::Request }))
}

/// Poppet's own, what is installed, and what is requested.
pub(super) async fn rows(context: &Context) -> Result<Vec<CertificateRow>, AdminError> {
    let mut rows: Vec<_> = own(context).await?.into_iter().collect();
    let installed = cert::installed(&context.store).await.map_err(failed)?;
    rows.extend(installed.into_iter().filter_map(installed_row));
    let requests = cert::requests(&context.store).await.map_err(failed)?;
    rows.extend(requests.into_iter().map(|Requested { request, subjects }| {
        let (name, fingerprint) = (subjects.join(" "), cert::fingerprint(&request));
        CertificateRow { subjects, ..CertificateRow::new(CertificateKind::Request, name, fingerprint) }
    }));
    Ok(rows)
}

async fn own(context: &Context) -> Result<Option<CertificateRow>, AdminError> {
    let der = cert::server_certificate(&context.store).await.map_err(failed)?;
    let bound = cert::bound(&context.store, cert::POPPET).await.map_err(failed)?;
    let row = der.and_then(|der| row(CertificateKind::Server, &der));
    Ok(row.map(|row| CertificateRow { bound: texts(&bound), ..row }))
}

fn installed_row(installed: Installed) -> Option<CertificateRow> {
    let fingerprint = cert::fingerprint(installed.chain.first()?);
    Some(CertificateRow {
        ends: Some(installed.ends),
        has_ended: has_ended(Some(installed.ends)),
        bound: texts(&installed.bound),
        subjects: installed.subjects,
        ..CertificateRow::new(CertificateKind::Installed, installed.label, fingerprint)
    })
}

fn texts(bound: &Bound) -> Vec<String> {
    let places = bound.places.iter().map(ToString::to_string);
    places.chain(bound.is_everywhere.then(|| EVERYWHERE.to_owned())).collect()
}

fn unknown(error: StoreError, label: &str) -> AdminError {
    match error {
        StoreError::NotFound(_) => AdminError::new(
            Failure::NotFound,
            format!(
                "no certificate {} is installed, and none is requested: \"poppet cert list\" shows what there is",
                quoted(label)
            ),
        ),
        error => error.into(),
    }
}

/// Somebody was quicker.
fn vanished() -> AdminError {
    AdminError::new(Failure::NotFound, "it was removed meanwhile: \"poppet cert list\" shows what is there")
}
