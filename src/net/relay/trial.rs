//! A way tried as far as the logon, for `poppet doctor`; and what is needed to go it at all.

use std::net::SocketAddr;
use std::time::Duration;

use smol::channel::{self, Receiver};

use super::link::{Patience, within};
use super::reach::{Means, Trouble, TroubleKind, note, note_as};
use super::settling::shown;
use super::verifier::{RelayAuthorities, SMARTHOST, hex};
use crate::admin::{Trial, TrialState, TrialStep};
use crate::auth::Gatekeeper;
use crate::cert::SMART_HOST_AUTHORITIES;
use crate::clock::Clock;
use crate::mail::Lane;
use crate::net::server::{self, Server};
use crate::relay::{self, Way, way};
use crate::smtp::client::Credentials;
use crate::store::Store;

/// Tries the way of a lane as far as the logon, and sends nothing; `poppet doctor` asks it, with and without a server.
pub async fn try_way(store: &Store, gatekeeper: &Gatekeeper, lane: &Lane) -> Trial {
    // Kept until the end: without it, nothing is waited for.
    let (_knife, cut) = channel::bounded(1);
    let found = Found { store, gatekeeper, own: Vec::new(), clock: store.clock().clone(), cut };
    found.try_way(lane, &RelayAuthorities::default()).await
}

/// The same in a running server, which knows its own doors.
pub async fn try_in(server: &Server, lane: &Lane) -> Trial {
    Found::in_server(server).try_way(lane, &server.relay.authorities).await
}

/// What is needed to go the way of a lane. Errs if it can't be had.
pub async fn means_of(server: &Server, lane: &Lane, way: Way) -> Result<Means, Trouble> {
    let shuns = server.relay.shunned.of(lane);
    let found = Found::in_server(server);
    let means = found.means(lane, way, &server.relay.authorities, server.relay.patience).await?;
    Ok(Means { shuns: Some(shuns), ..means })
}

/// Where what is needed is found.
struct Found<'a> {
    store: &'a Store,
    gatekeeper: &'a Gatekeeper,
    own: Vec<SocketAddr>,
    clock: Clock,
    cut: Receiver<()>,
}

impl<'a> Found<'a> {
    fn in_server(server: &'a Server) -> Found<'a> {
        Found {
            store: &server.store,
            gatekeeper: &server.gatekeeper,
            own: server.doors(),
            clock: server.clock.clone(),
            cut: server.relay.cut.clone(),
        }
    }

    async fn try_way(&self, lane: &Lane, authorities: &RelayAuthorities) -> Trial {
        let mut steps = Some(Vec::new());
        let trying = self.steps(lane, authorities, &mut steps);
        if within(&self.clock, TRIAL, Box::pin(trying)).await.is_none() {
            note(&mut steps, "", false, "it takes too long: the steps behind were not tried");
        }
        Trial { steps: steps.unwrap_or_default() }
    }

    async fn steps(&self, lane: &Lane, authorities: &RelayAuthorities, steps: &mut Option<Vec<TrialStep>>) {
        let Some(way) = way::way(self.store, lane) else {
            return note(steps, "", false, "there is no such way: name a smart host or make a route");
        };
        let user = way.user.clone();
        let means = match self.means(lane, way, authorities, QUICK).await {
            Ok(means) => means,
            Err(trouble) => return note(steps, &trouble.host, false, &shown(&trouble)),
        };
        // Each trouble is noted where it is met.
        let Ok(talk) = means.reach(steps).await else { return };
        let host = talk.host().to_owned();
        match &talk.link().seen {
            None => note_as(
                steps,
                &host,
                TrialState::Note,
                "it is spoken to in clear text: nobody knows who listens",
            ),
            Some(seen) => {
                let print = seen.fingerprint.as_ref().map(hex).unwrap_or_default();
                let state = if seen.fault.is_none() { TrialState::Good } else { TrialState::Note };
                let text = match &seen.fault {
                    None => format!(
                        "TLS stands, and its certificate is right; its SHA-256 fingerprint is {print}"
                    ),
                    Some(fault) => format!(
                        "TLS stands, but nobody knows with whom: {fault}. If the certificate with the SHA-256 \
                         fingerprint {print} is the right one, pin it with \"poppet set smarthost_pin {print}\""
                    ),
                };
                note_as(steps, &host, state, &text);
            }
        }
        match user {
            Some(user) => note(steps, &host, true, &format!("it lets us in as {user}")),
            None => note(steps, &host, true, "it takes mail without a logon, as far as it says"),
        }
        talk.finish().await;
    }

    async fn means(
        &self,
        lane: &Lane,
        way: Way,
        authorities: &RelayAuthorities,
        patience: Patience,
    ) -> Result<Means, Trouble> {
        let unread = |_| {
            let text = "the database can't be read: look at \"poppet status\"";
            Trouble::found(TroubleKind::Later, "", [4, 3, 0], text)
        };
        let credentials = match &way.user {
            None => None,
            Some(user) => Some(self.credentials(lane, user).await?),
        };
        let record = self.store.record(SMART_HOST_AUTHORITIES).await.map_err(unread)?;
        let now = self.clock.monotonic();
        Ok(Means {
            credentials,
            hostname: server::hostname(&self.store.settings()),
            authorities: authorities.of(record, now, SMARTHOST, Ok).await,
            own: self.own.clone(),
            gatekeeper: self.gatekeeper.clone(),
            patience,
            clock: self.clock.clone(),
            cut: self.cut.clone(),
            shuns: None,
            way,
        })
    }

    async fn credentials(&self, lane: &Lane, user: &str) -> Result<Credentials, Trouble> {
        let name = relay::password_record(lane);
        let held = |text: &str| Trouble::found(TroubleKind::Held, "", [4, 7, 8], text);
        let sealed = self.store.record(&name).await.map_err(|_| {
            Trouble::found(TroubleKind::Later, "", [4, 3, 0], "the password can't be read now")
        })?;
        let sealed = sealed.ok_or_else(|| {
            held(&format!("there is no password for {user}: give it with \"poppet set smarthost_password\""))
        })?;
        let password = self.gatekeeper.unseal(&name, &sealed).ok_or_else(|| {
            held("the smart host's password was sealed with another device key: give it again with \"poppet set smarthost_password\"")
        })?;
        Ok(Credentials { user: user.into(), password })
    }
}

/// A person waits.
const QUICK: Patience = Patience {
    connect: Duration::from_secs(10),
    handshake: Duration::from_secs(10),
    block: Duration::from_secs(10),
    reply: Duration::from_secs(30),
    attempt: Duration::from_secs(60),
    idle: Duration::ZERO,
};
/// A trial in all.
const TRIAL: Duration = Duration::from_secs(120);
