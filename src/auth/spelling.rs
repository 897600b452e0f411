//! What a user may type for his name (A9), read without asking anybody.
//!
//! | typed | means | taken |
//! |---|---|---|
//! | `alice@home.lan` | that address, or whom alone its alias reaches | always |
//! | `alice` | who alone has that local part | loose; always where users are the system's, for their names are unique |
//! | `alice%home.lan` | `alice@home.lan` | loose |
//! | `HOME\alice` | `alice` at `home.lan`, or at the domain `home` | loose |

use crate::mail::Address;
use crate::settings::{Method, Names};
use crate::store::Wanted;

/// Whom a prepared name means; none if it can't be anybody's.
pub fn read(name: &str, method: Method, names: Names) -> Option<Wanted> {
    if let Ok(address) = name.parse() {
        return Some(Wanted::Address(address));
    }
    let is_loose = names == Names::Loose;
    if let Some((domain, user)) = name.split_once('\\') {
        let domain = domain.to_lowercase();
        let is_fine = is_loose && !domain.is_empty() && is_local_part(user);
        return is_fine.then(|| Wanted::NameIn { domain, name: user.into() });
    }
    if let Some((user, domain)) = name.split_once('%') {
        let address = format!("{user}@{domain}").parse::<Address>().ok();
        return address.filter(|_| is_loose).map(Wanted::Address);
    }
    ((is_loose || method == Method::Local) && is_local_part(name)).then(|| Wanted::Name(name.into()))
}

/// Whether an address could have that local part.
fn is_local_part(name: &str) -> bool {
    format!("{name}@a").parse::<Address>().is_ok_and(|_| !name.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<Wanted> {
        Some(Wanted::Address(text.parse().unwrap()))
    }

    fn name(text: &str) -> Option<Wanted> {
        Some(Wanted::Name(text.into()))
    }

    fn name_in(domain: &str, name: &str) -> Option<Wanted> {
        Some(Wanted::NameIn { domain: domain.into(), name: name.into() })
    }

    #[test]
    fn names_are_read_by_method_and_setting_a9() {
        // Typed, strict by file or directory, strict by local accounts, loose.
        for (typed, strict, local, loose) in [
            ("a@home.lan", address("a@home.lan"), address("a@home.lan"), address("a@home.lan")),
            ("alice", None, name("alice"), name("alice")),
            ("a%home.lan", None, None, address("a@home.lan")),
            ("HOME\\alice", None, None, name_in("home", "alice")),
            ("home.lan\\alice", None, None, name_in("home.lan", "alice")),
        ] {
            for (method, expected) in
                [(Method::File, &strict), (Method::Directory, &strict), (Method::Local, &local)]
            {
                assert_eq!(read(typed, method, Names::Strict), *expected, "{typed} {method}");
                assert_eq!(read(typed, method, Names::Loose), loose, "{typed} {method}");
            }
        }
    }

    #[test]
    fn what_is_half_a_name_is_nobody_s() {
        for typed in [
            "",
            "\\",
            "\\alice",
            "HOME\\",
            "HOME\\a\\b",
            "HOME\\a@home.lan",
            "a%",
            "%home.lan",
            "a%b%home.lan",
            "a%b@c@d",
            "@",
            "@home.lan",
            "alice@",
            "a b",
            ".",
            "*",
            "a/b",
            "(uid=*)",
        ] {
            for method in Method::ALL {
                assert_eq!(read(typed, method, Names::Loose), None, "{typed}");
            }
        }
    }
}
