//! What each way to log on can do with each method (A1, P11).

use serde::{Deserialize, Serialize};

use crate::settings::{Demand, ListenerKind, Method, Plaintext, Settings};

/// What a way to log on can do with the method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MechanismRow {
    /// Its names, with blanks between.
    pub names: String,
    /// Whether it works.
    pub state: MechanismState,
    /// Where it works, what makes it work, or why it can't.
    pub note: String,
}

/// Whether a way to log on works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MechanismState {
    /// It does.
    Works,
    /// It would, once what the note says is done.
    Settable,
    /// Never with this method.
    Never,
}

use MechanismState::{Never, Settable, Works};

/// All of them with that method and these settings; `relays_ntlm` where Samba's helper is installed.
pub(super) fn with(method: Method, settings: &Settings, relays_ntlm: bool) -> Vec<MechanismRow> {
    let rows = [
        ("USER/PASS PLAIN LOGIN", passwords(settings)),
        ("SCRAM-SHA-256 SCRAM-SHA-256-PLUS", verifiers(method)),
        ("APOP CRAM-MD5", secrets(method, settings)),
        ("NTLM", ntlm(method, settings, relays_ntlm)),
        (EXTERNAL, certificates(method, settings)),
    ];
    let is_required = needs_certificate(settings);
    let note = |names: &str, state, note: &str| match is_required && state == Works && names != EXTERNAL {
        true => format!("{note}, and only with a certificate: clientcert is required"),
        false => note.into(),
    };
    let row = |(names, (state, text)): (&str, (_, _))| {
        let note = note(names, state, text);
        MechanismRow { names: names.into(), state, note }
    };
    rows.map(row).into()
}

/// Whether anybody can log on without a certificate.
pub(super) fn lets_in(rows: &[MechanismRow], settings: &Settings) -> bool {
    !needs_certificate(settings) && rows.iter().any(|row| row.state == Works && row.names != EXTERNAL)
}

/// Whether a certificate is asked for wherever users log on.
fn needs_certificate(settings: &Settings) -> bool {
    let mut kinds = ListenerKind::ALL.into_iter().filter(|kind| *kind != ListenerKind::Smtp);
    kinds.all(|kind| settings.clientcert.of(kind) == Demand::Required)
}

fn passwords(settings: &Settings) -> (MechanismState, &'static str) {
    match settings.plaintext {
        _ if settings.sparequired => {
            (Settable, "refused while sparequired is on: \"poppet set sparequired off\"")
        }
        Plaintext::Never => (Settable, "refused while plaintext is never: \"poppet set plaintext tls\""),
        Plaintext::Tls => (Works, "inside TLS"),
        Plaintext::Lan => (Works, "inside TLS, from the LAN also in the clear"),
        Plaintext::Always => (Works, "also in the clear, from everywhere"),
    }
}

fn verifiers(method: Method) -> (MechanismState, &'static str) {
    match method {
        Method::File => (Works, "for every password that is set here"),
        Method::Local => (Never, "it needs a verifier, and the system keeps none"),
        Method::Directory => (Never, "it needs a verifier, and the directory gives none"),
    }
}

fn secrets(method: Method, settings: &Settings) -> (MechanismState, &'static str) {
    match method {
        Method::File if settings.challenge => (Works, "for passwords that were set since challenge is on"),
        Method::File => (Settable, "\"poppet set challenge on\", then new passwords"),
        Method::Local => (Never, "they need the password itself, and the system keeps none"),
        Method::Directory => (Never, "they need the password itself, and the directory gives none"),
    }
}

fn ntlm(method: Method, settings: &Settings, relays_ntlm: bool) -> (MechanismState, &'static str) {
    match (method, settings.spa, relays_ntlm) {
        (Method::File, ..) if settings.challenge => {
            (Works, "inside TLS, for passwords that were set since challenge is on")
        }
        (Method::File, ..) => (Settable, "\"poppet set challenge on\", then new passwords"),
        (_, true, true) => (Works, "inside TLS, by Samba's ntlm_auth"),
        (_, false, true) => (Settable, "\"poppet set spa on\": Samba's ntlm_auth is here"),
        (_, _, false) => (Settable, "install Samba's ntlm_auth (package winbind), and \"poppet set spa on\""),
    }
}

