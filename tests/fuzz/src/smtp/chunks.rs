//! A mail in chunks, as the model has it. RFC 3030 §2.

use poppet::limits;
use poppet::smtp::{Event, Next};

use super::{NOW, Play};
use crate::peer::Peer;

impl Play<'_> {
    pub(super) fn receive_chunk(
        &mut self,
        (octets, is_first, is_last): (u64, bool, bool),
        choice: u8,
        peer: &mut Peer<'_>,
    ) -> Option<(Next, Vec<u8>)> {
        assert!(
            self.model.mail.as_ref().is_some_and(|mail| !mail.is_for_nobody()),
            "BDAT without a recipient"
        );
        assert_eq!(
            is_first,
            self.model.chunk_octets.is_none(),
            "a mail begins elsewhere than with its first chunk"
        );
        let all_octets = self.model.chunk_octets.unwrap_or(0) + octets;
        assert!(all_octets <= self.facts.message_octets, "{all_octets} octets of chunks are taken");
        self.model.chunk_octets = Some(all_octets);
        self.is_holding = true;
        if is_first {
            self.chunks = Some((self.session.receiver(NOW, 1), Vec::new()));
        }
        let (mut receiver, mut message) =
            self.chunks.take().expect("a chunk is taken of a mail that has no others");
        if !peer.octets(octets, |piece| receiver.receive_chunk(piece, &mut message)) {
            return None;
        }
        if choice % 16 < 2 {
            self.model.forget_mail();
            return Some(self.handle(if choice % 16 == 0 { Event::StoreFull } else { Event::StoreFailed }));
        }
        if !is_last && !receiver.is_spoilt() {
            self.chunks = Some((receiver, message));
            return Some(self.handle(Event::ChunkReceived));
        }
        let end = receiver.end_chunks(&mut message);
        Some(self.end_message(end, &message))
    }

    pub(super) fn skip_chunk(&mut self, octets: u64, peer: &mut Peer<'_>) -> Option<(Next, Vec<u8>)> {
        self.skipped_octets = self.skipped_octets.saturating_add(octets);
        let most = self.facts.message_octets.saturating_mul(limits::OVERSIZE_FACTOR);
        assert!(self.skipped_octets <= most, "{} octets are read to be thrown away", self.skipped_octets);
        // A chunk in its place is skipped because it is too much, which ends its mail.
        if self.model.mail.as_ref().is_some_and(|mail| !mail.is_for_nobody()) {
            self.model.forget_mail();
        }
        (self.is_holding, self.chunks) = (false, None);
        peer.octets(octets, |_| {}).then(|| self.handle(Event::ChunkSkipped))
    }
}

/// What a line says of the chunk behind it: its octets, and whether it is the last.
pub(super) fn announced(line: &[u8]) -> Option<(u64, bool)> {
    let text = std::str::from_utf8(line).ok()?.to_ascii_uppercase();
    let argument = text.strip_prefix("BDAT ")?.trim_matches(' ');
    let (digits, is_last) = argument.strip_suffix(" LAST").map_or((argument, false), |digits| (digits, true));
    Some((digits.parse().ok()?, is_last))
}
