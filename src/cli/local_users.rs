//! local-users: the small process that reads shadow for the server.

use std::path::Path;

use super::logger;
use super::output::Output;
use super::verbs::LocalUsers;
use crate::admin::{AdminError, Failure};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::local::{self, Files, Helper, door};

/// Answers until it is ended, or for some quiet while where a service manager gave it the socket.
pub(super) fn serve(verb: &LocalUsers, output: &Output) -> Result<(), AdminError> {
    let failed = |text: String| AdminError::new(Failure::Failed, text);
    logger::start();
    let (listener, audience, idle) = match (&verb.socket, door::given()) {
        (Some(path), _) => {
            let group = verb.group.as_deref().map(group).transpose()?;
            let (listener, audience) = door::make(Path::new(path), group).map_err(failed)?;
            (listener, audience, None)
        }
        (None, Some((listener, audience))) => (listener, audience, Some(limits::LOCAL_IDLE)),
        (None, None) => {
            return Err(AdminError::usage(
                "there is no socket to answer at: start poppet-local.socket, or give --socket PATH",
            ));
        }
    };
    local::confine();
    let helper = Helper::new(Path::new(ETC), Clock::system(UnixTime(0)), audience);
    if let Some(path) = &verb.socket {
        output.text(&format!("ready socket={path}\n"))?;
    }
    helper
        .serve(&listener, idle)
        .map_err(|error| failed(format!("the socket fails: {error}; start it again")))
}

/// The number of the group that may ask.
fn group(name: &str) -> Result<u32, AdminError> {
    let files = Files::read(Path::new(ETC)).map_err(|error| {
        AdminError::new(
            Failure::Failed,
            format!("can't read the accounts in {ETC}: {error}; run this as root"),
        )
    })?;
    files.group(name).ok_or_else(|| {
        AdminError::new(
            Failure::NotFound,
            format!("there is no group {name}: make it with groupadd, or leave --group out"),
        )
    })
}

/// Where the system's accounts are.
const ETC: &str = "/etc";
