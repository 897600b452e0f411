//! Ports of other servers that the running one does not know yet: its sandbox lets it connect to those of its start only
//! (S-335).

use super::Context;
use crate::mail::NextHop;
use crate::sandbox;
use crate::settings::Settings;

/// What a setting that has just been changed means, as it counts now: [`of`] for the servers that it names, if it does.
pub(super) fn of_setting(context: &Context, key: &str, settings: &Settings) -> Vec<String> {
    let note = match key {
        "smarthost" => of_hops(context, &settings.outgoing.smarthosts),
        "directory_servers" => of_directory(context, settings),
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
