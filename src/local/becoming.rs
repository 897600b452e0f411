//! The user as whom the server runs, and how this process becomes that user for good (S-331, S-332). passwd(5), group(5).

use std::io;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::entry;

/// A user of the system by his numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servant {
    /// His name.
    pub name: String,
    uid: u32,
    gid: u32,
    /// All his groups, his own among them.
    groups: Vec<u32>,
}

impl Servant {
    /// The user of that name by passwd and group in that folder, which is `/etc`; none if there is none. Errs if passwd
    /// can't be read.
    pub fn find(folder: &Path, name: &str) -> io::Result<Option<Servant>> {
        let passwd = std::fs::read(folder.join("passwd"))?;
        let group = std::fs::read(folder.join("group")).unwrap_or_default();
        Ok(found(name, &passwd, &group))
    }

    /// Whether that is root, who would be no other user.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Makes this thread that user's for good, and those that it starts from now on: groups, then the group, then the
    /// user, and a try to get back, which must fail. Other threads stay what they are. Does nothing if it is his already.
    /// Errs with what failed; who began this must end then.
    pub fn become_for_good(&self) -> Result<(), String> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if !geteuid().is_root() && !getuid().is_root() && geteuid() == uid {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            .map_err(|error| format!("this process can't become {}: {error}; run it as root", self.name))?;
        let is_his = (getuid(), geteuid(), getgid(), getegid()) == (uid, uid, gid, gid);
        let has_power = capabilities(None).is_ok_and(|sets| !sets.permitted.is_empty());
        let can_return = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok();
        match is_his && !has_power && !can_return {
            true => Ok(()),
            false => Err(format!(
                "this process stays root beside {}: the system does not let it give that up",
                self.name
            )),
        }
    }
}

/// The name of that user, if passwd in that folder has one.
pub fn name_of(folder: &Path, uid: u32) -> Option<String> {
    let passwd = std::fs::read(folder.join("passwd")).ok()?;
    entry::users(&passwd).find(|user| user.uid == uid).map(|user| user.name.to_owned())
}

/// The first line of a name counts, as for getpwnam(3).
fn found(name: &str, passwd: &[u8], group: &[u8]) -> Option<Servant> {
    let user = entry::users(passwd).find(|user| user.name == name)?;
    let others = entry::groups(group).filter(|group| group.gid != user.gid && group.lists(name));
    let groups = std::iter::once(user.gid).chain(others.map(|group| group.gid)).collect();
    Some(Servant { name: name.into(), uid: user.uid, gid: user.gid, groups })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0::/:/bin/sh\nodd line\npoppet:x:990:991::/:/bin/false\npoppet:x:0:0::/:/bin/sh\n";
    const GROUP: &[u8] = b"poppet:x:991:poppet\nwinbindd_priv:x:110:alice,poppet\nother:x:111:poppets\n";

    #[test]
    fn a_user_has_his_numbers_and_all_his_groups() {
        let servant = found("poppet", PASSWD, GROUP).unwrap();
        assert_eq!((servant.uid, servant.gid, &servant.groups[..]), (990, 991, &[991, 110][..]));
        assert!(!servant.is_root() && found("root", PASSWD, GROUP).unwrap().is_root());
    }

    #[test]
    fn what_passwd_does_not_have_is_no_user() {
        for name in ["", "pop", "990", "odd line", "poppet:x"] {
            assert_eq!(found(name, PASSWD, GROUP), None, "{name}");
        }
        assert!(Servant::find(Path::new("/nonexistent"), "root").is_err());
        assert_eq!(name_of(Path::new("/nonexistent"), 0), None);
    }

    /// Only one thread changes, so the tests beside it stay root, where they are.
    #[test]
    fn root_becomes_another_for_good_and_nobody_else_does_s_331() {
        let servant = found("poppet", PASSWD, GROUP).unwrap();
        let was_root = geteuid().is_root();
        let became = thread::spawn(move || {
            let became = servant.become_for_good();
            (became, geteuid().as_raw(), set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok())
        });
        let (became, uid, returned) = became.join().unwrap();
        if was_root {
            assert_eq!((became, uid, returned), (Ok(()), 990, false));
            assert!(geteuid().is_root());
        } else {
            let text = became.unwrap_err();
            assert!(text.contains("can't become poppet") && text.contains("as root"), "{text}");
        }
    }

    #[test]
    fn who_is_that_user_already_stays_so() {
        let own = Servant { name: "me".into(), uid: geteuid().as_raw(), gid: 1, groups: vec![1] };
        if !own.is_root() {
            assert_eq!(own.become_for_good(), Ok(()));
        }
    }
}
