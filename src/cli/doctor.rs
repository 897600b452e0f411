//! doctor.

use super::desk::Desk;
use super::outgoing_verbs::DoctorVerb;
use super::output::Output;
use crate::admin::AdminError;

pub(super) fn doctor(verb: &DoctorVerb, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let _ = (verb, desk, output);
    Ok(())
}
