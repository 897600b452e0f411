//! A certificate in a listing.

use serde::{Deserialize, Serialize};

use super::CertificateKind;
use crate::cert::{self, Fingerprint};
use crate::clock::UnixTime;
use crate::mail::Address;

/// A certificate in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// What it is for.
    pub kind: CertificateKind,
    /// The user who may log on by it.
    pub address: Option<Address>,
    /// The name of its subject, or its label, or the names of a request.
    pub name: String,
    /// Which it is; zeros where none has been read from the files that are followed.
    pub fingerprint: Fingerprint,
    /// Until when it is valid, where that is known.
    pub ends: Option<UnixTime>,
    /// Whether that is over.
    pub has_ended: bool,
    /// Whether its mailbox is no more; then it is nobody's.
    pub is_nobodys: bool,
    /// To whom it is shown: names, addresses of this machine, or [`EVERYWHERE`](super::EVERYWHERE); none where it is not bound.
    pub bound: Vec<String>,
    /// The chain's file, if that is followed (T3).
    pub watched: Option<String>,
    /// What is wrong with the files that are followed: the certificate stays as it is meanwhile.
    pub trouble: Option<String>,
    /// The names and addresses that the last renewal of these files left out, so that clients that ask for them fail.
    pub left_out: Vec<String>,
    /// The names and addresses of hosts that it is for.
    pub subjects: Vec<String>,
}

impl CertificateRow {
    /// One of which no more is known.
    pub fn new(kind: CertificateKind, name: String, fingerprint: Fingerprint) -> CertificateRow {
        CertificateRow {
            kind,
            address: None,
            name,
            fingerprint,
            ends: None,
            has_ended: false,
            is_nobodys: false,
            bound: Vec::new(),
            watched: None,
            trouble: None,
            left_out: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// What the last renewal left out and what helps; half a sentence for people.
    pub fn without(&self) -> Option<String> {
        (!self.left_out.is_empty()).then(|| cert::without(&self.left_out))
    }

    /// Whether nothing was read yet from the files that are followed.
    pub fn is_unread(&self) -> bool {
        self.fingerprint == UNREAD
    }
}

/// The fingerprint of what was not read yet.
pub const UNREAD: Fingerprint = Fingerprint([0; 32]);
