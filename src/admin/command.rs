//! The commands and their answers, as they travel through the control socket.

use serde::{Deserialize, Serialize};

/// An administrative act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {}

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {}
