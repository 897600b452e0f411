//! What this process may do no more once all is open: best effort, layer by layer, and told as it is (S-331–S-338).
//!
//! ```text
//! one thread yet: settings are known, low ports are bound
//!     -> confine(Needs): no core files, no tracing; no new privileges; no capabilities; landlock
//! more: the store's threads start, other listeners and control sockets are bound
//!     -> seal(Needs): seccomp, for the threads that are there, too
//! sessions begin
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
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::{limits, sys};
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
    /// The command that starts it again, where it is a service: what needs more later waits for that.
    pub restart: Option<&'static str>,
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

/// Hides this process's memory, and gives up new privileges, all capabilities, and files and ports but `needs`; never
/// fails, and says of each layer how it is. Call it once, while this process has one thread: others that are there stay
/// free of it, and it says so.
pub fn confine(needs: &Needs) -> Vec<Layer> {
    let others = other_threads();
    let first = [privileges::hide_memory(), privileges::keep_out_new(), privileges::drop_capabilities()];
    let landlock = landlock::confine(needs);
    if landlock.state != LayerState::Absent {
        let _ = GRANTED.set(Granted { needs: needs.clone(), guards_ports: landlock::guards_ports() });
    }
    first.into_iter().chain([landlock]).map(|layer| told_of_others(layer, others)).collect()
}

/// Gives up what only the start needs: listening, limits, and all system calls that no mail server makes. Never fails,
/// and says how it is. Call it once, after [`confine`], when all is bound.
pub fn seal(needs: &Needs) -> Layer {
    let layer = |state, text: String| Layer { name: "seccomp".into(), state, text };
    let Some(processor) = Processor::own() else {
        let text = "poppet does not know the system calls of this processor; its other layers hold without";
        return layer(LayerState::Absent, text.into());
    };
    let terms = Terms { pid: std::process::id(), starts_programs: !needs.programs.is_empty() };
    match sys::filter_calls(&seccomp::filter(processor, terms)) {
        Ok(()) if terms.starts_programs => layer(
            LayerState::Partly,
            "system calls that no program of a mail server makes are refused; since ntlm_auth is started, more are left \
             than without it: \"poppet set spa off\" does without"
                .into(),
        ),
        Ok(()) => layer(LayerState::Holds, "system calls that a mail server does not make are refused".into()),
        Err(error) => layer(
            LayerState::Absent,
            format!(
                "the kernel refuses it ({error}): one with CONFIG_SECCOMP_FILTER, or a container that lets it, has it"
            ),
        ),
    }
}

/// The layers where an administrator has turned the sandbox off: memory is hidden all the same.
pub fn without() -> Vec<Layer> {
    let off = |name: &str| Layer {
        name: name.into(),
        state: LayerState::Off,
        text: "it is turned off: \"poppet set sandbox on\", and a restart, turn it on".into(),
    };
    let mut layers = vec![privileges::hide_memory()];
    layers.extend(["privileges", "capabilities", landlock::NAME, "seccomp"].map(off));
    layers
}

/// How many threads there are beside this one.
fn other_threads() -> usize {
    // The kernel shows a thread for a moment after it was waited for.
    for _ in 0..limits::LOOKS_AT_THREADS {
        if count_others() == 0 {
            break;
        }
        thread::sleep(limits::BETWEEN_LOOKS_AT_THREADS);
    }
    count_others()
}

fn count_others() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, |threads| threads.count().saturating_sub(1))
}

/// All but the first layer, which is the whole process's, are a thread's and of those that it makes.
fn told_of_others(mut layer: Layer, others: usize) -> Layer {
    if others > 0 && layer.name != privileges::HIDDEN && layer.state != LayerState::Absent {
        layer.state = LayerState::Partly;
        layer.text = format!(
            "{}; threads that were there before ({others}) are free of it: end this server and run \"poppet serve\"",
            layer.text
        );
    }
    layer
}

/// Whether the sandbox lets this process start that program: it knows those of its start only.
pub fn lets_start(program: &Path) -> bool {
    GRANTED.get().is_none_or(|granted| is_within(program, &granted.needs.programs))
}

/// Whether the sandbox lets this process connect to that TCP port: it knows those of its start only.
pub fn lets_connect(port: u16) -> bool {
    GRANTED.get().is_none_or(|granted| granted.lets_connect(port))
}

/// Whether the sandbox lets this process read that file: it knows the places of its start only.
pub fn lets_read(path: &Path) -> bool {
    GRANTED
        .get()
        .is_none_or(|Granted { needs, .. }| is_within(path, &needs.reads) || is_within(path, &needs.writes))
}

/// Whether it is one of these files, or in one of these folders, whatever links lead there.
fn is_within(path: &Path, places: &[PathBuf]) -> bool {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    places.iter().any(|place| {
        path.starts_with(place) || fs::canonicalize(place).is_ok_and(|place| path.starts_with(place))
    })
}

/// Whether the sandbox guards files.
pub fn guards_files() -> bool {
    GRANTED.get().is_some()
}

/// What to add to "is" or "are" in a line about something that was set after the start, so that the sandbox does not let
/// it.
pub fn news() -> String {
    news_with(GRANTED.get().and_then(|granted| granted.needs.restart))
}

fn news_with(restart: Option<&str>) -> String {
    format!("not among what the server's sandbox knew when it started: {}", restart_with(restart))
}

/// "restart the server", with the command that does it where there is one.
pub fn restart() -> String {
    restart_with(GRANTED.get().and_then(|granted| granted.needs.restart))
}

fn restart_with(command: Option<&str>) -> String {
    let how = command.map(|command| format!(" by \"{command}\"")).unwrap_or_default();
    format!("restart the server{how}")
}

/// What has been granted.
struct Granted {
    needs: Needs,
    /// Whether the kernel holds back connections, too: landlock knew files first.
    guards_ports: bool,
}

impl Granted {
    fn lets_connect(&self, port: u16) -> bool {
        !self.guards_ports || self.needs.connects.contains(&port)
    }
}

/// What has been granted, if files are guarded.
static GRANTED: OnceLock<Granted> = OnceLock::new();
