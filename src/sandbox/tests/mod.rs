//! The sandbox, tried: the filter by an interpreter, and the whole by acts of a process that is in it.

mod acts;
mod filters;

use super::news_with;

/// Only the files that are followed were told with the command that starts the service again.
#[test]
fn what_waits_for_a_restart_names_the_command_of_the_service_s_335() {
    let told = news_with(Some("rc-service poppet restart"));
    assert!(told.ends_with("when it started: restart the server by \"rc-service poppet restart\""), "{told}");
    assert!(news_with(None).ends_with("restart the server"), "nobody knows how");
}
