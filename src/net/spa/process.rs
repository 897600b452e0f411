//! One process of the helper: a line in, a line out, and its end.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{io, mem};

use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::{Place, Unavailable};
use crate::limits;
use crate::net::task;
use crate::sandbox;

/// What is run: a program and its fixed words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    words: Vec<OsString>,
}

/// A running helper; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// In front of the child, so that it ends by itself if it can.
    input: Async<ChildStdin>,
    output: Async<ChildStdout>,
    _child: Ending,
    place: Place,
}

/// Kills the child, and has its remains taken away elsewhere.
#[derive(Debug)]
struct Ending(Option<Child>);

/// Whether there is a program at that path.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// Samba's `ntlm_auth` at that path.
    pub fn ntlm_auth(path: &Path) -> Program {
        Program { path: path.into(), words: vec!["--helper-protocol=squid-2.5-ntlmssp".into()] }
    }

    /// Where it is.
    pub fn into_path(self) -> PathBuf {
        self.path
    }

    /// Any other, for tests.
    #[cfg(test)]
    pub fn new(path: &str, words: &[&str]) -> Program {
        Program { path: path.into(), words: words.iter().map(OsString::from).collect() }
    }

    /// No word, variable, folder or descriptor of ours but the pipes; all our files are closed on execution.
    fn run(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.path);
        command.args(&self.words).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }
}

impl Process {
    /// Starts a program. Errs if it can't be run.
    pub async fn start(program: Program, place: Place) -> Result<Process, Unavailable> {
        let path = program.path.clone();
        let failed = |error: io::Error| match sandbox::lets_start(&path) {
            true => Unavailable(format!("{NOT_RUN}: {error}")),
            false => Unavailable(format!("it is {}", sandbox::news())),
        };
        // A slow disk may take its time to give the program.
        let started = task::unblock(move || program.run().map(|child| Ending(Some(child))));
        let mut ending = started.await.map_err(failed)?;
        let pipes = ending.0.as_mut().map(|child| (child.stdin.take(), child.stdout.take()));
        let Some((Some(input), Some(output))) = pipes else { return Err(Unavailable(NOT_RUN.into())) };
        Ok(Process {
            input: Async::new(input).map_err(failed)?,
            output: Async::new(output).map_err(failed)?,
            _child: ending,
            place,
        })
    }

    /// The place that it takes.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Says a word with a message and gives the line that comes back, without its end. Errs if none comes, or one that
    /// is too long.
    pub async fn ask(&mut self, word: &str, message: &str) -> Result<String, Unavailable> {
        let line = format!("{word} {message}\n");
        self.input.write_all(line.as_bytes()).await.map_err(|_| Unavailable(ENDED.into()))?;
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let count = self.output.read(&mut piece).await.unwrap_or(0);
            let read = piece.get(..count).unwrap_or_default();
            let end = read.iter().position(|&octet| octet == b'\n');
            answer.extend_from_slice(read.get(..end.unwrap_or(count)).unwrap_or_default());
            if answer.len() > ANSWER_OCTETS {
                return Err(Unavailable("its answer is too long".into()));
            }
            match end {
                Some(_) => return String::from_utf8(answer).map_err(|_| Unavailable(NO_TEXT.into())),
                None if count == 0 => return Err(Unavailable(ENDED.into())),
                None => {}
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(mut child) = mem::take(&mut self.0) else { return };
        // It may have ended; then there is nothing to kill.
        let _ = child.kill();
        if !matches!(child.try_wait(), Ok(Some(_))) {
            smol::unblock(move || child.wait()).detach();
        }
    }
}

/// A message as it fits a line of SASL, and the word before it.
const ANSWER_OCTETS: usize = limits::SASL_LINE_OCTETS + 3;
const NOT_RUN: &str = "it can't be run";
const ENDED: &str = "it ended without an answer: see Samba's own log";
const NO_TEXT: &str = "its answer is no text";
