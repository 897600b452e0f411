//! What brings a certificate's successor.

use super::{CertificateKind, CertificateRow};

impl CertificateRow {
    /// What to do where it ends, or has: half a sentence for people, with the command where one helps.
    pub fn remedy(&self) -> String {
        match self.kind {
            CertificateKind::Server => "\"poppet cert renew\" makes another".into(),
            // It ends when nobody who reads this is there.
            CertificateKind::Authority => {
                "look at the clock (\"poppet clock\"); if that is right, \"poppet setup\" with a new database makes another, \
                 which all clients are to trust"
                    .into()
            }
            CertificateKind::ClientAuthority => by_ca_add(""),
            CertificateKind::DirectoryAuthority => by_ca_add(" --for directory"),
            CertificateKind::SmartHostAuthority => by_ca_add(" --for smarthost"),
            CertificateKind::Allowed | CertificateKind::Issued => {
                let whose = self.address.as_ref().map_or("ADDRESS", |address| address.as_str());
                let print: String = self.fingerprint.to_string().chars().take(DIGITS).collect();
                format!(
                    "\"poppet cert issue {whose}\" makes another, \"poppet cert deny {whose} {print}\" removes it"
                )
            }
            CertificateKind::Installed if self.watched.is_some() => {
                "let the program that renews its files do so now".into()
            }
            CertificateKind::Installed | CertificateKind::Request => {
                "\"poppet cert request\" and \"poppet cert install FILE\" bring its successor".into()
            }
        }
    }
}

/// Of a fingerprint, in which nobody's other one begins.
const DIGITS: usize = 16;

fn by_ca_add(whom: &str) -> String {
    format!("\"poppet cert ca add FILE{whom}\" takes its successor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Fingerprint;

    fn row(kind: CertificateKind) -> CertificateRow {
        CertificateRow::new(kind, "company".into(), Fingerprint([7; 32]))
    }

    /// An authority of a directory was to be followed by one that was then believed for users.
    #[test]
    fn each_remedy_is_the_command_that_makes_the_successor() {
        let issued = CertificateRow { address: "a@home.lan".parse().ok(), ..row(CertificateKind::Issued) };
        let watched = CertificateRow { watched: Some("/x".into()), ..row(CertificateKind::Installed) };
        for (row, wanted) in [
            (row(CertificateKind::Server), "\"poppet cert renew\""),
            (row(CertificateKind::Authority), "\"poppet clock\""),
            (row(CertificateKind::ClientAuthority), "\"poppet cert ca add FILE\""),
            (row(CertificateKind::DirectoryAuthority), "\"poppet cert ca add FILE --for directory\""),
            (row(CertificateKind::SmartHostAuthority), "\"poppet cert ca add FILE --for smarthost\""),
            (issued.clone(), "\"poppet cert issue a@home.lan\""),
            (issued, "\"poppet cert deny a@home.lan 07"),
            (row(CertificateKind::Allowed), "\"poppet cert issue ADDRESS\""),
            (row(CertificateKind::Installed), "\"poppet cert install FILE\""),
            (watched, "let the program"),
        ] {
            assert!(row.remedy().contains(wanted), "{row:?}: {}", row.remedy());
        }
    }
}
