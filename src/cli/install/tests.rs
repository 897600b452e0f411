//! Installations, upgrades and removals on a machine in a folder.

mod machine;
mod refusals;
mod steps;

pub(super) use machine::{Machine, Root, listeners, poppet};
