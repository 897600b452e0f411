//! Pairs as files bring them, good and bad.
