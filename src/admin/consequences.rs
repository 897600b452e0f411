//! What a changed setting means for logons: whom it shuts out, and which kept passwords are wiped with it (A4).

use super::auth::relays_ntlm;
use super::{AdminError, Consequence, Context};
use crate::cert::{self, Vouches};
use crate::settings::{Demand, ListenerKind, Method, Plaintext, Settings};

/// Makes `challenge` off, whether by that value or by its default, and wipes what was kept for it, all in one
/// transaction.
pub(super) async fn wipe_secrets(context: &Context, value: Option<&str>) -> Result<Consequence, AdminError> {
    let records = context.gatekeeper.records();
    let wiped = context.store.set_setting_with_passwords("challenge", value, move |address, mark, sealed| {
        records.without_secret(address, mark, sealed)
    });
    Ok(Consequence::WipedSecrets { mailboxes: wiped.await? })
}

/// What a setting means that has just been changed to what it is in `settings`; none if it is nothing special.
pub(super) async fn of(
    context: &Context,
    key: &str,
    settings: &Settings,
) -> Result<Option<Consequence>, AdminError> {
    if key == "clientcert" {
        return certificates(context, settings).await;
    }
    if settings.auth != Method::File {
        return Ok(elsewhere(context, key, settings));
    }
    let takes_challenges = settings.challenge;
    let records = context.gatekeeper.records();
    let takes_no_passwords = match key {
        "challenge" if takes_challenges => {
            let lacks = move |address: &_, mark, sealed: &[u8]| !records.means(address, mark, sealed).secret;
            let without = context.store.mailboxes_by_password(lacks).await?;
            return Ok(Some(Consequence::KeepsSecrets { without }));
        }
        "sparequired" => settings.sparequired,
        "plaintext" => settings.plaintext == Plaintext::Never,
        _ => false,
    };
    if !takes_no_passwords {
        return Ok(None);
    }
    let is_shut_out = move |address: &_, mark, sealed: &[u8]| {
        let means = records.means(address, mark, sealed);
        !(means.verifier || takes_challenges && means.secret)
    };
    let without = context.store.mailboxes_by_password(is_shut_out).await?;
    Ok(Some(Consequence::TakesNoPasswords { takes_challenges, without }))
}

/// Where nobody logs on without a certificate; none if that is nowhere.
async fn certificates(context: &Context, settings: &Settings) -> Result<Option<Consequence>, AdminError> {
    let needs = |kind: &ListenerKind| settings.clientcert.of(*kind) == Demand::Required;
    let listeners: Vec<_> = ListenerKind::ALL.into_iter().filter(needs).collect();
    if listeners.is_empty() {
        return Ok(None);
    }
    let is_any_known = !cert::allowed(&context.store).await?.is_empty()
        || !cert::authorities(&context.store, Vouches::ForClients).await?.is_empty();
    let listeners = listeners.into_iter().map(|kind| kind.name().to_owned()).collect();
    Ok(Some(Consequence::NeedsCertificate { listeners, is_any_known }))
}

