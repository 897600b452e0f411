//! Senders rewritten so that bounces of forwarded mail find home, and read back (O5).
