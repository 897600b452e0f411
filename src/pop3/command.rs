//! The commands of POP3, parsed. RFC 1939, RFC 2449, RFC 2595, RFC 5034.
