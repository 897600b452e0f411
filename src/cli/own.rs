//! passwd --own: a user of this machine changes his own password, through the running server.

use std::path::Path;

use super::table::{Cell, Report, Said};
use super::verbs::Passwd;
use super::{password, place};
use crate::admin::own::OwnPassword;
use crate::admin::{AdminError, Failure};
use crate::limits;
use crate::mail::{Secret, printable};
use crate::net::control;

/// Never opens the database: it is not this user's.
pub(super) fn passwd(verb: &Passwd, database: Option<&Path>) -> Result<Report, AdminError> {
    let (old, new) = password::obtain_own(&printable(verb.address.as_bytes()), verb.password_stdin)?;
    check(&verb.address, &old, &new)?;
    let (named, usual) = (place::named_database(database), place::database(None).ok());
    let wish = OwnPassword { user_name: verb.address.clone(), old, new };
    let address = control::change_own(named.as_deref(), usual.as_deref(), &wish)?;
    let facts = vec![("mailbox", Cell::text(&address)), ("changed", Cell::Is(true))];
    Ok(Report::Said(format!("{address} has a new password."), facts, Said::Quiet))
}

/// What the server would not even hear.
fn check(name: &str, old: &Secret, new: &Secret) -> Result<(), AdminError> {
    if name.is_empty() || name.len() > limits::USER_NAME_OCTETS {
        return Err(AdminError::usage("that is no mailbox: name one, such as alice@home.lan"));
    }
    let most = limits::PASSWORD_OCTETS;
    if old.expose().len() > most || new.expose().len() > most {
        let text = format!("a password has at most {most} octets; give a shorter one");
        return Err(AdminError::new(Failure::Refused, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_request_holds_is_refused_at_once_s_159() {
        let of = |octets| Secret::new(vec![b'x'; octets]);
        let most = limits::PASSWORD_OCTETS;
        for octets in [1, most - 1, most] {
            assert_eq!(check("alice@home.lan", &of(octets), &of(octets)), Ok(()), "{octets}");
        }
        for (old, new) in [(most + 1, 1), (1, most + 1)] {
            assert_eq!(check("alice@home.lan", &of(old), &of(new)).unwrap_err().kind, Failure::Refused);
        }
        for name in ["", &"x".repeat(limits::USER_NAME_OCTETS + 1)] {
            assert_eq!(check(name, &of(1), &of(2)).unwrap_err().kind, Failure::Usage);
        }
    }
}
