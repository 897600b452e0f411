//! What a sender asks of delivery reports. RFC 3461 §4.

use serde::{Deserialize, Serialize};

/// What MAIL asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailDsn {
    /// What a report returns; none leaves it to the reporter. RFC 3461 §4.3.
    pub ret: Option<Ret>,
    /// ENVID, decoded. RFC 3461 §4.4.
    pub envelope_id: Option<String>,
}

/// What a report returns of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ret {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// What RCPT asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RcptDsn {
    /// When a report is wanted; none leaves it to the reporter: after failures. RFC 3461 §4.1.
    pub notify: Option<Notify>,
    /// ORCPT: address type and address, decoded. RFC 3461 §4.2, RFC 6533 §3.
    pub original_recipient: Option<OriginalRecipient>,
}

/// When a report is wanted; all three unset means never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// When the mail is in the mailbox.
    pub success: bool,
    /// When it can't be delivered.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

/// The recipient whom the sender meant at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8` or another that IANA registers, in small letters.
    pub address_type: String,
    /// The address.
    pub address: String,
}
