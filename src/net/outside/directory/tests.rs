//! The driver against servers of a few lines, on loopback.
