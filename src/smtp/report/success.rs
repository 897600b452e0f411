//! Reports that a mail is in its mailboxes. RFC 3461 §6, RFC 3464.

use super::prose::Prose;
use super::status::{Fields, Status, is_foreign, told};
use super::words::{Text, say};
use super::{Report, Returned, put_together};
use crate::mail::Language;
use crate::smtp::letter::Letter;
use crate::smtp::{Envelope, Named, Now};

/// A report of success: the mail is in the mailboxes of those recipients for whom MAIL and RCPT asked to be told so
/// (RFC 3461 §5.2.3); none if nobody asked, or if reports go nowhere (RFC 3461 §5.2). Who is elsewhere only is told of
/// when he has got it.
///
/// `hostname` is our name, `mail_number` is fresh, and `header` the front of the stored message; what is behind the
/// header, or beyond [`crate::limits::SCANNED_HEADER_OCTETS`], is not returned. The report goes to the mail's
/// reverse-path, from nobody (RFC 3461 §6.1); `domain` is whose postmaster writes, if not his.
pub fn success(
    hostname: &str,
    language: Language,
    now: Now,
    mail_number: u64,
    domain: Option<&str>,
    envelope: &Envelope,
    header: &[u8],
) -> Option<Report> {
    if !is_wanted(envelope) {
        return None;
    }
    let named: Vec<(&Named, bool)> =
        told_of(envelope).map(|(index, named)| (named, is_list(envelope, index))).collect();
    let is_any_foreign =
        named.iter().any(|(named, _)| is_foreign(&named.path, named.dsn.original_recipient.as_ref()));
    let is_global = envelope.is_utf8 && is_any_foreign;
    let envelope_id = envelope.dsn.envelope_id.as_deref();
    let status = Status { hostname, envelope_id, arrived: Some(now.at), is_global };
    let fields: Vec<Fields<'_>> = named.iter().map(|&(named, is_list)| fields(named, is_list)).collect();
    let returned = Returned::Header(header);
    let parts: Vec<Vec<u8>> = [prose(language, &named, is_global), status.part(&fields)]
        .into_iter()
        .chain(returned.part(envelope.is_utf8))
        .collect();
    let to = envelope.reverse_path.as_str();
    let (message_id, subject) = (returned.message_id(), say(language, Text::DeliveredSubject));
    let letter = Letter {
        hostname,
        now,
        mail_number,
        to,
        domain,
        answers: message_id.as_deref(),
        subject: &subject,
        // RFC 3834 §5.2: a report is no auto-generated mail.
        automatic: "auto-replied",
        content_type: "",
        is_8bit: false,
    };
    Some(Report { message: put_together(letter, &parts), needs_utf8: is_global || !to.is_ascii() })
}

/// Whether there is to be a report of that mail's success.
pub fn is_wanted(envelope: &Envelope) -> bool {
    !envelope.reverse_path.as_str().is_empty() && told_of(envelope).next().is_some()
}

/// Whether a forward-path of the envelope leads to several, of whom the sender hears as of one: `expanded`; then nobody
/// reports any more that those of them who are elsewhere have got it. RFC 3461 §5.2.7.3.
pub fn is_list(envelope: &Envelope, index: usize) -> bool {
    envelope.named.get(index).is_some_and(|named| named.mailboxes + leaving(envelope, index) > 1)
}

/// The forward-paths whose sender wants to know, and of which we know.
fn told_of(envelope: &Envelope) -> impl Iterator<Item = (usize, &Named)> {
    envelope.named.iter().enumerate().filter(|(index, named)| {
        let is_asked = named.dsn.notify.is_some_and(|notify| notify.success);
        // One that leads to somebody elsewhere and to nobody else is reported on from the queue.
        is_asked && (named.mailboxes > 0 || leaving(envelope, *index) > 1)
    })
}

fn leaving(envelope: &Envelope, index: usize) -> usize {
    envelope.leaving.iter().filter(|(_, of)| *of == index).count()
}

fn prose(language: Language, named: &[(&Named, bool)], is_global: bool) -> Vec<u8> {
    let mut prose = Prose::new(language);
    prose.paragraph(Text::Delivered);
    prose.gap();
    for (named, is_list) in named {
        prose.item(&told(&named.path, is_global), is_list.then_some(Text::IsList));
    }
    prose.paragraph(Text::AskedFor);
    prose.part()
}

fn fields(named: &Named, is_list: bool) -> Fields<'_> {
    Fields {
        original: named.dsn.original_recipient.as_ref(),
        address: &named.path,
        // RFC 3464 §2.3.3; RFC 3461 §5.2.7.3.
        action: if is_list { "expanded" } else { "delivered" },
        status: [2, 0, 0],
        remote: "",
        diagnostic: None,
        last: None,
        until: None,
    }
}