/// What it means where no password is kept here, so that none can be set anew.
fn elsewhere(context: &Context, key: &str, settings: &Settings) -> Option<Consequence> {
    let shuts_out = match key {
        "directory_servers"
            if settings.auth == Method::Directory && settings.directory.servers.is_empty() =>
        {
            return Some(Consequence::AsksNobody);
        }
        "spa" if settings.spa => {
            return Some(Consequence::RelaysNtlm { is_there: relays_ntlm(context) });
        }
        "challenge" if settings.challenge => false,
        "sparequired" if settings.sparequired => true,
        "plaintext" if settings.plaintext == Plaintext::Never => true,
        _ => return None,
    };
    Some(Consequence::KnownElsewhere { method: settings.auth, shuts_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Answer, CertificateAct, Command, Target, execute};
    use crate::auth::tests::Folder;
    use crate::auth::{DeviceKey, Gatekeeper};
    use crate::clock::{Clock, UnixTime};
    use crate::mail::{Address, Secret};
    use crate::store::{Options, Store};
    use crate::ticket::block_on;

    struct House {
        context: Context,
        _folder: Folder,
    }

    impl House {
        /// A database with alice, whose password is kept nowhere.
        fn new() -> House {
            let folder = Folder::new();
            let clock = Clock::system(UnixTime(0));
            let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
            store.set_setting("argon2_kib", Some("7168")).wait().unwrap();
            let key = DeviceKey::create(&folder.database()).unwrap();
            let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
            let house = House {
                context: Context { store, gatekeeper, live: None, asker: crate::admin::Asker::default() },
                _folder: folder,
            };
            house.act(Command::AddDomain("home.lan".parse().unwrap()));
            house.add("alice@home.lan");
            house
        }

        fn act(&self, command: Command) -> Answer {
            block_on(execute(&self.context, command)).unwrap()
        }

        fn add(&self, address: &str) {
            let password = Some(Secret::new("wonderland"));
            self.act(Command::AddMailbox { address: address.parse().unwrap(), password, account: None });
        }

        fn set(&self, key: &str, value: Option<&str>) -> Option<Consequence> {
            let value = value.map(str::to_owned);
            match self.act(Command::Assign { key: key.into(), value, is_final: false }) {
                Answer::Assigned { consequence, .. } => consequence,
                other => panic!("{other:?}"),
            }
        }
    }

    fn addresses(names: &[&str]) -> Vec<Address> {
        names.iter().map(|name| format!("{name}@home.lan").parse().unwrap()).collect()
    }

    #[test]
    fn challenge_names_those_whose_password_must_be_set_anew_a4() {
        let house = House::new();
        let keeps = |names| Some(Consequence::KeepsSecrets { without: addresses(names) });
        assert_eq!(house.set("challenge", Some("on")), keeps(&["alice"]));
        house.add("bob@home.lan");
        assert_eq!(house.set("challenge", Some("on")), keeps(&["alice"]), "said again");
        let address = addresses(&["alice"]).remove(0);
        house.act(Command::SetPassword { address, password: None });
        assert_eq!(house.set("challenge", Some("on")), keeps(&[]));
    }

    #[test]
    fn challenge_off_wipes_what_was_kept_also_by_its_default_a4() {
        for value in [Some("off"), None] {
            let house = House::new();
            let wiped = |mailboxes| Some(Consequence::WipedSecrets { mailboxes });
            assert_eq!(house.set("challenge", value), wiped(0));
            house.set("challenge", Some("on"));
            house.add("bob@home.lan");
            house.add("carol@home.lan");
            assert_eq!(house.set("challenge", value), wiped(2), "{value:?}");
            assert!(!house.context.store.settings().challenge);
            let without = addresses(&["alice", "bob", "carol"]);
            let keeps = Some(Consequence::KeepsSecrets { without });
            assert_eq!(house.set("challenge", Some("on")), keeps, "{value:?}");
        }
    }

    #[test]
    fn challenge_off_wipes_removed_mailboxes_too_a4() {
        let house = House::new();
        house.set("challenge", Some("on"));
        house.add("bob@home.lan");
        let bob = addresses(&["bob"]).remove(0);
        house.act(Command::Remove { target: Target::Mailbox(bob.clone()), is_confirmed: true });
        assert_eq!(house.set("challenge", Some("off")), Some(Consequence::WipedSecrets { mailboxes: 1 }));
        house.act(Command::Undelete { address: bob, since: None, is_dry_run: false });
        let keeps = Some(Consequence::KeepsSecrets { without: addresses(&["alice", "bob"]) });
        assert_eq!(house.set("challenge", Some("on")), keeps, "bob came back without his");
    }

    #[test]
    fn whoever_is_shut_out_without_passwords_is_named_a7() {
        let house = House::new();
        let takes_none = |takes_challenges, names| {
            Some(Consequence::TakesNoPasswords { takes_challenges, without: addresses(names) })
        };
        assert_eq!(house.set("sparequired", Some("on")), takes_none(false, &[]), "all have a verifier");
        assert_eq!(house.set("sparequired", Some("off")), None);
        assert_eq!(house.set("plaintext", Some("lan")), None);
        house.set("challenge", Some("on"));
        let bob = addresses(&["bob"]).remove(0);
        house.add("bob@home.lan");
        house.context.store.set_password(bob, b"damage".to_vec()).wait().unwrap();
        assert_eq!(house.set("sparequired", Some("on")), takes_none(true, &["bob"]));
        assert_eq!(house.set("plaintext", Some("never")), takes_none(true, &["bob"]));
    }

    /// `challenge on` told an administrator of the system's users to give each a new password by `poppet passwd`, which
    /// has none to give there.
    #[test]
    fn where_users_are_known_elsewhere_nobody_is_sent_to_passwd_a4_a7() {
        for method in [Method::Local, Method::Directory] {
            let house = House::new();
            house.context.store.set_setting("auth", Some(method.name())).wait().unwrap();
            let elsewhere = |shuts_out| Some(Consequence::KnownElsewhere { method, shuts_out });
            assert_eq!(house.set("challenge", Some("on")), elsewhere(false));
            assert_eq!(house.set("sparequired", Some("on")), elsewhere(true));
            assert_eq!(house.set("sparequired", Some("off")), None);
            assert_eq!(house.set("plaintext", Some("never")), elsewhere(true));
            assert_eq!(house.set("plaintext", Some("lan")), None);
        }
    }

    #[test]
    fn where_nobody_logs_on_without_a_certificate_is_told_a7() {
        let house = House::new();
        let needs = |listeners: &[&str], is_any_known| {
            let listeners = listeners.iter().map(|name| name.to_string()).collect();
            Some(Consequence::NeedsCertificate { listeners, is_any_known })
        };
        let all = ["pop3", "pop3s", "submission", "submissions"];
        assert_eq!(house.set("clientcert", Some("optional")), None);
        assert_eq!(house.set("clientcert", Some("pop3=optional,submissions=off")), None);
        assert_eq!(house.set("clientcert", Some("required")), needs(&all, false));
        let some = "pop3s=required,submissions=required,pop3=optional";
        assert_eq!(house.set("clientcert", Some(some)), needs(&["pop3s", "submissions"], false));
        assert_eq!(house.set("clientcert", None), None);
        let address = addresses(&["alice"]).remove(0);
        let fingerprint = ["AB"; 32].join(":").parse().unwrap();
        let act = CertificateAct::Allow { address, fingerprint, label: String::new() };
        house.act(Command::Certificates(act));
        assert_eq!(house.set("clientcert", Some("pop3s=required")), needs(&["pop3s"], true));
        house.context.store.set_setting("auth", Some("local")).wait().unwrap();
        assert_eq!(house.set("clientcert", Some("required")), needs(&all, true), "by every method");
    }

    #[test]
    fn a_directory_without_servers_and_ntlm_that_is_passed_on_are_told_a7_s_186() {
        let house = House::new();
        let (servers, off) = (Some("ldaps://dc1.home.lan"), Some("off"));
        for (method, without_servers, with_spa) in [
            ("file", None, None),
            ("local", None, Some(Consequence::RelaysNtlm { is_there: false })),
            ("directory", Some(Consequence::AsksNobody), Some(Consequence::RelaysNtlm { is_there: false })),
        ] {
            house.context.store.set_setting("auth", Some(method)).wait().unwrap();
            assert_eq!(house.set("directory_servers", servers), None, "{method}");
            for value in [off, None] {
                assert_eq!(house.set("directory_servers", value), without_servers, "{method} {value:?}");
            }
            assert_eq!(house.set("spa", Some("on")), with_spa, "{method}");
            assert_eq!(house.set("spa", Some("off")), None, "{method}");
        }
    }

    #[test]
    fn a_value_that_is_none_changes_nothing() {
        let house = House::new();
        house.set("challenge", Some("on"));
        let command =
            Command::Assign { key: "challenge".into(), value: Some("offf".into()), is_final: false };
        assert!(block_on(execute(&house.context, command)).is_err());
        assert!(house.context.store.settings().challenge);
    }
}
