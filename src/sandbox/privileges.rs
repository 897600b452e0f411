//! No core files and no tracing, no new privileges, no capabilities (S-263, S-332, S-338).

use std::io;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::{Layer, LayerState};

/// The name of the layer that is the whole process's.
pub(super) const HIDDEN: &str = "dumpable";

/// Passwords and keys are in memory: nobody of this user reads it, and no core file holds it (S-263).
pub(super) fn hide_memory() -> Layer {
    let result = set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from);
    layer(HIDDEN, result, "no core file and no other process of this user sees its memory")
}

/// Whatever is started from here gets no more rights than this process has.
pub(super) fn keep_out_new() -> Layer {
    layer(
        "privileges",
        set_no_new_privs(true).map_err(io::Error::from),
        "a program with set-uid gets none here",
    )
}

/// Gives up every capability, for good, and looks whether it is so (S-331, S-332).
pub(super) fn drop_capabilities() -> Layer {
    let mut layer = layer("capabilities", drop_all(), "it has none of root's capabilities");
    if layer.state == LayerState::Holds && geteuid().is_root() {
        layer.state = LayerState::Partly;
        layer.text = "it has none of them, but is root, to whom many files belong: \"poppet serve --user NAME\" is safer".into();
    }
    layer
}

fn drop_all() -> io::Result<()> {
    clear_ambient_capability_set().or_else(|error| match error {
        // Before Linux 4.3 there was no such set.
        Errno::INVAL => Ok(()),
        error => Err(error),
    })?;
    // Only who may set capabilities can take them from the set that bounds later programs; others have none to lose.
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            // One that this kernel does not know is not there.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    // A service manager that gives none also forbids to change them.
    if has_none()? {
        return Ok(());
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    if has_none()? { Ok(()) } else { Err(io::Error::other("the kernel has not taken them")) }
}

fn has_none() -> io::Result<bool> {
    let left = capabilities(None)?;
    Ok((left.permitted | left.effective | left.inheritable).is_empty())
}

fn layer(name: &str, result: io::Result<()>, holds: &str) -> Layer {
    let (state, text) = match result {
        Ok(()) => (LayerState::Holds, holds.to_owned()),
        Err(error) => (
            LayerState::Absent,
            format!("the kernel refuses it ({error}): look whether a container or an old kernel does"),
        ),
    };
    Layer { name: name.into(), state, text }
}
