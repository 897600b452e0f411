//! What a changed setting means for passwords, logons and mail, in plain words.

use super::table::Cell;
use crate::admin::{Consequence, Target};
use crate::mail::Address;
use crate::settings::{ListenerKind, Method};

/// What it means for passwords and logons, in lines for people.
pub(super) fn of_logons(consequence: &Consequence) -> Vec<String> {
    match consequence {
        Consequence::KeepsSecrets { without } => vec![
            "APOP, CRAM-MD5 and NTLM work for passwords that are set from now on.".to_owned(),
            "The price: these passwords are kept themselves, sealed with the device key. Whoever gets the \
             database and the key can read them."
                .to_owned(),
            match without.as_slice() {
                [] => "Every mailbox can use them already.".to_owned(),
                without => format!(
                    "Clients that take one of them by themselves, as many do, are refused until the password is set \
                     anew by \"poppet passwd\" (it may be the same): {}.",
                    names(without)
                ),
            },
        ],
        Consequence::WipedSecrets { mailboxes } => {
            let wiped = match mailboxes {
                0 => "No password was kept for them.".to_owned(),
                1 => "The password of 1 mailbox that was kept for them is wiped.".to_owned(),
                count => format!("The passwords of {count} mailboxes that were kept for them are wiped."),
            };
            let backups = "Backups made before still hold them.".to_owned();
            let mut lines = vec![format!("APOP, CRAM-MD5 and NTLM work no more. {wiped}")];
            lines.extend((*mailboxes > 0).then_some(backups));
            lines
        }
        Consequence::KnownElsewhere { method, shuts_out: false } => vec![format!(
            "Users are known by {method}, which has no passwords for APOP, CRAM-MD5 and NTLM: it counts once \
             \"poppet auth file --migrate\" has taken them back."
        )],
        Consequence::KnownElsewhere { method, shuts_out: true } => vec![format!(
            "Warning: users are known by {method}, which needs the password itself. What works now is NTLM with \
             \"poppet set spa on\", and certificates of users."
        )],
        Consequence::TakesNoPasswords { takes_challenges, without } => {
            let beside = if *takes_challenges {
                ", APOP, CRAM-MD5 and NTLM for those whose password is kept"
            } else {
                ""
            };
            let mut lines = vec![
                "USER with PASS, PLAIN and LOGIN are refused from the next connection on, also inside TLS."
                    .to_owned(),
                format!("What works: SCRAM-SHA-256{beside}. Clients that know none of it can't log on."),
            ];
            lines.extend((!without.is_empty()).then(|| {
                format!(
                    "Warning: nothing works any more for {}: give them new passwords by \"poppet passwd\".",
                    names(without)
                )
            }));
            lines
        }
        Consequence::NeedsCertificate { listeners, is_any_known } => {
            vec![of_certificates(&listeners.join(", "), *is_any_known)]
        }
        Consequence::AsksNobody => vec![
            "Warning: nobody can log on, for users are known by the directory, which has no server now: \"poppet set \
             directory_servers ldaps://HOST\" names one."
                .to_owned(),
        ],
        Consequence::RelaysNtlm { is_there } => of_relaying(*is_there),
        Consequence::SmartHost { .. } => of_smart_host(consequence),
    }
}

/// What mail that leaves through a smart host lacks, and where its password goes.
fn of_smart_host(consequence: &Consequence) -> Vec<String> {
    let Consequence::SmartHost { is_missing, lacks_password, lacks_user, hands_on_password, guards_password } =
        *consequence
    else {
        return Vec::new();
    };
    let lines = [
        (
            is_missing,
            "It is of no use yet: user, password, certificates and sender count only for a smart host that is set for \
             the same ones, by \"poppet set smarthost HOST\".",
        ),
        (
            lacks_password,
            "The password of smarthost_user is not here yet: \"poppet set smarthost_password\" asks for it.",
        ),
        (
            lacks_user,
            "A password is kept, and nobody logs on with it: \"poppet set smarthost_user NAME\" says as whom, \"poppet \
             set smarthost_password --default\" forgets it.",
        ),
        (
            hands_on_password,
            "The password that is kept goes to this server from now on: \"poppet set smarthost_password\" gives it another \
             one.",
        ),
        (
            guards_password,
            "Mail goes there whatever certificate is shown, the password only where it is right: where it is not, nothing \
             that needs a logon is sent. \"poppet set smarthost_tls required\" is safer.",
        ),
    ];
    lines.into_iter().filter(|(is, _)| *is).map(|(_, line)| line.to_owned()).collect()
}

fn of_certificates(listeners: &str, is_any_known: bool) -> String {
    match is_any_known {
        true => format!(
            "At {listeners} nobody logs on any more without a certificate that is known here: \"poppet cert\" lists them."
        ),
        false => format!(
            "Warning: nobody can log on at {listeners}, for no certificate is known here: \"poppet cert issue ADDRESS\" \
             makes a certificate."
        ),
    }
}

