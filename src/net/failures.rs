//! Has failed logons and lockouts written down while the server runs.

use std::sync::Arc;

use smol::Timer;
use smol::future::FutureExt;

use super::server::Server;
use crate::auth::FailureNews;
use crate::limits;

/// Writes down what changes, at most each [`limits::LOCKOUT_SAVING`], and a lockout within
/// [`limits::LOCKOUT_SAVING_SOON`]; ends never.
pub async fn write_down(server: Arc<Server>) {
    let gatekeeper = &server.gatekeeper;
    loop {
        gatekeeper.failures_changed(FailureNews::Any).await;
        let lockout = async {
            gatekeeper.failures_changed(FailureNews::Lockout).await;
            Timer::after(limits::LOCKOUT_SAVING_SOON).await;
        };
        let all_else = async {
            Timer::after(limits::LOCKOUT_SAVING).await;
        };
        lockout.or(all_else).await;
        gatekeeper.save_failures().await;
    }
}
