//! No core files and no tracing, no new privileges, no capabilities (S-263, S-332, S-338).

use std::io;

use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::{Layer, LayerState};

/// Passwords and keys are in memory: nobody of this user reads it, and no core file holds it (S-263).
pub(super) fn hide_memory() -> Layer {
    let result = set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from);
    layer("dumpable", result, "no core file and no other process of this user sees its memory")
}

/// Whatever is started from here gets no more rights than this process has.
pub(super) fn keep_out_new() -> Layer {
    layer(
        "privileges",
        set_no_new_privs(true).map_err(io::Error::from),
        "a program with set-uid gets none here",
    )
}

/// Gives up every capability of this thread but those that are still needed to come to serve, `kept`.
pub(super) fn drop_all_but(kept: CapabilitySet) -> io::Result<()> {
    clear_ambient_capability_set().or_else(|error| match error {
        // Before Linux 4.3 there was no such set.
        rustix::io::Errno::INVAL => Ok(()),
        error => Err(error),
    })?;
    let before = capabilities(None)?;
    // Only who may set capabilities can take them from the set that bounds later programs; others have none to lose.
    if before.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter().filter(|it| !kept.contains(*it)) {
            // One that this kernel does not know is not there.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let left = before.permitted & kept;
    set_capabilities(
        None,
        CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() },
    )?;
    Ok(())
}

/// Gives up what is left of them, for good, and looks whether it is so (S-331).
pub(super) fn drop_all(is_needed: bool) -> Layer {
    let kept = if is_needed { FOR_FILES_OF_OTHERS } else { CapabilitySet::empty() };
    let dropped = drop_all_but(kept).and_then(|()| {
        let left = capabilities(None)?;
        let is_so = left.permitted == left.effective && (left.permitted & !kept).is_empty();
        if is_so { Ok(()) } else { Err(io::Error::other("the kernel has not taken them")) }
    });
    let mut layer = layer("capabilities", dropped, "it has none of root's capabilities");
    if layer.state == LayerState::Holds && is_needed {
        layer.state = LayerState::Partly;
        layer.text = "it keeps those for files of others, since root serves a database that is not root's: \"poppet serve \
                      --user NAME\" needs none"
            .into();
    } else if layer.state == LayerState::Holds && geteuid().is_root() {
        layer.state = LayerState::Partly;
        layer.text =
            "it has none, but is root, to whom many files belong: \"poppet serve --user NAME\" is safer"
                .into();
    }
    layer
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

/// What binds ports below 1024, until they are bound.
pub(super) const FOR_PORTS: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;
/// What reads and writes a database of another user.
pub(super) const FOR_FILES_OF_OTHERS: CapabilitySet = CapabilitySet::DAC_OVERRIDE;
