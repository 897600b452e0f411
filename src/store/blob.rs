//! Bodies: cut into chunks that fill redb's pages, each with a checksum of its own.

/// A body's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobId(pub u64);

/// A piece of a body, proven by its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk(pub Vec<u8>);
