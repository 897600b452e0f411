//! Who lets in and who doesn't, by the texts of the three files.

use super::*;
use crate::clock::{Clock, UnixTime};

const RIGHT: &str = "correct horse battery";

/// A hash of [`RIGHT`], as crypt(3) made it; the last part is long.
const MADE: &str = "$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";

fn files() -> Files {
    let passwd = "root:x:0:0:root:/root:/bin/bash\n\
        daemon:x:1:1::/:/usr/sbin/nologin\n\
        low:x:999:100::/:/bin/sh\n\
        alice:x:1000:1000::/home/alice:/usr/sbin/nologin\n\
        carol:x:1001:200::/home/carol:/bin/false\n\
        dave:x:1002:1002::/home/dave:/bin/bash\n\
        locked:x:1003:200:::\n\
        empty:x:1004:200:::\n\
        bare::1005:200:::\n\
        inline:$1$saltsalt$DeZ6.3ZvfHBYV6SOxz6pZ.:1006:200:::\n\
        unshadowed:x:1007:200:::\n\
        expired:x:1008:200:::\n\
        old:x:1009:200:::\n\
        must:x:1010:200:::\n\
        scrypt:x:1011:200:::\n\
        nobody:x:65534:200:::\n\
        minus:x:65535:200:::\n\
        twice:x:1012:200:::\n\
        twice:x:1013:200:::\n";
    let line = |name: &str, rest: &str| format!("{name}:{MADE}:{rest}\n");
    let shadow = [
        line("root", "20000:0:99999:7:::"),
        line("daemon", "20000:0:99999:7:::"),
        line("low", "20000:0:99999:7:::"),
        line("alice", "20000:0:99999:7:::"),
        line("carol", "20000:0:99999:7:::"),
        line("dave", "20000:0:99999:7:::"),
        format!("locked:!{MADE}:20000:0:99999:7:::\n"),
        "empty::20000:0:99999:7:::\n".into(),
        line("bare", "20000:0:99999:7:::"),
        line("inline", "20000:0:99999:7:::"),
        line("expired", "20000:0:99999:7::20100:"),
        line("old", "20000:0:90:7:::"),
        line("must", "0:0:99999:7:::"),
        "scrypt:$7$CU..../....abcdefgh$T0sduvKxu8wrIjSE2QDlEIQ24zoUNt7XmCAyI.79rw6:20000:0:99999:7:::\n"
            .into(),
        line("nobody", "20000:0:99999:7:::"),
        line("minus", "20000:0:99999:7:::"),
        line("twice", "20000:0:99999:7:::"),
    ]
    .concat();
    let group =
        "root:x:0:\nstaff:x:50:dave,alice\npoppet-users:x:200:alice,root,low,daemon,ghost\nalice:x:1000:\n";
    Files::new(passwd.as_bytes(), shadow.as_bytes(), group.as_bytes())
}

fn prove(files: &Files, name: &str, uid: Option<u32>, password: &str) -> Result<u32, Reason> {
    let clock = Clock::fixed(UnixTime(20_700 * 86_400));
    let password = Secret::new(password);
    files.prove(&Proof { name, uid, password: &password, allows_old: false }, Day::today(&clock, true))
}

/// Neither a shell that lets nobody in nor /etc/nologin says anything here (S-213, S-214): alice has the one, and
/// nothing looks at the other.
#[test]
fn members_of_the_group_come_in_with_their_password_whatever_their_shell_s_213() {
    let files = files();
    assert_eq!(prove(&files, "alice", None, RIGHT), Ok(1000), "by the group's list");
    assert_eq!(prove(&files, "carol", None, RIGHT), Ok(1001), "by her primary group");
    for wrong in ["correct horse batterz", "", "correct horse battery "] {
        assert_eq!(prove(&files, "alice", None, wrong), Err(Reason::WrongPassword), "{wrong:?}");
    }
}

#[test]
fn who_may_not_come_in_is_refused_with_his_reason_whatever_the_password() {
    let files = files();
    for (name, reason) in [
        ("root", Reason::System),
        ("daemon", Reason::System),
        ("low", Reason::System),
        ("nobody", Reason::System),
        ("minus", Reason::System),
        ("dave", Reason::NoMember),
        ("ghost", Reason::NoAccount),
        ("ALICE", Reason::NoAccount),
        ("", Reason::NoAccount),
        ("alice:x", Reason::NoAccount),
        ("locked", Reason::Hash(crypt::Reason::Locked)),
        ("empty", Reason::Hash(crypt::Reason::Empty)),
        ("bare", Reason::NotShadowed),
        ("inline", Reason::NotShadowed),
        ("unshadowed", Reason::NoShadow),
        ("expired", Reason::Expired),
        ("old", Reason::Aged),
        ("must", Reason::MustChange),
        ("scrypt", Reason::Hash(crypt::Reason::Scrypt)),
    ] {
        for password in [RIGHT, "wrong", ""] {
            assert_eq!(prove(&files, name, None, password), Err(reason), "{name} {password:?}");
        }
    }
}

