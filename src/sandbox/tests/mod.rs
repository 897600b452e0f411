//! The sandbox, tried: the filter by an interpreter, and the whole by acts of a process that is in it.

mod acts;
mod filters;
