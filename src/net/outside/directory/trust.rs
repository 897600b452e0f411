//! Whose certificates servers of the directory may show (S-202).

use std::sync::Arc;
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::limits;
use crate::net::authorities::{self, Authorities, Whose};

/// The present configuration of TLS, made again when the authorities change.
#[derive(Debug, Default)]
pub(super) struct Trust {
    authorities: Authorities<ClientConfig>,
}

impl Trust {
    /// TLS that believes the authorities of that record, or the system's if there is none. Errs with what to do.
    pub async fn config(&self, record: Option<Vec<u8>>, now: Instant) -> Result<Arc<ClientConfig>, String> {
        self.authorities.of(record, now, DIRECTORY, config).await
    }
}

/// What a failed handshake was, and what to do.
pub(super) fn explain(error: &std::io::Error, host: &str) -> String {
    authorities::explain(error, host, DIRECTORY)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(limits::DIRECTORY_SERVERS);
    Ok(config)
}

const DIRECTORY: Whose = Whose { purpose: "directory", setting: "directory_servers" };
