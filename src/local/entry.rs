//! Lines of passwd, shadow and group; odd ones are skipped. passwd(5), shadow(5), group(5).

use super::aging::Aging;
use crate::limits;

/// A line of passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User<'a> {
    /// His login name.
    pub name: &'a str,
    /// `x`, if shadow has the hash.
    pub password: &'a str,
    /// His number.
    pub uid: u32,
    /// His primary group's.
    pub gid: u32,
}

/// A line of shadow.
#[derive(Clone, PartialEq, Eq)]
pub struct Shadow<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// The hash of his password, or what locks it.
    pub hash: &'a str,
    /// Until when it is good.
    pub aging: Aging,
}

/// A line of group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number.
    pub gid: u32,
    /// Those whose primary group it is not.
    members: &'a str,
}

impl Group<'_> {
    /// Whether the line lists that user.
    pub fn lists(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member == user)
    }
}

/// The users of a passwd file.
pub fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let [name, password, uid, gid, _, _, _] = fields(line)?;
        Some(User { name: filled(name)?, password, uid: number(uid)?, gid: number(gid)? })
    })
}

/// The entries of a shadow file.
pub fn shadows(shadow: &[u8]) -> impl Iterator<Item = Shadow<'_>> {
    lines(shadow).filter_map(|line| {
        let [name, hash, changed, _, longest, _, grace, expires, _] = fields(line)?;
        let aging = Aging {
            changed: days(changed)?,
            longest: days(longest)?,
            grace: days(grace)?,
            expires: days(expires)?,
        };
        Some(Shadow { name: filled(name)?, hash, aging })
    })
}

/// The groups of a group file.
pub fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let [name, _, gid, members] = fields(line)?;
        Some(Group { name: filled(name)?, gid: number(gid)?, members })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|octet| *octet == b'\n')
        .take(limits::ACCOUNT_LINES)
        .filter(|line| line.len() <= limits::ACCOUNT_LINE_OCTETS)
        .filter_map(|line| str::from_utf8(line).ok())
}

/// The fields of a line, if it has so many.
fn fields<const COUNT: usize>(line: &str) -> Option<[&str; COUNT]> {
    let mut parts = line.split(':');
    let mut fields = [""; COUNT];
    for field in &mut fields {
        *field = parts.next()?;
    }
    parts.next().is_none().then_some(fields)
}

fn filled(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

/// Digits and nothing else; 4,294,967,295 is what system calls say for "none".
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number != u32::MAX)
}

/// A number of days; empty or negative for none. None at all if it is no number.
fn days(text: &str) -> Option<Option<u32>> {
    match text.strip_prefix('-') {
        None if text.is_empty() => Some(None),
        None => number(text).map(Some),
        Some(rest) => number(rest).map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd_are_read_and_odd_ones_skipped_s_178() {
        let text = b"root:x:0:0:root:/root:/bin/bash\n\nalice:x:1000:1001:Alice,,,:/home/alice:/usr/sbin/nologin\n\
            # comment\n+::::::\n+bob::::::\nfew:x:1:1\nmany:x:1:1:::::\nminus:x:-1:1:::\nplus:x:+1:1:::\nword:x:one:1:::\n\
            none:x:4294967295:1:::\nlarge:x:4294967296:1:::\n:x:1002:1:::\n\xff\xfe:x:1003:1:::\nlast:x:4294967294:1:::";
        let names: Vec<_> = users(text).map(|user| (user.name, user.uid, user.gid)).collect();
        assert_eq!(names, [("root", 0, 0), ("alice", 1000, 1001), ("last", 4_294_967_294, 1)]);
    }

    #[test]
    fn lines_of_shadow_are_read_and_odd_ones_skipped_s_178() {
        let text = b"alice:$y$x:19000:0:99999:7:::\nbob:!:-1:0:-1:7:30:20000:\nshort:x:1:0:9:7::\nlong:x:1:0:9:7::::\n\
            word:x:today:0:9:7:::\nlarge:x:99999999999:0:9:7:::\nempty::::::::";
        let found: Vec<_> = shadows(text).map(|shadow| (shadow.name, shadow.hash, shadow.aging)).collect();
        let aging = |changed, longest, grace, expires| Aging { changed, longest, grace, expires };
        assert_eq!(
            found,
            [
                ("alice", "$y$x", aging(Some(19000), Some(99999), None, None)),
                ("bob", "!", aging(None, None, Some(30), Some(20000))),
                ("empty", "", aging(None, None, None, None)),
            ]
        );
    }

    #[test]
    fn members_are_whole_names() {
        let groups: Vec<_> = groups(b"a:x:100:alice,bob\nb:x:101:\nc:x:1\nd:x:y:alice").collect();
        assert_eq!(groups.len(), 2);
        for (user, wanted) in
            [("alice", true), ("bob", true), ("ali", false), ("alice,bob", false), ("", false)]
        {
            assert_eq!(groups[0].lists(user), wanted, "{user}");
        }
        assert!(!groups[1].lists("alice"));
    }

    #[test]
    fn lines_and_their_number_are_held_at_their_edges() {
        let line = |octets: usize| {
            let front = "a:x:1:1::";
            format!("{front}{}:\n", "g".repeat(octets - front.len() - 1))
        };
        let most = limits::ACCOUNT_LINE_OCTETS;
        for (octets, count) in [(most - 1, 1), (most, 1), (most + 1, 0)] {
            assert_eq!(users(line(octets).as_bytes()).count(), count, "{octets}");
        }
        let many = |lines: usize| users("a:x:1:1:::\n".repeat(lines).as_bytes()).count();
        let most = limits::ACCOUNT_LINES;
        assert_eq!((many(most - 1), many(most), many(most + 1)), (most - 1, most, most));
    }
}
