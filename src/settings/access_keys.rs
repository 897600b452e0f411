//! The keys of the settings about logging on; see `keys.rs`.

use super::access::{Names, Recognise};
use super::keys::{number, on_or_off, switch};
use super::{Effect, Key};
use crate::limits;

/// What `poppet get` shows behind the other settings.
pub(super) static ACCESS_KEYS: &[Key] = &[
    Key {
        name: "auth",
        meaning: "how users are known; \"poppet auth\" chooses it",
        values: "file, local or directory",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.auth = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.auth.to_string(),
    },
    Key {
        name: "auth_learn",
        meaning: "whose word counts once for a mailbox without a password; \"poppet auth file --migrate --learn\" sets it",
        values: "off, local or directory",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.auth_learn = match value {
                "off" => None,
                "file" => return None,
                method => Some(method.parse().ok()?),
            };
            Some(())
        },
        show: |settings| settings.auth_learn.map_or_else(|| "off".into(), |method| method.to_string()),
    },
    Key {
        name: "names",
        meaning: "with what names users log on",
        values: "strict (the address, or an alias of one user), or loose (also the name alone where only one user has \
                 it, DOMAIN\\user and user%domain)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.names = match value {
                "strict" => Names::Strict,
                "loose" => Names::Loose,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.names {
            Names::Strict => "strict".into(),
            Names::Loose => "loose".into(),
        },
    },
    Key {
        name: "spa",
        meaning: "whether NTLM logons are passed on to Samba's ntlm_auth, where users are known locally or by a directory",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.spa),
        show: |settings| on_or_off(settings.spa),
    },
    Key {
        name: "ntlm_auth",
        meaning: "where Samba's ntlm_auth is",
        values: "auto (where Samba's packages put it), or a path such as /opt/samba/bin/ntlm_auth",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.ntlm_auth = match value {
                "auto" => None,
                path if path.starts_with('/') => Some(path.into()),
                _ => return None,
            };
            Some(())
        },
        show: |settings| settings.ntlm_auth.clone().unwrap_or_else(|| "auto".into()),
    },
    Key {
        name: "recognise",
        meaning: "whose logons count for five minutes without being proved again",
        values: "file (users of the password file), or all (then changes of accounts elsewhere count late, and users \
                 get in while the directory is down)",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.recognise = match value {
                "file" => Recognise::File,
                "all" => Recognise::All,
                _ => return None,
            };
            Some(())
        },
        show: |settings| match settings.recognise {
            Recognise::File => "file".into(),
            Recognise::All => "all".into(),
        },
    },
    Key {
        name: "tries",
        meaning: "wrong passwords after which an account is locked out; the same one again counts once where it is sent, and \
                  every time in SCRAM, CRAM-MD5, APOP and NTLM",
        values: "a number from 0 (never; it is only slowed) to 1000",
        effect: Effect::AtOnce,
        assign: |settings, value| number(value, 0, limits::LOCKOUT_TRIES, &mut settings.lockout.tries),
        show: |settings| settings.lockout.tries.to_string(),
    },
    Key {
        name: "lock_minutes",
        meaning: "minutes that an account is locked out",
        values: "a number from 0 (until \"poppet unlock\") to 525600",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 0, limits::LOCKOUT_MINUTES, &mut settings.lockout.lock_minutes)
        },
        show: |settings| settings.lockout.lock_minutes.to_string(),
    },
    Key {
        name: "window_minutes",
        meaning: "minutes after which a wrong password no longer counts towards tries",
        values: "a number from 0 (only a logon clears them) to 525600",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            number(value, 0, limits::LOCKOUT_MINUTES, &mut settings.lockout.window_minutes)
        },
        show: |settings| settings.lockout.window_minutes.to_string(),
    },
    Key {
        name: "clientcert",
        meaning: "whether mail clients are asked for a certificate",
        values: "off, optional, required, or by listener: pop3s=required,submissions=optional",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.clientcert = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.clientcert.to_string(),
    },
    Key {
        name: "certpassword",
        meaning: "whether a certificate needs the password, too",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.certpassword),
        show: |settings| on_or_off(settings.certpassword),
    },
    Key {
        name: "old_hashes",
        meaning: "whether local accounts with an MD5 hash may log on; with one of DES nobody may",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.old_hashes),
        show: |settings| on_or_off(settings.old_hashes),
    },
    Key {
        name: "directory_servers",
        meaning: "the directory's servers, tried in that order",
        values: "off, or ldaps://HOST[:PORT] and ldap://HOST[:PORT] (which begins TLS by StartTLS) with commas between",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.directory.servers = match value {
                "off" => Vec::new(),
                list => list.split(',').map(|part| part.trim().parse()).collect::<Result<_, ()>>().ok()?,
            };
            (settings.directory.servers.len() <= limits::DIRECTORY_SERVERS).then_some(())
        },
        show: |settings| match &settings.directory.servers[..] {
            [] => "off".into(),
            servers => servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        },
    },
    Key {
        name: "directory_bind",
        meaning: "how a user's password is tried at the directory",
        values: "upn (Active Directory: user@domain), upn:DOMAIN, dn:TEMPLATE such as dn:uid={user},ou=people,dc=home,dc=lan, \
                 or search",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.directory.bind = value.parse().ok()?;
            Some(())
        },
        show: |settings| settings.directory.bind.to_string(),
    },
    Key {
        name: "directory_base",
        meaning: "where in the directory users are searched",
        values: "a name such as dc=home,dc=lan",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.directory.base = value.into();
            Some(())
        },
        show: |settings| settings.directory.base.clone(),
    },
    Key {
        name: "directory_filter",
        meaning: "what finds a user in the directory; {address}, {user} and {domain} are filled in",
        values: "default, or a filter such as (&(objectClass=person)(mail={address}))",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.directory.filter = match value {
                "default" => None,
                filter if filter.starts_with('(') && filter.contains('{') => Some(filter.into()),
                _ => return None,
            };
            Some(())
        },
        show: |settings| settings.directory.filter.clone().unwrap_or_else(|| "default".into()),
    },
    Key {
        name: "directory_account",
        meaning: "as whom the directory is searched; \"poppet auth directory --password-stdin\" takes its password",
        values: "a name such as cn=poppet,dc=home,dc=lan or poppet@ad.home.lan",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            settings.directory.account = value.into();
            Some(())
        },
        show: |settings| settings.directory.account.clone(),
    },
    Key {
        name: "directory_domain",
        meaning: "what Windows calls the directory's domain before the backslash, for NTLM (setting spa)",
        values: "default (the first part of its name), or a name of at most 15 letters such as HOMEAD",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            let is_name = |name: &str| {
                (1..=15).contains(&name.chars().count()) && !name.contains(['\\', '+', '@', '/', ' '])
            };
            settings.directory.domain = match value {
                "default" => None,
                name if is_name(name) => Some(name.into()),
                _ => return None,
            };
            Some(())
        },
        show: |settings| settings.directory.domain.clone().unwrap_or_else(|| "default".into()),
    },
    Key {
        name: "directory_clear",
        meaning: "whether passwords may be sent to the directory without TLS, where everybody in between can read them",
        values: "on or off",
        effect: Effect::AtOnce,
        assign: |settings, value| switch(value, &mut settings.directory.is_clear),
        show: |settings| on_or_off(settings.directory.is_clear),
    },
    Key {
        name: "local_socket",
        meaning: "where the helper for local accounts listens, which poppet-local.socket starts",
        values: "a path that begins with /",
        effect: Effect::AtOnce,
        assign: |settings, value| {
            let is_path =
                value.starts_with('/') && !value.ends_with('/') && !value.contains(char::is_control);
            settings.local_socket =
                Some(value).filter(|value| is_path && value.len() <= limits::SOCKET_PATH_OCTETS)?.into();
            Some(())
        },
        show: |settings| settings.local_socket.clone(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn numbers_lists_and_paths_are_held_at_their_edges() {
        let is_taken = |name: &str, value: &str| {
            let key = ACCESS_KEYS.iter().find(|key| key.name == name).unwrap();
            (key.assign)(&mut Settings::default(), value).is_some()
        };
        for (name, most) in [
            ("tries", limits::LOCKOUT_TRIES),
            ("lock_minutes", limits::LOCKOUT_MINUTES),
            ("window_minutes", limits::LOCKOUT_MINUTES),
        ] {
            for (value, wanted) in
                [(0, true), (most - 1, true), (most, true), (most + 1, false), (u32::MAX, false)]
            {
                assert_eq!(is_taken(name, &value.to_string()), wanted, "{name} {value}");
            }
        }
        let servers = |count: usize| vec!["ldaps://dc1.home.lan"; count].join(",");
        let path = |octets: usize| format!("/{}", "s".repeat(octets - 1));
        let (most_servers, most_octets) = (limits::DIRECTORY_SERVERS, limits::SOCKET_PATH_OCTETS);
        for (over, wanted) in [(0, true), (1, true), (2, false)] {
            assert_eq!(is_taken("directory_servers", &servers(most_servers - 1 + over)), wanted, "{over}");
            assert_eq!(is_taken("local_socket", &path(most_octets - 1 + over)), wanted, "{over}");
        }
    }
    #[test]
    fn tries_says_where_the_same_wrong_password_counts_once() {
        let tries = ACCESS_KEYS.iter().find(|key| key.name == "tries").unwrap();
        assert!(
            tries.meaning.contains("once where it is sent, and every time in SCRAM, CRAM-MD5, APOP and NTLM")
        );
    }
}
