//! passwd, shadow and group, read afresh for each question; and the rules by which an account lets somebody in.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::aging::Day;
use super::entry::{self, Shadow, User};
use super::{GROUP, Reason};
use crate::crypt::{self, Hash};
use crate::limits;
use crate::mail::Secret;

/// The texts of the three files; they leave memory with this.
pub struct Files {
    passwd: Zeroizing<Vec<u8>>,
    shadow: Zeroizing<Vec<u8>>,
    group: Zeroizing<Vec<u8>>,
}

/// Whose password is to be proved.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The account's name.
    pub name: &'a str,
    /// The uid that it must have, if that is known (S-220).
    pub uid: Option<u32>,
    /// The password.
    pub password: &'a Secret,
    /// Whether MD5 counts.
    pub allows_old: bool,
}

impl Files {
    /// The texts as they are given.
    pub fn new(passwd: &[u8], shadow: &[u8], group: &[u8]) -> Files {
        let [passwd, shadow, group] = [passwd, shadow, group].map(|text| Zeroizing::new(text.to_vec()));
        Files { passwd, shadow, group }
    }

    /// Reads them in that folder. Errs if one can't be read, or is larger than [`limits::ACCOUNT_FILE_OCTETS`].
    pub fn read(folder: &Path) -> io::Result<Files> {
        let read = |name| read(&folder.join(name));
        Ok(Files { passwd: read("passwd")?, shadow: read("shadow")?, group: read("group")? })
    }

    /// The uid of an account that a mailbox can belong to. A lock or an end is no matter: mail arrives all the same.
    /// Errs with why it can't.
    pub fn find(&self, name: &str, allows_old: bool) -> Result<u32, Reason> {
        let (user, shadow) = self.standing(name)?;
        match Hash::parse(shadow.hash, allows_old) {
            Err(reason) if reason != crypt::Reason::Locked => Err(Reason::Hash(reason)),
            _ => Ok(user.uid),
        }
    }

    /// The uid of the account, if it lets somebody in on that day who has proved himself in another way than by its
    /// password. Errs with why not: whatever keeps his password out keeps him out (S-210, S-211).
    pub fn admit(&self, name: &str, uid: Option<u32>, allows_old: bool, day: Day) -> Result<u32, Reason> {
        self.admitted(name, uid, allows_old, day).map(|(uid, _)| uid)
    }

    /// The uid of the account, if the password is its own and it lets somebody in on that day. Errs with why not,
    /// after the time of one hash whatever that is (A11).
    pub fn prove(&self, proof: &Proof<'_>, day: Day) -> Result<u32, Reason> {
        match self.admitted(proof.name, proof.uid, proof.allows_old, day) {
            Ok((uid, hash)) if hash.is_of(proof.password) => Ok(uid),
            Ok(_) => Err(Reason::WrongPassword),
            Err(reason) => {
                self.waste(proof);
                Err(reason)
            }
        }
    }

    /// Whether a user is in a group, as his primary one or by its list.
    pub fn is_in_group(&self, uid: u32, gid: u32) -> bool {
        entry::users(&self.passwd).filter(|user| user.uid == uid).any(|user| self.has(gid, &user))
    }

    /// The number of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        entry::groups(&self.group).find(|group| group.name == name).map(|group| group.gid)
    }

    fn admitted(
        &self,
        name: &str,
        uid: Option<u32>,
        allows_old: bool,
        day: Day,
    ) -> Result<(u32, Hash<'_>), Reason> {
        let (user, shadow) = self.standing(name)?;
        if uid.is_some_and(|uid| uid != user.uid) {
            return Err(Reason::OtherUid);
        }
        shadow.aging.check(day)?;
        let hash = Hash::parse(shadow.hash, allows_old).map_err(Reason::Hash)?;
        Ok((user.uid, hash))
    }

    /// The account by its lines, if it is one of poppet's users. The first line of a name counts, as for getpwnam(3).
    fn standing(&self, name: &str) -> Result<(User<'_>, Shadow<'_>), Reason> {
        let user = entry::users(&self.passwd).find(|user| user.name == name).ok_or(Reason::NoAccount)?;
        if user.uid < limits::LEAST_UID || NOBODIES.contains(&user.uid) {
            return Err(Reason::System);
        }
        let gid = self.group(GROUP).ok_or(Reason::NoGroup)?;
        if !self.has(gid, &user) {
            return Err(Reason::NoMember);
        }
        if user.password != "x" {
            return Err(Reason::NotShadowed);
        }
        let shadow =
            entry::shadows(&self.shadow).find(|shadow| shadow.name == name).ok_or(Reason::NoShadow)?;
        Ok((user, shadow))
    }

    fn has(&self, gid: u32, user: &User<'_>) -> bool {
        user.gid == gid || entry::groups(&self.group).any(|group| group.gid == gid && group.lists(user.name))
    }

    /// Takes the time of a hash of the kind that accounts here have; the newest are at the end.
    fn waste(&self, proof: &Proof<'_>) {
        let usual = entry::shadows(&self.shadow)
            .filter_map(|shadow| Hash::parse(shadow.hash, proof.allows_old).ok())
            .last()
            .or_else(|| Hash::parse(USUAL, false).ok());
        if let Some(hash) = usual {
            std::hint::black_box(hash.is_of(proof.password));
        }
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // Room for all of it at once: a buffer that grows leaves its octets behind.
    let room = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(limits::ACCOUNT_FILE_OCTETS);
    let mut text = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(limits::ACCOUNT_FILE_OCTETS as u64 + 1).read_to_end(&mut text)?;
    if text.len() > limits::ACCOUNT_FILE_OCTETS { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// `nobody`, and what 16 bits can't tell from -1.
pub const NOBODIES: [u32; 2] = [65_534, 65_535];
/// As Debian makes them; of no password.
const USUAL: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$...........................................";

#[cfg(test)]
mod tests;
