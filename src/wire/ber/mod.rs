//! BER, and DER as its strict kin: tags, lengths and what they hold, of foreign octets as of our own. X.690.
//!
//! ```text
//! octets -- Reader::take --> Element { tag, content }      a length beyond the octets is refused, nothing is copied
//!              |
//!              '-- Reader::inside --> Reader               one deeper; no call of ours goes deeper by itself (S-199)
//! ```
//!
//! Lengths are definite and have at most four octets; numbers of tags are below 31. LDAP asks for no more (RFC 4511
//! §5.1), nor do certificates.

mod reader;
mod writer;

pub use reader::{BerError, Element, Reader, Rules, frame};
pub use writer::Writer;

/// The octet that says what an element is: its class, whether it is made of others, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u8);

impl Tag {
    /// BOOLEAN.
    pub const BOOLEAN: Tag = Tag(0x01);
    /// INTEGER.
    pub const INTEGER: Tag = Tag(0x02);
    /// BIT STRING.
    pub const BIT_STRING: Tag = Tag(0x03);
    /// OCTET STRING.
    pub const OCTET_STRING: Tag = Tag(0x04);
    /// NULL.
    pub const NULL: Tag = Tag(0x05);
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: Tag = Tag(0x06);
    /// ENUMERATED.
    pub const ENUMERATED: Tag = Tag(0x0A);
    /// UTF8String.
    pub const UTF8_STRING: Tag = Tag(0x0C);
    /// PrintableString.
    pub const PRINTABLE_STRING: Tag = Tag(0x13);
    /// IA5String.
    pub const IA5_STRING: Tag = Tag(0x16);
    /// UTCTime.
    pub const UTC_TIME: Tag = Tag(0x17);
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: Tag = Tag(0x18);
    /// SEQUENCE.
    pub const SEQUENCE: Tag = Tag(0x30);
    /// SET.
    pub const SET: Tag = Tag(0x31);

    /// A tag of the application, made of other elements or not; the number is below 31.
    pub const fn application(number: u8, is_constructed: bool) -> Tag {
        Tag(0x40 | ((is_constructed as u8) << 5) | (number & NUMBER))
    }

    /// A tag that its context explains, made of other elements or not; the number is below 31.
    pub const fn context(number: u8, is_constructed: bool) -> Tag {
        Tag(0x80 | ((is_constructed as u8) << 5) | (number & NUMBER))
    }

    /// Whether it is made of other elements.
    pub const fn is_constructed(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// The bits of a tag that are its number; all of them say that the number follows.
const NUMBER: u8 = 0x1F;

#[cfg(test)]
mod tests;
