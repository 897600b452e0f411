//! Ports of other servers, and Samba's helper, that the running server does not know yet: its sandbox lets it connect to
//! those ports and start that program only which it knew at its start (S-335).

use super::Context;
use super::auth::relays_ntlm;
use crate::mail::NextHop;
use crate::sandbox;
use crate::settings::{Method, Settings};

/// What a setting that has just been changed means, as it counts now: [`of`] for the servers that it names, if it does, or
/// [`of_helper`].
pub(super) fn of_setting(context: &Context, key: &str, settings: &Settings) -> Vec<String> {
    let note = match key {
        "smarthost" => of_hops(context, &settings.outgoing.smarthosts),
        "directory_servers" => of_directory(context, settings),
        "spa" | "ntlm_auth" => of_helper(context, settings.auth, settings),
        _ => None,
    };
    note.into_iter().collect()
}

/// [`of`] for servers that take mail. A port that is not named is a usual one, which is known.
pub(super) fn of_hops(context: &Context, hops: &[NextHop]) -> Option<String> {
    of(context, hops.iter().filter_map(|hop| hop.port).collect())
}

/// [`of`] for the directory's servers.
pub(super) fn of_directory(context: &Context, settings: &Settings) -> Option<String> {
    of(context, settings.directory.servers.iter().map(|server| server.port).collect())
}

/// What it means that the server runs and may not start the helper that NTLM is handed to by that method, in a line for
/// people; none if it may, if none runs, or if nothing is handed to it.
pub(super) fn of_helper(context: &Context, method: Method, settings: &Settings) -> Option<String> {
    let live = context.live.as_ref()?;
    let is_asked = settings.spa && method != Method::File && relays_ntlm(context);
    (is_asked && !live.lets_start())
        .then(|| format!("Nobody logs on by NTLM yet: ntlm_auth is {}.", sandbox::news()))
}

/// What it means that the server runs and may not connect to some of these ports before it starts again, in a line for
/// people; none if it may, or none runs.
fn of(context: &Context, mut ports: Vec<u16>) -> Option<String> {
    let live = context.live.as_ref()?;
    ports.retain(|port| !live.lets_connect(*port));
    ports.sort_unstable();
    ports.dedup();
    let shown = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let (noun, they_are) = match ports.len() {
        0 => return None,
        1 => ("port", "it is"),
        _ => ("ports", "they are"),
    };
    Some(format!("Nothing goes to {noun} {shown} yet: {they_are} {}.", sandbox::news()))
}
