//! The sandbox, tried: the filter by an interpreter, and the whole by acts of a process that is in it.

mod acts;
mod filters;

use super::{Granted, Needs, news_with};

/// Only the files that are followed were told with the command that starts the service again.
#[test]
fn what_waits_for_a_restart_names_the_command_of_the_service_s_335() {
    let told = news_with(Some("rc-service poppet restart"));
    assert!(told.ends_with("when it started: restart the server by \"rc-service poppet restart\""), "{told}");
    assert!(news_with(None).ends_with("restart the server"), "nobody knows how");
}

/// Where a kernel guards files and no ports, a firewall that refused a connection was taken for the sandbox.
#[test]
fn ports_are_held_back_only_where_the_kernel_guards_them_s_336() {
    let granted = |guards_ports| {
        let needs = Needs { connects: vec![25, 10_025], ..Needs::default() };
        Granted { needs, guards_ports }
    };
    for (port, is_known) in [(25, true), (10_025, true), (10_024, false)] {
        assert_eq!(granted(true).lets_connect(port), is_known, "{port}");
        assert!(granted(false).lets_connect(port), "{port}");
    }
}
