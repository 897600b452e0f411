//! How large this machine is, as far as the gate must know.

use std::fs;
use std::path::Path;

/// Processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that this process may use: the machine's, or less where a control group limits it.
pub fn memory_octets() -> u64 {
    let facts = rustix::system::sysinfo();
    #[allow(clippy::unnecessary_cast, reason = "the field is narrower on 32-bit machines")]
    let machine = (facts.totalram as u64).saturating_mul(facts.mem_unit.into());
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_limit(Path::new("/sys/fs/cgroup"), &group).map_or(machine, |limit| limit.min(machine))
}

/// The smallest limit from the process's own group up to the root; version 2 groups only.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = root.join(own);
    own.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;

    #[test]
    fn this_machine_has_something() {
        assert!(processors() >= 1);
        assert!(memory_octets() > 1024 * 1024);
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = Folder::new();
        let own = root.path().join("system/poppet");
        fs::create_dir_all(&own).unwrap();
        let limit = || group_limit(root.path(), "1:name=x:/other\n0::/system/poppet\n");
        assert_eq!(limit(), None, "no such file");
        fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(), None);
        fs::write(root.path().join("system/memory.max"), "67108864\n").unwrap();
        assert_eq!(limit(), Some(67_108_864));
        fs::write(own.join("memory.max"), "33554432\n").unwrap();
        assert_eq!(limit(), Some(33_554_432));
        assert_eq!(group_limit(root.path(), "0::/"), None);
        assert_eq!(group_limit(root.path(), ""), None);
    }
}