/// Bob left and another bob came: the mail of the first is not the second's.
#[test]
fn an_account_with_another_uid_is_another_one_s_220() {
    let files = files();
    assert_eq!(prove(&files, "alice", Some(1000), RIGHT), Ok(1000));
    for uid in [999, 1001, 0] {
        assert_eq!(prove(&files, "alice", Some(uid), RIGHT), Err(Reason::OtherUid), "{uid}");
    }
    assert_eq!(
        prove(&files, "twice", Some(1013), RIGHT),
        Err(Reason::OtherUid),
        "the first line of a name counts"
    );
}

#[test]
fn a_clock_in_1970_neither_shuts_out_nor_lets_in_what_needs_no_clock_s_212() {
    let files = files();
    let clock = Clock::fixed(UnixTime(0));
    clock.learn(UnixTime(1));
    let password = Secret::new(RIGHT);
    let prove = |name| {
        let proof = Proof { name, uid: None, password: &password, allows_old: false };
        files.prove(&proof, Day::today(&clock, true))
    };
    assert_eq!((prove("expired"), prove("old")), (Ok(1008), Ok(1009)));
    assert_eq!(prove("must"), Err(Reason::MustChange));
}

#[test]
fn accounts_for_mailboxes_are_found_locked_or_expired_but_not_what_never_lets_in() {
    let files = files();
    for (name, found) in [
        ("alice", Ok(1000)),
        ("locked", Ok(1003)),
        ("expired", Ok(1008)),
        ("must", Ok(1010)),
        ("empty", Err(Reason::Hash(crypt::Reason::Empty))),
        ("scrypt", Err(Reason::Hash(crypt::Reason::Scrypt))),
        ("dave", Err(Reason::NoMember)),
        ("root", Err(Reason::System)),
        ("ghost", Err(Reason::NoAccount)),
        ("unshadowed", Err(Reason::NoShadow)),
    ] {
        assert_eq!(files.find(name, false), found, "{name}");
    }
}

#[test]
fn without_the_group_nobody_comes_in() {
    let with = files();
    let group = String::from_utf8(with.group.to_vec()).unwrap().replace("poppet-users", "poppet-user");
    let files = Files::new(&with.passwd, &with.shadow, group.as_bytes());
    assert_eq!(prove(&files, "alice", None, RIGHT), Err(Reason::NoGroup));
    let nothing = Files::new(b"", b"", b"");
    assert_eq!(prove(&nothing, "alice", None, RIGHT), Err(Reason::NoAccount));
}

#[test]
fn members_of_any_group_are_known_by_their_uid() {
    let files = files();
    for (uid, gid, is_in) in [
        (1000, 50, true),
        (1002, 50, true),
        (1001, 50, false),
        (1001, 200, true),
        (1000, 1000, true),
        (7, 50, false),
    ] {
        assert_eq!(files.is_in_group(uid, gid), is_in, "{uid} {gid}");
    }
    assert_eq!((files.group("staff"), files.group("staf")), (Some(50), None));
}

/// A refusal must not be quicker than a wrong password (A11): the hash that is computed for nothing is a real one.
#[test]
fn the_hash_for_nothing_is_of_the_newest_kind_here() {
    assert!(Hash::parse(USUAL, false).is_ok());
    let files = files();
    let newest =
        entry::shadows(&files.shadow).filter(|shadow| Hash::parse(shadow.hash, false).is_ok()).last();
    assert_eq!(newest.map(|shadow| shadow.name), Some("twice"));
}

#[test]
fn files_are_read_up_to_their_limit() {
    let folder = std::env::temp_dir().join(format!("poppet-files-{:016x}", fastrand::u64(..)));
    std::fs::create_dir(&folder).unwrap();
    for name in ["passwd", "shadow", "group"] {
        assert!(Files::read(&folder).is_err(), "{name} is missing");
        std::fs::write(folder.join(name), name).unwrap();
    }
    assert_eq!(Files::read(&folder).map(|files| files.shadow.to_vec()).unwrap(), b"shadow");
    let most = limits::ACCOUNT_FILE_OCTETS as u64;
    for (octets, is_read) in [(most - 1, true), (most, true), (most + 1, false)] {
        File::options().write(true).open(folder.join("group")).unwrap().set_len(octets).unwrap();
        assert_eq!(Files::read(&folder).is_ok(), is_read, "{octets}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
