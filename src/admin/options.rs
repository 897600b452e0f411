//! The settings as an administrator sees them, and the limits that can't be set (M14).

use super::{AdminError, Answer, Context, Failure, Origin, SettingRow, Target, accounts, consequences};
use crate::limits;
use crate::mail::printable;
use crate::settings::{Effect, KEYS, Key, LEVELED, Settings};
use crate::store::Level;

pub(super) fn settings(context: &Context, key: Option<&str>) -> Result<Answer, AdminError> {
    let row = |key: &Key| row(context, key, None);
    let Some(name) = key else {
        return Ok(Answer::Settings(KEYS.iter().map(row).chain(FIXED.iter().map(fixed_row)).collect()));
    };
    match FIXED.iter().find(|limit| limit.0 == name) {
        Some(limit) => Ok(Answer::Settings(vec![fixed_row(limit)])),
        None => Ok(Answer::Settings(vec![row(find(name)?)])),
    }
}

pub(super) async fn assign(context: &Context, key: &str, value: Option<&str>) -> Result<Answer, AdminError> {
    if FIXED.iter().any(|limit| limit.0 == key) {
        let text = format!("{key} is a fixed limit and can't be set: \"poppet get\" marks those");
        return Err(AdminError::new(Failure::Refused, text));
    }
    let key = find(key)?;
    let mut settings = Settings::clone(&context.store.settings());
    match value {
        Some(value) => settings.assign(key.name, value)?,
        None => settings.take_from(&Settings::default(), key.name)?,
    }
    check(context, key, value, &settings).await?;
    let consequence = match key.name {
        "challenge" if !settings.challenge => Some(consequences::wipe_secrets(context, value).await?),
        name => {
            context.store.set_setting(name, value).await?;
            consequences::of(context, name, &settings).await?
        }
    };
    Ok(Answer::Assigned {
        value: key.value(&context.store.settings()),
        waits_for_restart: key.effect == Effect::AtRestart && context.live.is_some(),
        consequence,
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

pub(super) async fn assign_for(
    context: &Context,
    target: &Target,
    key: &str,
    value: Option<&str>,
) -> Result<Answer, AdminError> {
    let level = level(context, target).await?;
    let key = find_leveled(key)?;
    if let Some(value) = value {
        Settings::default().assign(key.name, value)?;
    }
    context.store.set_level(level.clone(), key.name, value).await?;
    Ok(Answer::Assigned {
        value: key.value(&context.store.settings_of(&level)),
        waits_for_restart: key.effect == Effect::AtRestart && context.live.is_some(),
        consequence: None,
    })
}

/// The level of a domain or mailbox that is here; errs with [`Failure::NotFound`].
async fn level(context: &Context, target: &Target) -> Result<Level, AdminError> {
    match target {
        Target::Domain(domain) if context.store.has_domain(domain.clone()).await? => {
            Ok(Level::Domain(domain.clone()))
        }
        Target::Domain(domain) => Err(accounts::unknown_domain(domain)),
        Target::Mailbox(address) => Ok(Level::Mailbox(accounts::mailbox(context, address).await?.address)),
    }
}

fn find_leveled(name: &str) -> Result<&'static Key, AdminError> {
    if let Some(limit) = FIXED.iter().find(|limit| limit.0 == name) {
        let text = format!("{} is a fixed limit and counts for all: leave out --for", limit.0);
        return Err(AdminError::new(Failure::Refused, text));
    }
    let key = find(name)?;
    match key.has_levels() {
        true => Ok(key),
        false => Err(AdminError::new(
            Failure::Refused,
            format!(
                "{} counts for all: leave out --for; {} can be had with it",
                key.name,
                LEVELED.join(" and ")
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
        meaning: format!("{}: {}{levels}", key.meaning, key.values),
    }
}

/// The entry of that name; the error shows foreign octets escaped.
fn find(name: &str) -> Result<&'static Key, AdminError> {
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
    Ok(())
}

/// Fewer than OWASP's equivalent pairs of memory and passes.
fn is_too_cheap(settings: &Settings) -> bool {
    settings.argon2_kib < 12 * 1024 && settings.argon2_passes < 5
}

fn fixed_row(limit: &Fixed) -> SettingRow {
    SettingRow {
        key: limit.0.into(),
        value: limit.1.to_string(),
        origin: Origin::Default,
        is_fixed: true,
        meaning: limit.2.into(),
    }
}

/// A limit: its name, its value, and what it means.
struct Fixed(&'static str, u64, &'static str);

const FIXED: &[Fixed] = &[
    Fixed("smtp_line_octets", limits::SMTP_LINE_OCTETS as u64, "octets of an SMTP command line"),
    Fixed("pop3_line_octets", limits::POP3_LINE_OCTETS as u64, "octets of a POP3 command line"),
    Fixed("sasl_line_octets", limits::SASL_LINE_OCTETS as u64, "octets of a line of a logon exchange"),
    Fixed("address_octets", limits::PATH_OCTETS as u64, "octets of an address with its angle brackets"),
    Fixed("password_octets", limits::PASSWORD_OCTETS as u64, "octets of a password"),
    Fixed("recipients_over", limits::RECIPIENTS_OVER as u64, "recipients too many before the session ends"),
    Fixed("mails_per_session", limits::MAILS_PER_SESSION as u64, "mails of one SMTP session"),
    Fixed(
        "errors_per_session",
        limits::ERRORS_PER_SESSION as u64,
        "refused commands before the session ends",
    ),
    Fixed("idle_commands", limits::IDLE_COMMANDS as u64, "commands without effect between two mails"),
    Fixed("logons_per_session", limits::LOGONS_PER_SESSION as u64, "failed logons before the session ends"),
    Fixed(
        "received_fields",
        limits::RECEIVED_FIELDS as u64,
        "Received fields before a mail counts as looping",
    ),
    Fixed("waiting_logons", limits::WAITING_LOGONS as u64, "logons that wait for a password hash"),
    Fixed("handshake_seconds", limits::HANDSHAKE.as_secs(), "time for a TLS handshake"),
    Fixed(
        "idle_before_logon_seconds",
        limits::IDLE_BEFORE_LOGON.as_secs(),
        "quiet time before logon until a session ends",
    ),
    Fixed("idle_pop3_seconds", limits::IDLE_POP3.as_secs(), "quiet time until a POP3 session ends"),
    Fixed("idle_smtp_seconds", limits::IDLE_SMTP.as_secs(), "quiet time until an SMTP session ends"),
    Fixed("write_stall_seconds", limits::WRITE_STALL.as_secs(), "time a peer may take no octet of a reply"),
    Fixed(
        "failure_delay_seconds",
        limits::FAILURE_DELAY.as_secs(),
        "longest delay of a reply to a wrong password",
    ),
    Fixed("control_clients", limits::CONTROL_CLIENTS as u64, "administrators at once"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_limits_have_names_of_their_own() {
        for (index, limit) in FIXED.iter().enumerate() {
            assert!(Key::find(limit.0).is_err(), "{} is also a setting", limit.0);
            assert!(FIXED[..index].iter().all(|other| other.0 != limit.0), "{} stands twice", limit.0);
        }
    }

    #[test]
    fn a_cheap_hash_needs_more_passes_at_its_edges() {
        let cheap = |kib, passes| {
            is_too_cheap(&Settings { argon2_kib: kib, argon2_passes: passes, ..Settings::default() })
        };
        assert!(cheap(12_287, 4));
        assert!(!cheap(12_287, 5));
        assert!(!cheap(12_288, 1));
    }
}
