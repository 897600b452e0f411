//! Whoever asks for an act: gone, he is told nothing any more, so what only he may hear must not be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{AdminError, Failure};

/// One who asks; clones are the same. He is there until somebody sees him leave.
#[derive(Debug, Clone, Default)]
pub struct Asker(Arc<AtomicBool>);

impl Asker {
    /// He has hung up.
    pub fn leave(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether he has hung up.
    pub fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Errs with [`Failure::Failed`] if he has hung up.
    pub(super) fn must_be_there(&self) -> Result<(), AdminError> {
        match self.is_gone() {
            false => Ok(()),
            true => {
                let text = "whoever asked has hung up, so nothing was changed: say it again";
                Err(AdminError::new(Failure::Failed, text))
            }
        }
    }
}