fn of_relaying(is_there: bool) -> Vec<String> {
    let mut lines = vec![
        "NTLM logons inside TLS are passed on to Samba's ntlm_auth, which asks the machine's domain.".to_owned(),
        "The price: those of clients that send no channel binding are taken, too, so whoever gets a user's computer \
         to log on to him by NTLM can pass that on and log on here as that user."
            .to_owned(),
    ];
    let missing = "It is not here yet: install the package winbind, or set ntlm_auth to where it is.";
    lines.extend((!is_there).then(|| missing.to_owned()));
    lines
}

/// What it means for mail that is here already, in lines for people.
pub(super) fn of_mail(key: &str, value: &str) -> Vec<String> {
    let line = match (key, value) {
        ("retain", "never") => return Vec::new(),
        ("retain", _) => {
            "Mail that is older is removed soon, also what is here already; \"poppet undelete\" brings it back for \
             the days of undo_days."
        }
        ("undo_days", "0") => {
            "What is removed can't be brought back, and what was removed until now goes for good soon."
        }
        _ => return Vec::new(),
    };
    vec![line.to_owned()]
}

/// What a listener's new address needs beside a restart, where that is no matter of the server alone.
pub(super) fn of_listener(key: &str, waits_for_restart: bool) -> Option<String> {
    (is_listener(key) && waits_for_restart).then(|| {
        "Where poppet runs as a service, run \"poppet setup\" again as root: ports are opened by the service manager, which \
         has to know, and setup restarts the server."
            .to_owned()
    })
}

/// Whether that setting is where a listener listens.
pub(super) fn is_listener(key: &str) -> bool {
    ListenerKind::ALL.iter().any(|kind| kind.name() == key)
}

/// What it means for those whose own values count no more because the one above is final, or count again.
pub(super) fn of_finality(is_final: bool, below: &[Target]) -> Option<String> {
    let counts = if is_final { "is kept but counts no more" } else { "counts again" };
    (!below.is_empty()).then(|| format!("What was set for these {counts}: {}.", names(below)))
}

/// The same for programs.
pub(super) fn fact(consequence: &Consequence) -> (&'static str, Cell) {
    match consequence {
        Consequence::KeepsSecrets { without } | Consequence::TakesNoPasswords { without, .. } => {
            ("needs_new_password", Cell::Texts(without.iter().map(Address::to_string).collect()))
        }
        Consequence::WipedSecrets { mailboxes } => ("wiped", Cell::Number((*mailboxes).into())),
        Consequence::KnownElsewhere { method, .. } => ("known_by", Cell::text(method.name())),
        Consequence::NeedsCertificate { listeners, is_any_known } => {
            let key = if *is_any_known { "needs_certificate" } else { "shut" };
            (key, Cell::Texts(listeners.clone()))
        }
        Consequence::AsksNobody => ("known_by", Cell::text(Method::Directory.name())),
        Consequence::RelaysNtlm { is_there } => ("relays_ntlm", Cell::Is(*is_there)),
        Consequence::SmartHost { is_missing, lacks_password, lacks_user, .. } => {
            ("smarthost_ready", Cell::Is(!(*is_missing || *lacks_password || *lacks_user)))
        }
    }
}

fn names(targets: &[impl ToString]) -> String {
    let shown: Vec<_> = targets.iter().take(SHOWN).map(ToString::to_string).collect();
    match targets.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more (--json names all)", shown.join(", ")),
    }
}

