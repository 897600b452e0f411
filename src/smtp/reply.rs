//! What the session says. RFC 5321 §4.2, with the enhanced status codes of RFC 3463 and RFC 2034.

/// Appends one reply line.
pub fn say(out: &mut Vec<u8>, reply: &str) {
    out.extend_from_slice(reply.as_bytes());
    out.extend_from_slice(b"\r\n");
}

macro_rules! replies {
    ($($name:ident = $text:literal;)*) => {$(pub(super) const $name: &str = $text;)*};
}

replies! {
    // What went well.
    OK = "250 2.0.0 OK";
    SENDER_OK = "250 2.1.0 Sender OK";
    RECIPIENT_OK = "250 2.1.5 Recipient OK";
    STORED = "250 2.0.0 Stored";
    SEND_DATA = "354 Send the message, end it with a line that has only a dot";
    BEGIN_TLS = "220 2.0.0 Begin TLS now";
    // Exactly so: some devices stop at anything else.
    LOGGED_IN = "235 2.7.0 Authentication successful";
    CANNOT_VERIFY = "252 2.0.0 Not verified; send the mail and it will be tried";
    HELP = "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT";

    // The session ends.
    STOPPING = "421 4.3.2 The server is stopping, try again later";
    WAITED_TOO_LONG = "421 4.4.2 Waited too long for a command, connect again";
    EVICTED = "421 4.7.0 The mailbox has been changed, log on again";
    DEVICE_CHANGED = "421 4.7.0 What you may do without a logon has been changed, connect again";
    KICKED = "421 4.3.2 The administrator has ended this session, try again later";
    TOO_MANY_ERRORS = "421 4.7.0 Too many errors, connect again";
    TOO_MANY_IDLE = "421 4.7.0 Too many commands without a mail, connect again";
    TOO_MANY_MAILS = "421 4.7.0 Enough mails for one connection, connect again";
    TOO_MANY_LOGONS = "421 4.7.0 Too many failed logons, connect again";
    TOO_MANY_SMALL_CHUNKS = "421 4.7.0 Too many small chunks, send larger ones";
    TOO_MANY_RECIPIENTS_REFUSED = "421 4.7.0 Too many recipients refused, connect again";
    OUT_OF_STEP = "421 4.3.0 Internal error, connect again";
    OTHER_PROTOCOL = "500 5.5.1 This is a mail server";
    SPOKEN_EARLY = "554 5.5.0 Wait for the greeting before you speak, then connect again";
    UNSYNCHRONIZED = "554 5.5.0 Synchronization error: wait for the reply before you go on";

    // Lines and commands.
    LINE_TOO_LONG = "500 5.5.2 Line too long";
    RESPONSE_TOO_LONG = "500 5.5.6 Response too long";
    LINE_ENDLESS = "500 5.5.2 Line without an end, lines end with CR LF";
    LINE_BARE_LF = "500 5.5.2 Lines end with CR LF, not with a bare LF";
    LINE_BARE_CR = "501 5.5.2 A bare CR can't be in a line";
    LINE_NUL = "501 5.5.2 A NUL can't be in a line";
    BAD_OCTETS = "501 5.5.2 Only printable ASCII can be in this command";
    UNKNOWN_COMMAND = "500 5.5.1 Unknown command, try HELP";
    UNOFFERED_COMMAND = "502 5.5.1 Not offered here";
    NO_ARGUMENT = "501 5.5.4 This command takes no argument";
    ARGUMENT_MISSING = "501 5.5.4 This command needs an argument";
    HELLO_TOO_LONG = "501 5.5.4 A host name has at most 255 octets";
    BAD_HELLO = "501 5.5.4 Send EHLO and a host name, or an address in brackets";
    HELLO_FIRST = "503 5.5.1 Send EHLO first";
    MAIL_FIRST = "503 5.5.1 Send MAIL first";
    NO_RECIPIENTS = "554 5.5.1 No valid recipients, send RCPT first";
    MAIL_UNDER_WAY = "503 5.5.1 Not while a mail is under way, send RSET first";
    CHUNKS_UNDER_WAY = "503 5.5.1 A mail begun with BDAT goes on with BDAT, send RSET to give it up";
    BAD_CHUNK = "501 5.5.4 Send BDAT and a number of octets, and LAST behind the last";

    // TLS and logon.
    TLS_ALREADY = "503 5.5.1 TLS is on already";
    ACCOUNT_LOCKED = "525 5.7.13 The mailbox is locked, ask the administrator";
    ALREADY_LOGGED_IN = "503 5.5.1 Already authenticated";
    ENCRYPTION_REQUIRED = "538 5.7.11 Encryption required: send STARTTLS before AUTH";
    LOGON_REQUIRED = "530 5.7.0 Authentication required";
    BAD_AUTH = "501 5.5.4 Send AUTH and one of the mechanisms that EHLO lists";
    UNKNOWN_MECHANISM = "504 5.5.4 This mechanism is not offered, EHLO lists those that are";
    LOGON_REFUSED = "535 5.7.8 Authentication credentials invalid";
    LOGON_BUSY = "454 4.7.0 Too many logons at once, try again later";
    LOGON_UNDECIDED = "454 4.7.0 Logons can't be checked at the moment, try again later";
    LOGON_CANCELLED = "501 5.7.0 Authentication cancelled";
    BAD_BASE64 = "501 5.5.2 Not valid base64";

    // Senders.
    BAD_MAIL = "501 5.5.4 Send MAIL FROM:<address>";
    BAD_SENDER = "501 5.1.7 Not a sender address, it has the form <name@domain>";
    SENDER_TOO_LONG = "501 5.1.7 Sender address too long";
    SENDER_NOT_ASCII = "553 5.6.7 This sender address needs SMTPUTF8";
    SENDER_FOREIGN = "553 5.7.1 This sender address is not yours, send under your own or an alias of yours";
    SENDER_UNPROVEN = "553 5.7.1 This sender address belongs to this server, log on to send under it";
    SENDER_SPENT = "450 4.7.1 You have sent as many mails as you may in a day, try again later";
    BAD_PARAMETER = "501 5.5.4 Not a valid parameter";
    UNKNOWN_PARAMETER = "555 5.5.4 Parameter not offered";
    TOO_LARGE = "552 5.3.4 Message too large";
    NO_SPACE = "452 4.3.1 Not enough disk space, try again later";
    STORE_FAILED = "451 4.3.0 The mail store can't do that now, try again later";

    // Recipients.
    BAD_RCPT = "501 5.5.4 Send RCPT TO:<address>";
    BAD_RECIPIENT = "501 5.1.3 Not a recipient address, it has the form <name@domain>";
    RECIPIENT_TOO_LONG = "501 5.1.3 Recipient address too long";
    RECIPIENT_NOT_ASCII = "553 5.6.7 This recipient address needs SMTPUTF8";
    SOURCE_ROUTE = "550 5.7.1 Source routes are not followed, relaying denied";
    UNKNOWN_USER = "550 5.1.1 No such mailbox here";
    MAILBOX_LOCKED = "550 5.2.1 This mailbox takes no mail";
    MAILBOX_FULL = "552 5.2.2 The mailbox is full";
    MAILBOX_FULL_NOW = "452 4.2.2 The mailbox is full, try again later";
    RELAYING_DENIED = "550 5.7.1 Not a domain of this server, relaying denied";
    NO_WAY = "550 5.4.4 This server sends no mail to other servers: the administrator can name a smart host with poppet set smarthost HOST";
    WOULD_RETURN = "550 5.1.1 No such mailbox here, and the server that has the others is you";
    ONLY_REPORTS = "550 5.7.1 Only reports about forwarded mail, from the empty sender <>, go to this address";
    TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients, send them in a further mail";

    // Messages.
    MESSAGE_BARE_LINE_END = "550 5.6.11 A bare CR or LF is in the message, lines end with CR LF";
    MESSAGE_NUL = "550 5.6.0 A NUL is in the message";
    LOOPING = "554 5.4.6 Too many Received fields, the mail is looping";
    ALREADY_DELIVERED = "554 5.4.6 The mail has been delivered here before, it is looping";
    MAILBOXES_FULL = "552 5.2.2 The mailboxes of all recipients are full";
    MAILBOXES_FULL_NOW = "452 4.2.2 The mailboxes of all recipients are full, try again later";
    NO_RECIPIENT_LEFT = "550 5.1.1 The mailbox has been removed meanwhile";
}
