//! The settings as an administrator sees and changes them, with their levels (C8).

use super::fixed::{FIXED, Fixed};
use super::outgoing::{self, Taker, must_lead_elsewhere};
use super::{
    AdminError, Answer, Context, Failure, Origin, SettingRow, Target, accounts, consequences, finals, late,
    missing,
};
use crate::ldap::{Filter, NameTemplate, is_entry_name};
use crate::mail::printable;
use crate::settings::{Bind, Directory, Effect, Key, LEVELED, Settings};
use crate::store::Level;

pub(super) fn settings(context: &Context, key: Option<&str>) -> Result<Answer, AdminError> {
    let row = |key: &Key| row(context, key, None);
    let Some(name) = key else {
        return Ok(Answer::Settings(Key::all().map(row).chain(FIXED.iter().map(Fixed::row)).collect()));
    };
    match FIXED.iter().find(|limit| limit.name == name) {
        Some(limit) => Ok(Answer::Settings(vec![limit.row()])),
        None => Ok(Answer::Settings(vec![row(find(name)?)])),
    }
}

/// Changes a setting of all; without `is_final` domains and mailboxes may have their own again.
pub(super) async fn assign(
    context: &Context,
    key: &str,
    value: Option<&str>,
    is_final: bool,
) -> Result<Answer, AdminError> {
    if FIXED.iter().any(|limit| limit.name == key) {
        let text = format!("{key} is a fixed limit and can't be set: \"poppet get\" marks those");
        return Err(AdminError::new(Failure::Refused, text));
    }
    if matches!(key, "auth" | "auth_learn") {
        let text = "how users are known is chosen by \"poppet auth METHOD\", not by \"poppet set\"";
        return Err(AdminError::new(Failure::Refused, text));
    }
    let key = find(key)?;
    let mut settings = Settings::clone(&context.store.settings());
    match value {
        Some(value) => settings.assign(key.name, value)?,
        None => settings.take_from(&Settings::default(), key.name)?,
    }
    check(context, key, value, &settings).await?;
    if is_final {
        finals::may_be_final(key, value, None)?;
    }
    let own_before = finals::own_below(context, None, key).await?;
    let consequence = match key.name {
        "challenge" if !settings.challenge => Some(consequences::wipe_secrets(context, value).await?),
        name => {
            context.store.assign(None, name, value, is_final).await?;
            if name == "hostname" {
                accounts::names_changed(context);
            }
            match outgoing::changed(context, None, name).await? {
                Some(consequence) => Some(consequence),
                None => consequences::of(context, name, &settings).await?,
            }
        }
    };
    let below = finals::changed_below(context, None, key, is_final, own_before).await?;
    let settings = context.store.settings();
    Ok(Answer::Assigned {
        value: key.value(&settings),
        waits_for_restart: key.effect == Effect::AtRestart && context.live.is_some(),
        consequence,
        below,
        notes: late::of_setting(context, key.name, &settings),
    })
}

/// The settings that a domain or mailbox may have for itself, as they count for it.
pub(super) async fn settings_for(
    context: &Context,
    target: &Target,
    key: Option<&str>,
) -> Result<Answer, AdminError> {
    let level = level(context, target).await?;
    let keys = match key {
        Some(name) => vec![find_leveled(name)?],
        None => LEVELED.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
    };
    Ok(Answer::Settings(keys.into_iter().map(|key| row(context, key, Some(&level))).collect()))
}

