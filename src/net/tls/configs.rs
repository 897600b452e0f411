//! The configurations of one moment: for each protocol, for what it asks of certificates, and for what the address binds
//! to.
//!
//! ```text
//! address of this machine -> set -> protocol, demand -> ServerConfig -- ClientHello's name --> Chooser -> certificate
//!                                                                  '-- tickets of its own
//! ```
//!
//! There are as many sets as certificates are bound to addresses, and one for the other addresses: a ticket that was given
//! at one address is of no use where another certificate is shown. Names that peers ask for are looked up and leave nothing
//! behind (S-252).

use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::Speaks;
use crate::cert::{Choice, ServerIdentity, Shown, Trust, Verifier};
use crate::clock::Clock;
use crate::net::end_point;
use crate::settings::Demand;

/// All configurations.
#[derive(Debug)]
pub struct Configs {
    /// With what an address binds to.
    sets: Vec<(Option<usize>, Set)>,
    faces: Arc<Faces>,
    /// What is believed of users' certificates.
    pub trust: Arc<Trust>,
}

/// Those for addresses that bind to the same.
#[derive(Debug)]
struct Set {
    pop3: Demands,
    smtp: Demands,
}

/// What a door asks of certificates, in the order of [`Demand::ALL`].
type Demands = [Arc<ServerConfig>; 3];

/// What is shown, and to whom.
#[derive(Debug)]
struct Faces {
    /// None where key and certificate don't fit together.
    all: Vec<Option<Face>>,
    choice: Choice,
}

#[derive(Debug)]
struct Face {
    key: Arc<CertifiedKey>,
    end_point: Option<Arc<[u8]>>,
}

/// Chooses by the name that a client asks for.
#[derive(Debug)]
struct Chooser {
    faces: Arc<Faces>,
    at: Option<usize>,
}

impl Configs {
    /// Shows what can be shown. Errs if none of them has a key that fits.
    pub fn new(shown: &Shown, trust: Arc<Trust>, clock: &Clock) -> Result<Configs, Error> {
        let (mut all, mut flaw) = (Vec::new(), Error::NoCertificatesPresented);
        for identity in &shown.identities {
            let face = Face::new(identity);
            if let Err(error) = &face {
                log::warn!("a certificate can't be used: {error}; \"poppet cert list\" shows all of them");
                flaw = error.clone();
            }
            all.push(face.ok());
        }
        if all.iter().all(Option::is_none) {
            return Err(flaw);
        }
        let faces = Arc::new(Faces { all, choice: shown.choice.clone() });
        let mut sets = Vec::new();
        for at in shown.choice.by_address() {
            let chooser = Arc::new(Chooser { faces: Arc::clone(&faces), at });
            let demands = |protocol: &[u8]| -> Result<Demands, Error> {
                let config = |demand| config(&chooser, protocol, demand, &trust, clock);
                Ok([config(Demand::Off)?, config(Demand::Optional)?, config(Demand::Required)?])
            };
            sets.push((at, Set { pop3: demands(b"pop3")?, smtp: demands(b"smtp")? }));
        }
        Ok(Configs { sets, faces, trust })
    }

    /// The configuration for a handshake with who has come by that address; none if there is none at all.
    pub fn of(&self, speaks: Speaks, demand: Demand, address: Option<IpAddr>) -> Option<Arc<ServerConfig>> {
        let at = self.at(address);
        let (_, set) = self.sets.iter().find(|(known, _)| *known == at)?;
        let [off, optional, required] = match speaks {
            Speaks::Pop3 => &set.pop3,
            Speaks::Smtp => &set.smtp,
        };
        Some(Arc::clone(match demand {
            Demand::Off => off,
            Demand::Optional => optional,
            Demand::Required => required,
        }))
    }

    /// `tls-server-end-point` of what is shown to who asks for that name at that address, where it has one. RFC 5929 §4.
    pub fn end_point(&self, name: Option<&str>, address: Option<IpAddr>) -> Option<Arc<[u8]>> {
        self.faces.of(name, self.at(address))?.end_point.clone()
    }

    fn at(&self, address: Option<IpAddr>) -> Option<usize> {
        address.and_then(|address| self.faces.choice.at(address))
    }
}

impl Faces {
    fn of(&self, name: Option<&str>, at: Option<usize>) -> Option<&Face> {
        let face = |number: usize| self.all.get(number).and_then(Option::as_ref);
        let everybody_s = || face(self.choice.everywhere);
        face(self.choice.of(name, at)).or_else(everybody_s).or_else(|| self.all.iter().flatten().next())
    }
}

impl Face {
    /// Errs if key and certificate don't fit together.
    fn new(identity: &ServerIdentity) -> Result<Face, Error> {
        let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        // Borrowed: a copy would stay in memory that is given back.
        let key = PrivateKeyDer::try_from(identity.private_key.expose())
            .map_err(|text| Error::General(text.into()))?;
        let key = CertifiedKey::new(chain, ring::sign::any_supported_type(&key)?);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(error) => return Err(error),
        }
        let key = Arc::new(key);
        let end_point = identity.chain.first().and_then(|certificate| end_point::of(certificate));
        Ok(Face { key, end_point: end_point.map(Arc::from) })
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.faces.of(hello.server_name(), self.at).map(|face| Arc::clone(&face.key))
    }
}

fn config(
    chooser: &Arc<Chooser>,
    protocol: &[u8],
    demand: Demand,
    trust: &Arc<Trust>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, Error> {
    let (trust, clock) = (Arc::clone(trust), clock.clone());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(match demand {
            Demand::Off => WebPkiClientVerifier::no_client_auth(),
            demand => Arc::new(Verifier { trust, clock, is_required: demand == Demand::Required }),
        })
        .with_cert_resolver(Arc::clone(chooser) as _);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // A session that is taken up again would bring a certificate that is revoked by now (S-256).
    if demand == Demand::Off {
        // Tickets keep the state at the peer; one is enough for clients that connect once at a time.
        config.ticketer = ring::Ticketer::new()?;
        config.send_tls13_tickets = 1;
    }
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}