fn certificates(method: Method, settings: &Settings) -> (MechanismState, &'static str) {
    match ListenerKind::ALL.into_iter().any(|kind| settings.clientcert.of(kind) != Demand::Off) {
        false => (Settable, "\"poppet set clientcert optional\""),
        true if settings.certpassword => {
            (Settable, "the password is needed, too: \"poppet set certpassword off\" makes it enough")
        }
        // Whether the account is still there is looked for at each such logon.
        true if method == Method::Directory && settings.directory.lacks_for_search().is_some() => (
            Settable,
            "\"try again later\" until users are searched: \"poppet set\" directory_account, with upn directory_base, too",
        ),
        true => (Works, "for users whose certificate is known here"),
    }
}

/// The way of those who show no more than a certificate.
const EXTERNAL: &str = "EXTERNAL";

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter for each row: works, settable, never.
    fn states(method: Method, set: &[(&str, &str)], relays_ntlm: bool) -> (String, bool) {
        let mut settings = Settings::default();
        set.iter().for_each(|(key, value)| settings.assign(key, value).unwrap());
        let rows = with(method, &settings, relays_ntlm);
        let letter = |row: &MechanismRow| match row.state {
            Works => 'w',
            Settable => 's',
            Never => 'n',
        };
        assert!(rows.iter().all(|row| !row.note.is_empty()));
        (rows.iter().map(letter).collect(), lets_in(&rows, &settings))
    }

    const SVC: (&str, &str) = ("directory_account", "svc@ad.lan");
    const BASE: (&str, &str) = ("directory_base", "dc=ad");

    #[test]
    fn where_a_certificate_is_always_asked_for_each_way_that_works_says_so() {
        for (demand, is_told) in [("required", true), ("pop3s=required", false), ("optional", false)] {
            let mut settings = Settings::default();
            settings.assign("clientcert", demand).unwrap();
            for row in with(Method::File, &settings, false) {
                let is_told = is_told && row.state == Works && row.names != EXTERNAL;
                assert_eq!(row.note.contains("only with a certificate"), is_told, "{demand} {row:?}");
            }
        }
    }

    #[test]
    fn what_works_follows_method_and_settings_a1() {
        let (file, local, directory) = (Method::File, Method::Local, Method::Directory);
        for (method, set, relays, wanted, lets_in) in [
            (file, &[][..], false, "wwsss", true),
            (file, &[("challenge", "on")], false, "wwwws", true),
            (file, &[("sparequired", "on")], false, "swsss", true),
            (file, &[("plaintext", "never")], true, "swsss", true),
            (file, &[("spa", "on")], true, "wwsss", true),
            (file, &[("clientcert", "pop3s=required")], false, "wwssw", true),
            (file, &[("clientcert", "required"), ("certpassword", "on")], false, "wwsss", false),
            (file, &[("clientcert", "required")], false, "wwssw", false),
            (
                file,
                &[("clientcert", "pop3=required,pop3s=required,submission=required")],
                false,
                "wwssw",
                true,
            ),
            (local, &[("clientcert", "required"), ("spa", "on")], true, "wnnww", false),
            (local, &[], false, "wnnss", true),
            (local, &[("plaintext", "always")], true, "wnnss", true),
            (local, &[("spa", "on")], false, "wnnss", true),
            (local, &[("spa", "on")], true, "wnnws", true),
            (local, &[("challenge", "on")], false, "wnnss", true),
            (local, &[("sparequired", "on")], false, "snnss", false),
            (local, &[("sparequired", "on"), ("spa", "on")], true, "snnws", true),
            (local, &[("plaintext", "never"), ("clientcert", "optional")], false, "snnsw", false),
            (directory, &[], false, "wnnss", true),
            (directory, &[("spa", "on")], true, "wnnws", true),
            (directory, &[("plaintext", "never")], false, "snnss", false),
            (directory, &[("clientcert", "optional")], false, "wnnsw", true),
            (directory, &[("clientcert", "optional"), ("directory_bind", "upn")], false, "wnnss", true),
            (directory, &[("clientcert", "optional"), ("directory_bind", "upn"), SVC], false, "wnnss", true),
            (
                directory,
                &[("clientcert", "optional"), ("directory_bind", "upn"), SVC, BASE],
                false,
                "wnnsw",
                true,
            ),
            (
                directory,
                &[("clientcert", "optional"), ("directory_bind", "dn:uid={user}")],
                false,
                "wnnss",
                true,
            ),
            (
                directory,
                &[("clientcert", "optional"), ("directory_bind", "dn:uid={user}"), SVC],
                false,
                "wnnsw",
                true,
            ),
            (local, &[("clientcert", "optional"), ("directory_bind", "upn")], false, "wnnsw", true),
        ] {
            let got = states(method, set, relays);
            assert_eq!(got, (wanted.to_string(), lets_in), "{method} {set:?} {relays}");
        }
    }
}
