//! Mail read on the box itself, page by page and piece by piece.

use super::{AdminError, Answer, Context, Failure, MessageSummary, accounts};
use crate::mail::{Address, MessageId, Uid};
use crate::store::MessageRow;

pub(super) async fn messages(
    context: &Context,
    address: Address,
    after: Option<Uid>,
) -> Result<Answer, AdminError> {
    let mailbox = accounts::mailbox(context, &address).await?.id;
    let all = context.store.messages(mailbox).await?;
    let first = after.map_or(0, |after| all.partition_point(|row| row.uid <= after));
    let page = &all[first..all.len().min(first + PAGE_ROWS)];
    let mut rows = Vec::with_capacity(page.len());
    for row in page {
        let message = MessageId { mailbox, uid: row.uid };
        // A message removed meanwhile is left out of the page.
        if let Some(opened) = context.store.open_message(message).await? {
            let head = opened.first.map(|chunk| chunk.0).unwrap_or_default();
            rows.push(summary(row, &head));
        }
    }
    Ok(Answer::Messages { rows, is_last: first + page.len() == all.len() })
}

pub(super) async fn piece(
    context: &Context,
    address: Address,
    uid: Uid,
    index: u32,
) -> Result<Answer, AdminError> {
    let mailbox = accounts::mailbox(context, &address).await?.id;
    let Some(opened) = context.store.open_message(MessageId { mailbox, uid }).await? else {
        let text =
            format!("there is no message {} in {address}: \"poppet read {address}\" lists them", uid.0);
        return Err(AdminError::new(Failure::NotFound, text));
    };
    let begin = index.saturating_mul(PIECE_CHUNKS);
    let end = begin.saturating_add(PIECE_CHUNKS).min(opened.chunks);
    let mut octets = if index == 0 { opened.prefix } else { Vec::new() };
    for chunk in begin..end {
        let chunk = match &opened.first {
            Some(first) if chunk == 0 => first.clone(),
            _ => context.store.chunk(opened.blob, chunk).await?,
        };
        octets.extend_from_slice(&chunk.0);
    }
    Ok(Answer::Piece { octets, is_last: end >= opened.chunks })
}

fn summary(row: &MessageRow, head: &[u8]) -> MessageSummary {
    MessageSummary {
        uid: row.uid,
        octets: row.octets,
        received: row.received,
        from: field(head, b"from"),
        subject: field(head, b"subject"),
    }
}

/// The first field of that name, unfolded and cut; empty if there is none before the header ends.
/// RFC 5322 §2.2.3.
fn field(head: &[u8], name: &[u8]) -> Vec<u8> {
    let mut value: Option<Vec<u8>> = None;
    for line in head.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        match &mut value {
            Some(value) if is_folded && value.len() < FIELD_OCTETS => {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            Some(_) => break,
            None if line.is_empty() => break,
            None => value = field_value(line, name),
        }
    }
    let mut value = value.unwrap_or_default();
    value.truncate(FIELD_OCTETS);
    value
}

fn field_value(line: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let (found, value) = line.split_at_checked(name.len())?;
    // RFC 5322 §4.5.2: old mail has white space before the colon.
    let value = value.trim_ascii_start().strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii().to_vec())
}

/// Messages of a page: some 100 KiB of answer at most 400 octets each.
const PAGE_ROWS: usize = 1000;
/// Chunks of a piece, each at most 64 KiB.
const PIECE_CHUNKS: u32 = 16;
/// Octets of a field in a listing; more fits no screen.
const FIELD_OCTETS: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_unfolded() {
        let head = b"X-From: no\r\nfrom : Printer\r\n <printer@home.lan>\r\nSubject: Scan\r\n\r\nFrom: body";
        assert_eq!(field(head, b"from"), b"Printer <printer@home.lan>");
        assert_eq!(field(head, b"subject"), b"Scan");
    }

    #[test]
    fn what_stands_in_the_body_is_no_field() {
        assert_eq!(field(b"Subject: x\r\n\r\nFrom: body\r\n", b"from"), b"");
        assert_eq!(field(b"", b"from"), b"");
        assert_eq!(field(b"\r\nFrom: body", b"from"), b"");
    }

    #[test]
    fn a_field_without_end_is_cut_at_its_edge() {
        for (octets, kept) in [(159, 159), (160, 160), (161, 160), (100_000, 160)] {
            let head = [b"From: ".as_slice(), &vec![b'a'; octets]].concat();
            assert_eq!(field(&head, b"from").len(), kept);
        }
        let folded = [b"From: a\r\n".as_slice(), &b" b\r\n".repeat(10_000)].concat();
        assert_eq!(field(&folded, b"from").len(), 160);
    }
}
