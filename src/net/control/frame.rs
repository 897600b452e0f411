//! A frame of a control socket: `ppc1` or `ppo1`, the length in four octets, the least first, and postcard.

use serde::Serialize;

use crate::limits;

/// Whose socket it is: what is said to one is never taken for something said to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// The administrator's.
    Administrator,
    /// That of users who change their own password.
    Own,
}

/// Octets before the content.
pub const HEADER_OCTETS: usize = 8;

/// A frame with that content; none if it is over [`limits::CONTROL_ANSWER_OCTETS`].
pub fn encode(speech: Speech, content: &impl Serialize) -> Option<Vec<u8>> {
    let mut frame = speech.magic().to_vec();
    frame.extend_from_slice(&[0; 4]);
    let mut frame = postcard::to_extend(content, frame).ok()?;
    let octets = frame.len() - HEADER_OCTETS;
    if octets > limits::CONTROL_ANSWER_OCTETS {
        return None;
    }
    frame[4..HEADER_OCTETS].copy_from_slice(&u32::try_from(octets).ok()?.to_le_bytes());
    Some(frame)
}

/// The octets of the content behind a header; none if it is no header of ours or announces over `most`.
pub fn length(speech: Speech, header: &[u8; HEADER_OCTETS], most: usize) -> Option<usize> {
    let (magic, length) = header.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    (magic == speech.magic() && length <= most).then_some(length)
}

impl Speech {
    /// What each frame begins with; its last octet is the version.
    fn magic(self) -> &'static [u8; 4] {
        match self {
            Speech::Administrator => b"ppc1",
            Speech::Own => b"ppo1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_its_length() {
        for (speech, magic) in [(Speech::Administrator, b"ppc1"), (Speech::Own, b"ppo1")] {
            let frame = encode(speech, &"hello").unwrap();
            assert_eq!(frame, [&magic[..], b"\x06\0\0\0\x05hello"].concat());
            assert_eq!(length(speech, frame.first_chunk().unwrap(), 6), Some(6));
        }
    }

    #[test]
    fn lengths_are_held_at_their_edges_s_324() {
        let header = |length: u32| {
            let mut header = *b"ppc1\0\0\0\0";
            header[4..].copy_from_slice(&length.to_le_bytes());
            header
        };
        let most = limits::CONTROL_REQUEST_OCTETS;
        assert_eq!(length(Speech::Administrator, &header(most as u32 - 1), most), Some(most - 1));
        assert_eq!(length(Speech::Administrator, &header(most as u32), most), Some(most));
        assert_eq!(length(Speech::Administrator, &header(most as u32 + 1), most), None);
        assert_eq!(length(Speech::Administrator, &header(u32::MAX), most), None);
    }

    #[test]
    fn foreign_octets_are_no_frame_s_323() {
        for foreign in [b"EHLO x\r\n", b"ppc2\0\0\0\0", b"\0\0\0\0\0\0\0\0"] {
            assert_eq!(length(Speech::Administrator, foreign, 100), None);
            assert_eq!(length(Speech::Own, foreign, 100), None);
        }
    }

    #[test]
    fn what_is_said_to_one_socket_is_nothing_to_the_other_s_323() {
        assert_eq!(length(Speech::Own, b"ppc1\0\0\0\0", 100), None);
        assert_eq!(length(Speech::Administrator, b"ppo1\0\0\0\0", 100), None);
    }
}
