//! Names that every domain has, whether or not a mailbox bears them. RFC 2142 §5, §4.

/// A role at a domain, whose mail somebody must read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Who answers for the mail. RFC 5321 §4.5.1.
    Postmaster,
    /// Who hears of what users do to others. RFC 2142 §4.
    Abuse,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 2] = [Role::Postmaster, Role::Abuse];

    /// The role that a local part names, in letters of any case, with or without a tag behind `separator`; none for
    /// other names.
    pub fn of(local: &str, separator: Option<char>) -> Option<Role> {
        let name =
            separator.and_then(|separator| local.split_once(separator)).map_or(local, |(name, _)| name);
        Role::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(name))
    }

    /// Its local part.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Postmaster => "postmaster",
            Role::Abuse => "abuse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_known_in_any_case_with_and_without_a_tag() {
        for (local, separator, role) in [
            ("postmaster", None, Some(Role::Postmaster)),
            ("PostMaster", Some('+'), Some(Role::Postmaster)),
            ("ABUSE", None, Some(Role::Abuse)),
            ("abuse+x", Some('+'), Some(Role::Abuse)),
            ("abuse+", Some('+'), Some(Role::Abuse)),
            ("Abuse-x-y", Some('-'), Some(Role::Abuse)),
            ("postmaster+a+b", Some('+'), Some(Role::Postmaster)),
            ("abuse+x", None, None),
            ("abuse+x", Some('-'), None),
            ("abuse-x", Some('+'), None),
            ("postmasters", Some('+'), None),
            ("+abuse", Some('+'), None),
            ("", Some('+'), None),
            ("ａbuse", None, None),
        ] {
            assert_eq!(Role::of(local, separator), role, "{local} by {separator:?}");
        }
    }
}