/// Changes a setting of a domain or mailbox; without `is_final` the domain's mailboxes may have their own again.
pub(super) async fn assign_for(
    context: &Context,
    target: &Target,
    key: &str,
    value: Option<&str>,
    is_final: bool,
) -> Result<Answer, AdminError> {
    let level = level(context, target).await?;
    let key = find_leveled(key)?;
    let mut settings = Settings::clone(&context.store.settings_of(&level));
    if let Some(value) = value {
        settings.assign(key.name, value)?;
        check_hosts(context, key, &settings)?;
    }
    if is_final {
        finals::may_be_final(key, value, Some(&level))?;
    }
    // A value that doesn't count may still be taken away.
    if value.is_some() {
        finals::must_count(context, &level, key)?;
    }
    let own_before = finals::own_below(context, Some(&level), key).await?;
    context.store.assign(Some(level.clone()), key.name, value, is_final).await?;
    let consequence = outgoing::changed(context, Some(&level), key.name).await?;
    let below = finals::changed_below(context, Some(&level), key, is_final, own_before).await?;
    let settings = context.store.settings_of(&level);
    Ok(Answer::Assigned {
        value: key.value(&settings),
        waits_for_restart: key.effect == Effect::AtRestart && context.live.is_some(),
        consequence,
        below,
        notes: late::of_setting(context, key.name, &settings),
    })
}

/// The level of a domain or mailbox that is here; errs with [`Failure::NotFound`].
pub(super) async fn level(context: &Context, target: &Target) -> Result<Level, AdminError> {
    match target {
        Target::Domain(domain) if context.store.domains().await?.iter().any(|row| row.domain == *domain) => {
            Ok(Level::Domain(domain.clone()))
        }
        Target::Domain(domain) => Err(missing::no_domain(context, domain).await),
        Target::Mailbox(address) => Ok(Level::Mailbox(accounts::mailbox(context, address).await?.address)),
    }
}

fn find_leveled(name: &str) -> Result<&'static Key, AdminError> {
    if let Some(limit) = FIXED.iter().find(|limit| limit.name == name) {
        let text = format!("{} is a fixed limit and counts for all: leave out --for", limit.name);
        return Err(AdminError::new(Failure::Refused, text));
    }
    let key = find(name)?;
    match key.has_levels() {
        true => Ok(key),
        false => Err(AdminError::new(
            Failure::Refused,
            format!(
                "{} counts for all: leave out --for; what can be had with it is {}",
                key.name,
                LEVELED.join(", ")
            ),
        )),
    }
}

/// A setting as it is, for all or for a domain or mailbox.
fn row(context: &Context, key: &Key, level: Option<&Level>) -> SettingRow {
    let settings = match level {
        Some(level) => context.store.settings_of(level),
        None => context.store.settings(),
    };
    let levels = if key.has_levels() { "; --for gives a domain or a mailbox its own" } else { "" };
    let value = key.value(&settings);
    let origin = match context.store.origin(level, key.name) {
        // Set to what is the default anyway.
        Origin::Global if value == key.value(&Settings::default()) => Origin::Default,
        origin => origin,
    };
    SettingRow {
        key: key.name.into(),
        value,
        origin,
        is_fixed: false,
        is_final: finals::is_from_final(context, level, key, origin),
        meaning: format!("{}: {}{levels}", key.meaning, key.values),
    }
}

/// The entry of that name; the error shows foreign octets escaped.
pub(super) fn find(name: &str) -> Result<&'static Key, AdminError> {
    if name == "smarthost_password" {
        let text = "smarthost_password is kept sealed and never shown: \"poppet set smarthost_password\" asks for a \
                    new one, \"poppet doctor\" tells whether it is right";
        return Err(AdminError::new(Failure::Refused, text));
    }
    Ok(Key::find(&printable(name.as_bytes()))?)
}

/// The rules that take more than one setting, or the mailboxes, into account.
async fn check(
    context: &Context,
    key: &Key,
    value: Option<&str>,
    settings: &Settings,
) -> Result<(), AdminError> {
    if key.name.starts_with("argon2_") && is_too_cheap(settings) {
        let text = "under 12288 KiB of memory a password hash needs 5 passes: \
                    say \"poppet set argon2_passes 5\", or keep argon2_kib at 12288 or more";
        return Err(AdminError::new(Failure::Refused, text));
    }
    if let (Some(_), Some(postmaster)) = (value.filter(|_| key.name == "postmaster"), &settings.postmaster) {
        accounts::mailbox(context, postmaster).await?;
    }
    if value.is_some() {
        check_hosts(context, key, settings)?;
    }
    match unreadable(key.name, &settings.directory) {
        Some(why) => {
            let text = format!("{} can't be read: {why}; nothing was changed", key.name);
            Err(AdminError::new(Failure::Usage, text))
        }
        None => Ok(()),
    }
}

