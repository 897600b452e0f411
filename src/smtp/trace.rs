//! Trace fields. RFC 5321 §4.4, RFC 3848, RFC 8314 §7.
