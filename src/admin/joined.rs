//! Whether this machine is a member of a domain, so that its users are a directory's (A1).

use std::fs;
use std::path::Path;

/// What tells that the machine is a member of a domain, in words for people; nothing if it is none. What can't be
/// read tells nothing.
pub(super) fn signs() -> Vec<&'static str> {
    signs_in(Path::new("/"))
}

fn signs_in(root: &Path) -> Vec<&'static str> {
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let is_there = |name: &str| fs::metadata(root.join(name)).is_ok_and(|about| about.is_file());
    let switch = text("etc/nsswitch.conf");
    let signs = [
        (asks(&switch, "sss") || is_there("etc/sssd/sssd.conf"), "sssd"),
        (asks(&switch, "winbind") || is_member(&text("etc/samba/smb.conf")), "winbind"),
        (is_there("etc/krb5.keytab"), "/etc/krb5.keytab"),
    ];
    signs.into_iter().filter_map(|(is_one, name)| is_one.then_some(name)).collect()
}

/// Whether the system looks there for its users.
fn asks(switch: &str, service: &str) -> bool {
    let lines = switch.lines().map(without_comment).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(database, _)| database.trim() == "passwd")
        .any(|(_, services)| services.split_whitespace().any(|word| word == service))
}

/// Whether Samba is a member of a domain, or its controller: a mere file server is neither.
fn is_member(configuration: &str) -> bool {
    let settings = configuration.lines().map(without_comment).filter_map(|line| line.split_once('='));
    settings.map(|(key, value)| (words(key), words(value))).any(|(key, value)| match key.as_str() {
        "security" => matches!(value.as_str(), "ads" | "domain"),
        "server role" => value.starts_with("member") || value.contains("domain controller"),
        _ => false,
    })
}

fn without_comment(line: &str) -> &str {
    line.split(['#', ';']).next().unwrap_or_default()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_a_domain_is_told_by_its_files_a1() {
        for (name, text, wanted) in [
            ("etc/nsswitch.conf", "passwd: files systemd\n", None),
            ("etc/nsswitch.conf", "passwd:\tfiles sss\n", Some("sssd")),
            ("etc/nsswitch.conf", "passwd: files # sss\n", None),
            ("etc/nsswitch.conf", "group: files winbind\n", None),
            ("etc/nsswitch.conf", "passwd: files winbind\n", Some("winbind")),
            ("etc/sssd/sssd.conf", "", Some("sssd")),
            ("etc/krb5.keytab", "", Some("/etc/krb5.keytab")),
            ("etc/samba/smb.conf", "[global]\n  security = user\n", None),
            ("etc/samba/smb.conf", "[global]\n ; security = ads\n", None),
            ("etc/samba/smb.conf", "[global]\n  Security  =  ADS\n", Some("winbind")),
            ("etc/samba/smb.conf", "server role = standalone server\n", None),
            ("etc/samba/smb.conf", "server role = member server\n", Some("winbind")),
            ("etc/samba/smb.conf", "server role = active directory domain controller\n", Some("winbind")),
        ] {
            let root = std::env::temp_dir().join(format!("poppet-joined-{:016x}", fastrand::u64(..)));
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let signs = signs_in(&root);
            fs::remove_dir_all(&root).unwrap();
            assert_eq!(signs, wanted.into_iter().collect::<Vec<_>>(), "{name}: {text}");
        }
        assert!(signs_in(Path::new("/nowhere-at-all")).is_empty());
    }
}