/// Names in a sentence.
const SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: usize) -> Vec<Address> {
        (0..count).map(|number| format!("u{number}@home.lan").parse().unwrap()).collect()
    }

    /// Nobody told that a port below 1024 is opened by the service manager, by a file that only setup writes.
    #[test]
    fn a_listener_of_a_running_server_names_setup_and_nothing_else_does() {
        for kind in ListenerKind::ALL {
            assert!(of_listener(kind.name(), true).unwrap().contains("\"poppet setup\""), "{}", kind.name());
            assert_eq!(of_listener(kind.name(), false), None, "nothing runs");
        }
        assert_eq!(of_listener("cache_mib", true), None);
    }

    #[test]
    fn what_challenge_costs_and_whom_it_asks_is_told_a4() {
        let said = |count| of_logons(&Consequence::KeepsSecrets { without: addresses(count) }).join("\n");
        assert!(said(0).contains("can read them.\nEvery mailbox"), "{}", said(0));
        assert!(said(2).ends_with("be the same): u0@home.lan, u1@home.lan."), "{}", said(2));
        assert!(!said(10).contains(" more"), "{}", said(10));
        assert!(said(11).ends_with("u9@home.lan and 1 more (--json names all)."), "{}", said(11));
    }

    #[test]
    fn what_was_wiped_is_counted() {
        let said = |mailboxes| of_logons(&Consequence::WipedSecrets { mailboxes }).join("\n");
        assert_eq!(said(0), "APOP, CRAM-MD5 and NTLM work no more. No password was kept for them.");
        assert!(said(1).contains("of 1 mailbox that was kept"));
        assert!(said(2).contains("of 2 mailboxes that were kept") && said(2).contains("Backups"));
    }

    #[test]
    fn who_is_shut_out_without_passwords_is_warned_of_a7() {
        let said = |takes_challenges, count| {
            let consequence = Consequence::TakesNoPasswords { takes_challenges, without: addresses(count) };
            of_logons(&consequence).join("\n")
        };
        assert!(said(false, 0).contains("What works: SCRAM-SHA-256. Clients"), "{}", said(false, 0));
        assert!(said(true, 0).contains("SCRAM-SHA-256, APOP, CRAM-MD5 and NTLM for those"));
        assert!(!said(true, 0).contains("Warning"));
        assert!(said(false, 1).contains("\nWarning: nothing works any more for u0@home.lan: give"));
    }

    #[test]
    fn who_can_not_log_on_any_more_is_told_a7() {
        let needs = |is_any_known| {
            let listeners = vec!["pop3s".to_owned(), "submissions".to_owned()];
            Consequence::NeedsCertificate { listeners, is_any_known }
        };
        for (consequence, wanted, key) in [
            (
                needs(true),
                "At pop3s, submissions nobody logs on any more without a certificate",
                "needs_certificate",
            ),
            (needs(false), "Warning: nobody can log on at pop3s, submissions, for no certificate", "shut"),
            (
                Consequence::AsksNobody,
                "Warning: nobody can log on, for users are known by the directory",
                "known_by",
            ),
        ] {
            let said = of_logons(&consequence);
            assert!(said.len() == 1 && said[0].starts_with(wanted), "{said:?}");
            assert_eq!(fact(&consequence).0, key);
        }
        assert!(of_logons(&needs(false))[0].contains("\"poppet cert issue ADDRESS\" makes a certificate"));
    }

    #[test]
    fn what_ntlm_that_is_passed_on_costs_is_told_s_186() {
        let said = |is_there| of_logons(&Consequence::RelaysNtlm { is_there });
        assert!(said(true)[1].contains("no channel binding are taken, too"), "{:?}", said(true));
        assert_eq!((said(true).len(), said(false).len()), (2, 3));
        assert!(said(false)[2].contains("winbind"), "{:?}", said(false));
        assert_eq!(fact(&Consequence::RelaysNtlm { is_there: true }).0, "relays_ntlm");
    }

    #[test]
    fn what_a_smart_host_lacks_is_told_one_line_each_o2() {
        let said = |is_missing, lacks_password, lacks_user, hands_on_password, guards_password| {
            let consequence = Consequence::SmartHost {
                is_missing,
                lacks_password,
                lacks_user,
                hands_on_password,
                guards_password,
            };
            (of_logons(&consequence), fact(&consequence).1.human())
        };
        let (lines, ready) = said(true, true, true, true, true);
        assert_eq!((lines.len(), ready.as_str()), (5, "no"), "{lines:?}");
        let (lines, ready) = said(false, true, false, false, false);
        assert!(lines[0].contains("\"poppet set smarthost_password\" asks for it"), "{lines:?}");
        assert_eq!((lines.len(), ready.as_str()), (1, "no"));
        let (lines, ready) = said(false, false, false, false, true);
        assert!(lines[0].contains("the password only where it is right"), "{lines:?}");
        assert_eq!((lines.len(), ready.as_str()), (1, "yes"));
    }

    #[test]
    fn whose_values_count_no_more_is_told_c8() {
        let below = ["home.lan".parse().unwrap(), "alice@home.lan".parse().unwrap()];
        assert_eq!(of_finality(true, &[]), None);
        let said = of_finality(true, &below).unwrap();
        assert_eq!(said, "What was set for these is kept but counts no more: home.lan, alice@home.lan.");
        assert!(of_finality(false, &below).unwrap().contains("these counts again: home.lan"));
    }

    #[test]
    fn who_lets_mail_go_is_told_that_it_goes_p15_p16() {
        for (key, value, lines) in [
            ("retain", "never", 0),
            ("retain", "365", 1),
            ("retain", "retrieved:7", 1),
            ("undo_days", "0", 1),
            ("undo_days", "1", 0),
            ("login_delay", "0", 0),
        ] {
            assert_eq!(of_mail(key, value).len(), lines, "{key} {value}");
        }
    }
}
