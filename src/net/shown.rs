//! The certificate that a peer shows: asked for as the door wants it, and whom it names here (A8).

use std::net::IpAddr;

use super::server::Server;
use super::stream::{Lost, Stream};
use super::tls::Speaks;
use crate::auth::Peer;
use crate::mail::Address;
use crate::settings::Demand;
use crate::store::StoreError;

/// Begins TLS as [`Stream::begin_tls`] does, and finds out whether the peer has shown a certificate of somebody here.
pub async fn begin_tls(server: &Server, stream: &mut Stream, speaks: Speaks) -> Result<(), Lost> {
    let demand = server.store.settings().clientcert.of(stream.seat().kind());
    stream.begin_tls(&server.tls, speaks, demand).await?;
    let Some(certificates) = stream.shaken().and_then(|shaken| shaken.certificates()) else { return Ok(()) };
    let Ok(judged) = server.tls.trust().judge(certificates, &server.clock) else { return Ok(()) };
    let description = stream.tls_description().unwrap_or_default();
    let certificate = format!("{description} certificate {:?} {}", judged.name, judged.fingerprint.short());
    stream.seat().show_tls(certificate);
    // A store that fails is noticed again by the logon, which can tell.
    if judged.users(&server.store).await.is_ok_and(|users| !users.is_empty()) {
        stream.names_somebody();
    }
    Ok(())
}

/// The other end, as far as a logon depends on it now: a certificate that is believed no more names nobody. Errs if the
/// store fails.
pub async fn peer(server: &Server, stream: &Stream, address: IpAddr) -> Result<Peer, StoreError> {
    let settings = server.store.settings();
    Ok(Peer {
        address,
        certificate: users(server, stream).await?,
        needs_certificate: settings.clientcert.of(stream.seat().kind()) == Demand::Required,
        needs_password: settings.certpassword,
    })
}

async fn users(server: &Server, stream: &Stream) -> Result<Option<Vec<Address>>, StoreError> {
    let Some(certificates) = stream.shaken().and_then(|shaken| shaken.certificates()) else {
        return Ok(None);
    };
    match server.tls.trust().judge(certificates, &server.clock) {
        Ok(judged) => judged.users(&server.store).await.map(Some),
        Err(_) => Ok(Some(Vec::new())),
    }
}