/// A smart host is another server than this one.
fn check_hosts(context: &Context, key: &Key, settings: &Settings) -> Result<(), AdminError> {
    let outgoing = &settings.outgoing;
    match key.name {
        "smarthost" | "smarthost_tls" => {
            must_lead_elsewhere(context, &outgoing.smarthosts, outgoing.smarthost_tls, Taker::SmartHost)
        }
        _ => Ok(()),
    }
}

/// Why a text about the directory can't be used, which would shut out everybody at his next logon; none if it can, or
/// if the setting is another one.
fn unreadable(name: &str, directory: &Directory) -> Option<String> {
    match (name, &directory.bind, &directory.filter) {
        ("directory_filter", _, Some(filter)) => Filter::parse(filter).err().map(|error| error.to_string()),
        ("directory_bind", Bind::Template(template), _) => {
            NameTemplate::parse(template).err().map(|error| error.to_string())
        }
        ("directory_base", _, _) if !is_entry_name(&directory.base) => Some(
            "it is no name of an entry: write one such as dc=home,dc=lan, or \"\" for the whole tree".into(),
        ),
        _ => None,
    }
}

/// Fewer than OWASP's equivalent pairs of memory and passes.
fn is_too_cheap(settings: &Settings) -> bool {
    settings.argon2_kib < 12 * 1024 && settings.argon2_passes < 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_about_the_directory_that_can_not_be_read_are_refused_s_196() {
        let why = |name: &str, value: &str| {
            let mut settings = Settings::default();
            settings.assign(name, value).unwrap();
            unreadable(name, &settings.directory).unwrap_or_default()
        };
        for (name, value, wanted) in [
            ("directory_filter", "(uid={user}", ")"),
            ("directory_filter", "(uid={company})", "{company}"),
            ("directory_filter", "(ou={domain})", "neither {address} nor {user}"),
            ("directory_bind", "dn:uid={user},o={company}", "{company}"),
            ("directory_bind", "dn:uid={user},o={domain", "no }"),
            ("directory_base", "home.lan", "dc=home,dc=lan"),
        ] {
            assert!(why(name, value).contains(wanted), "{name} {value}: {}", why(name, value));
        }
        for (name, value) in [
            ("directory_filter", "default"),
            ("directory_filter", "(uid={user})"),
            ("directory_bind", "upn"),
            ("directory_bind", "search"),
            ("directory_bind", "dn:uid={user},o={domain}"),
            ("directory_bind", "dn:HOME\\{user}"),
            ("directory_base", ""),
            ("directory_base", "dc=home,dc=lan"),
            ("directory_account", "poppet@ad.home.lan"),
        ] {
            assert_eq!(why(name, value), "", "{name} {value}");
        }
    }

    /// OWASP's equivalent pairs, from a usual machine down to a small board, and what is below each.
    #[test]
    fn a_cheap_hash_needs_more_passes_at_its_edges_s_176() {
        let cheap = |kib, passes| {
            is_too_cheap(&Settings { argon2_kib: kib, argon2_passes: passes, ..Settings::default() })
        };
        assert!(cheap(12_287, 4));
        assert!(!cheap(12_287, 5));
        assert!(!cheap(12_288, 1));
        for (mib, passes) in [(19, 2), (12, 3), (7, 5)] {
            assert!(!cheap(mib * 1024, passes), "{mib} {passes}");
        }
        assert!(cheap(7 * 1024, 4));
        assert!(!is_too_cheap(&Settings::default()));
    }
}
