//! Limits of certificates of others for this server.

/// Certificates that can be installed beside poppet's own, each some 5 KB of memory.
pub const INSTALLED_CERTIFICATES: usize = 16;
/// Certificates in a file that is installed: the chain travels in every handshake.
pub const SERVER_CHAIN: usize = 10;
/// Names and addresses that certificates can be bound to.
pub const CERTIFICATE_PLACES: usize = 64;
/// Requests whose keys are kept: one that is given up on purpose makes room.
pub const CERTIFICATE_REQUESTS: usize = 4;
/// Bits of an RSA key that can be verified (S-250).
pub const LEAST_RSA_BITS: usize = 2048;
/// Octets of the label of an installed certificate: as many as a domain name has. RFC 1035 §2.3.4.
pub const SERVER_LABEL_OCTETS: usize = 253;
