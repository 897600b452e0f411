//! The limits that can't be set (M14), as an administrator sees them beside the settings.

use super::{Origin, SettingRow};
use crate::limits;

/// A limit that can't be set.
pub(super) struct Fixed {
    /// Its name, which no setting has.
    pub name: &'static str,
    value: u64,
    meaning: &'static str,
}

impl Fixed {
    /// As it is listed.
    pub fn row(&self) -> SettingRow {
        SettingRow {
            key: self.name.into(),
            value: self.value.to_string(),
            origin: Origin::Default,
            is_fixed: true,
            is_final: false,
            meaning: self.meaning.into(),
        }
    }
}

const fn limit(name: &'static str, value: u64, meaning: &'static str) -> Fixed {
    Fixed { name, value, meaning }
}

/// All of them, in the order in which `poppet get` shows them.
pub(super) static FIXED: &[Fixed] = &[
    limit("smtp_line_octets", limits::SMTP_LINE_OCTETS as u64, "octets of an SMTP command line"),
    limit("pop3_line_octets", limits::POP3_LINE_OCTETS as u64, "octets of a POP3 command line"),
    limit("sasl_line_octets", limits::SASL_LINE_OCTETS as u64, "octets of a line of a logon exchange"),
    limit("address_octets", limits::PATH_OCTETS as u64, "octets of an address with its angle brackets"),
    limit("password_octets", limits::PASSWORD_OCTETS as u64, "octets of a password"),
    limit("recipients_over", limits::RECIPIENTS_OVER as u64, "recipients too many before the session ends"),
    limit(
        "recipients_refused",
        limits::RECIPIENTS_REFUSED as u64,
        "refused recipients before the session ends",
    ),
    limit(
        "recipients_elsewhere",
        limits::LEAVING_RECIPIENTS as u64,
        "recipients elsewhere that one mail leads to",
    ),
    limit("mails_per_session", limits::MAILS_PER_SESSION as u64, "mails of one SMTP session"),
    limit(
        "errors_per_session",
        limits::ERRORS_PER_SESSION as u64,
        "refused commands before the session ends",
    ),
    limit(
        "errors_after_logon",
        limits::ERRORS_AFTER_LOGON as u64,
        "the same in a POP3 session after its logon",
    ),
    limit(
        "lines_before_logon",
        limits::LINES_BEFORE_LOGON as u64,
        "lines of a POP3 session before its logon",
    ),
    limit("idle_commands", limits::IDLE_COMMANDS as u64, "commands without effect between two mails"),
    limit("logons_per_session", limits::LOGONS_PER_SESSION as u64, "failed logons before the session ends"),
    limit(
        "received_fields",
        limits::RECEIVED_FIELDS as u64,
        "Received fields before a mail counts as looping",
    ),
    limit(
        "alias_targets",
        limits::ALIAS_TARGETS as u64,
        "targets of an alias, and mailboxes that it leads to",
    ),
    limit("alias_depth", limits::ALIAS_DEPTH as u64, "aliases one behind the other"),
    limit("devices", limits::DEVICES as u64, "device profiles"),
    limit("waiting_logons", limits::WAITING_LOGONS as u64, "logons that wait for a password hash"),
    limit("handshake_seconds", limits::HANDSHAKE.as_secs(), "time for a TLS handshake"),
    limit(
        "idle_before_logon_seconds",
        limits::IDLE_BEFORE_LOGON.as_secs(),
        "quiet time before logon until a session ends",
    ),
    limit("idle_pop3_seconds", limits::IDLE_POP3.as_secs(), "quiet time until a POP3 session ends"),
    limit("idle_smtp_seconds", limits::IDLE_SMTP.as_secs(), "quiet time until an SMTP session ends"),
    limit("write_stall_seconds", limits::WRITE_STALL.as_secs(), "time a peer may take no octet of a reply"),
    limit("data_rate_octets", limits::DATA_RATE_OCTETS, "octets of a mail that a peer must send in a minute"),
    limit(
        "skipped_line_octets",
        limits::SKIPPED_LINE_OCTETS as u64,
        "octets of a line that is too long before the session ends",
    ),
    limit(
        "failure_delay_seconds",
        limits::FAILURE_DELAY.as_secs(),
        "longest delay of a reply to a wrong password",
    ),
    limit("control_clients", limits::CONTROL_CLIENTS as u64, "administrators at once"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Key;

    #[test]
    fn fixed_limits_have_names_of_their_own() {
        for (index, limit) in FIXED.iter().enumerate() {
            assert!(Key::find(limit.name).is_err(), "{} is also a setting", limit.name);
            assert!(
                FIXED[..index].iter().all(|other| other.name != limit.name),
                "{} stands twice",
                limit.name
            );
        }
    }
}
