//! What this process may do no more once all is open: best effort, layer by layer, and told as it is (S-331–S-338).
//!
//! ```text
//! one thread yet: settings are known -> confine(Needs): no core files, no tracing; no new privileges; landlock
//!     the store's threads start, listeners and control sockets are bound
//! serving begins -> seal(Needs): capabilities dropped; seccomp, for the threads that are there, too
//! ```
//!
//! Threads and programs that come later inherit all of it. A kernel that lacks a layer goes without (S-336).

mod bpf;
mod calls;
mod landlock;
mod privileges;
mod seccomp;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::sys;
use calls::Processor;
use seccomp::Terms;

/// What the server needs to go on doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Folders and files in which it reads and writes.
    pub writes: Vec<PathBuf>,
    /// Folders and files that it only reads.
    pub reads: Vec<PathBuf>,
    /// Programs that it starts, such as `ntlm_auth`, and what loads them; with none it starts nothing.
    pub programs: Vec<PathBuf>,
    /// TCP ports to which it connects.
    pub connects: Vec<u16>,
    /// TCP ports that it binds after [`confine`] and before [`seal`]; port 0 is any.
    pub binds: Vec<u16>,
    /// Whether it sends to a socket of this machine that has no path, as a service manager may have it.
    pub speaks_to_abstract: bool,
}

/// One layer of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name: `dumpable`, `privileges`, `capabilities`, `landlock`, `seccomp`.
    pub name: String,
    /// Whether it holds.
    pub state: LayerState,
    /// What it holds, or why not and what would help: a line for people.
    pub text: String,
}

/// Whether a layer of the sandbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerState {
    /// All of it.
    Holds,
    /// What this kernel knows of it.
    Partly,
    /// Nothing of it: the kernel has it not, or it was refused.
    Absent,
    /// An administrator has turned it off.
    Off,
}

/// Hides this process's memory, and gives up new privileges, and files and ports but `needs`; never fails, and says of
/// each layer how it is. Call it once, while this process has one thread.
pub fn confine(needs: &Needs) -> Vec<Layer> {
    let layers = vec![privileges::hide_memory(), privileges::keep_out_new(), landlock::confine(needs)];
    // Threads that start before the end of binding have what binds, and nothing else.
    let kept = privileges::FOR_PORTS | privileges::FOR_FILES_OF_OTHERS;
    if let Err(error) = privileges::drop_all_but(kept) {
        log::debug!("capabilities stay until all is bound: {error}");
    }
    let holds = layers.iter().any(|layer| layer.name == landlock::NAME && layer.state != LayerState::Absent);
    if holds {
        let _ = GRANTED.set(needs.clone());
    }
    layers
}

/// Gives up what only the start needs: capabilities, listening, and all system calls that no mail server makes. Never
/// fails, and says of each layer how it is. Call it once, after [`confine`], when all is bound.
pub fn seal(needs: &Needs) -> Vec<Layer> {
    vec![privileges::drop_all(has_strange_owner(&needs.writes)), filter(needs)]
}

/// The layers where an administrator has turned the sandbox off: memory is hidden all the same.
pub fn without() -> Vec<Layer> {
    let off = |name: &str| Layer {
        name: name.into(),
        state: LayerState::Off,
        text: "it is turned off: \"poppet set sandbox on\", and a restart, turn it on".into(),
    };
    let mut layers = vec![privileges::hide_memory()];
    layers.extend(["privileges", landlock::NAME, "capabilities", "seccomp"].map(off));
    layers
}

/// Whether the sandbox lets this process connect to that TCP port: it knows those of its start only.
pub fn lets_connect(port: u16) -> bool {
    GRANTED.get().is_none_or(|needs| needs.connects.contains(&port))
}

/// Whether the sandbox lets this process read that file: it knows the places of its start only.
pub fn lets_read(path: &Path) -> bool {
    let Some(needs) = GRANTED.get() else { return true };
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    needs.reads.iter().chain(&needs.writes).any(|place| {
        path.starts_with(place) || fs::canonicalize(place).is_ok_and(|place| path.starts_with(place))
    })
}

fn filter(needs: &Needs) -> Layer {
    let layer = |state, text: String| Layer { name: "seccomp".into(), state, text };
    let Some(processor) = Processor::own() else {
        let text = "poppet does not know the system calls of this processor; its other layers hold without";
        return layer(LayerState::Absent, text.into());
    };
    let terms = Terms { pid: std::process::id(), starts_programs: !needs.programs.is_empty() };
    match sys::filter_calls(&seccomp::filter(processor, terms)) {
        Ok(()) if terms.starts_programs => layer(
            LayerState::Partly,
            "system calls that no program of a mail server makes are refused; ntlm_auth may make all others: without it \
             (\"poppet set ntlm_auth off\") fewer are left"
                .into(),
        ),
        Ok(()) => layer(LayerState::Holds, "system calls that a mail server does not make are refused".into()),
        Err(error) => layer(
            LayerState::Absent,
            format!("the kernel refuses it ({error}): one with CONFIG_SECCOMP_FILTER, or a container that lets it, has it"),
        ),
    }
}

/// Whether root serves files of somebody else, which even root can't without a capability.
fn has_strange_owner(places: &[PathBuf]) -> bool {
    let own = rustix::process::geteuid();
    own.is_root() && places.iter().any(|place| fs::metadata(place).is_ok_and(|it| it.uid() != own.as_raw()))
}

/// What has been granted, if files and ports are guarded.
static GRANTED: OnceLock<Needs> = OnceLock::new();
