//! A process of its own that goes into the sandbox and tries what must not, and what must, be possible (S-333–S-335).
//! Nothing is written outside the database's folder, not in a temporary one either (S-322).

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::{env, thread};

use libc::c_long;
use rustix::process::geteuid;

use super::super::{LayerState, confine, seal};
use crate::admin::Seen;
use crate::cli;
use crate::net::Plan;
use crate::settings::Settings;
use crate::sys::attempt;

/// Names the folder in which the child may write, and says that it is the child.
const FOLDER: &str = "POPPET_SANDBOX_FOLDER";
/// A server of the parent without a path.
const ABSTRACT: &str = "POPPET_SANDBOX_ABSTRACT";

/// The test starts itself anew, since who goes into the sandbox does not come out.
#[test]
fn forbidden_acts_fail_and_those_of_a_server_work_s_333() {
    if let Some(folder) = env::var_os(FOLDER) {
        return in_the_sandbox(Path::new(&folder));
    }
    let folder = env::temp_dir().join(format!("poppet-sandbox-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let name = format!("poppet-sandbox-{}", std::process::id());
    let _strange = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("sandbox::tests::acts::forbidden_acts_fail_and_those_of_a_server_work_s_333")
        .env(FOLDER, &folder)
        .env(ABSTRACT, name)
        .env_remove("NOTIFY_SOCKET")
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("all was tried"), "{said}");
}

fn in_the_sandbox(folder: &Path) {
    let place = Place::make(folder);
    let mut settings = Settings::default();
    settings.assign("pop3", "127.0.0.1:0").unwrap();
    let seen = Seen { settings: settings.into(), ports: vec![place.port], followed: Vec::new() };
    let needs = cli::needs(&seen, &Plan { database: folder.join("poppet.redb"), ..Plan::default() });
    let (ask, asked) = mpsc::channel::<()>();
    // Landlock is not this one's, and it must be told.
    let (end, ended) = mpsc::channel::<()>();
    let stray = thread::spawn(move || {
        let _ = ended.recv();
        fs::read("/etc/passwd")
    });
    let mut layers = confine(&needs);
    // As the store's: it is there before the filter, which must be its, too.
    let early = thread::spawn(move || {
        let _ = asked.recv();
        refused_or_why(&attempt(libc::SYS_listen, [0; 6]).map(drop))
    });
    let _bound = TcpListener::bind("127.0.0.1:0").unwrap();
    layers.push(seal(&needs));
    ask.send(()).unwrap();
    assert_eq!(early.join().unwrap(), None, "a thread that was there goes free");

    end.send(()).unwrap();
    let reached = stray.join().unwrap();
    for layer in layers.iter().filter(|it| it.name == "landlock" && it.state != LayerState::Absent) {
        assert!(reached.is_ok() && layer.state == LayerState::Partly, "{reached:?} {layer:?}");
        assert!(layer.text.contains("threads that were there before ("), "{layer:?}");
    }

    let has = |name: &str| {
        layers.iter().any(|it| it.name == name && matches!(it.state, LayerState::Holds | LayerState::Partly))
    };
    if !has("seccomp") || !has("landlock") {
        // S-336: nothing fails on such a kernel, and it is told.
        println!("this kernel has not all of it: {layers:?}\nall was tried");
        return;
    }
    let failed: Vec<String> = forbidden(&place)
        .into_iter()
        .filter_map(|(name, result)| refused_or_why(&result).map(|why| format!("{name}: {why}")))
        .chain(allowed(&place).into_iter().filter_map(|(name, result)| {
            result.err().map(|error| format!("{name} must be possible: {error}"))
        }))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}\n{layers:?}");
    println!("all was tried");
}

/// What is there before the sandbox.
struct Place {
    folder: PathBuf,
    file: File,
    port: u16,
    /// A port to which there is no leave, where somebody listens.
    other: TcpListener,
    strange: PathBuf,
    /// As a service manager passes it, with a client that waits.
    passed: TcpListener,
    client: TcpStream,
}

impl Place {
    fn make(folder: &Path) -> Place {
        let file =
            OpenOptions::new().create(true).truncate(true).read(true).write(true).open(folder.join("file"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(passed.local_addr().unwrap()).unwrap();
        Place {
            passed,
            client,
            folder: folder.into(),
            file: file.unwrap(),
            port,
            other: TcpListener::bind("127.0.0.1:0").unwrap(),
            strange: env::temp_dir().join(format!("poppet-strange-{}", std::process::id())),
        }
    }
}

/// None if the act was refused, else what became of it.
fn refused_or_why(result: &io::Result<()>) -> Option<String> {
    match result {
        Ok(()) => Some("it is possible".into()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::EXDEV) => None,
            _ => Some(format!("it failed for another reason: {error}")),
        },
    }
}

type Tried = Vec<(&'static str, io::Result<()>)>;

fn forbidden(place: &Place) -> Tried {
    let mut tried = forbidden_files(place);
    tried.extend(forbidden_sockets(place));
    let raw = |number: c_long, arguments: [usize; 6]| attempt(number, arguments).map(drop);
    let path = CString::new("/tmp").unwrap();
    let at = path.as_ptr() as usize;
    let page = || attempt(libc::SYS_mmap, [0, 4096, 3, 0x22, usize::MAX, 0]).unwrap() as usize;
    let calls: Vec<(&str, c_long, [usize; 6])> = vec![
        ("a process", libc::SYS_clone, [17, 0, 0, 0, 0, 0]),
        ("tracing", libc::SYS_ptrace, [0, 0, 0, 0, 0, 0]),
        ("a mount", libc::SYS_mount, [at, at, at, 4096, 0, 0]),
        ("an unmount", libc::SYS_umount2, [at, 0x10, 0, 0, 0, 0]),
        ("a namespace", libc::SYS_unshare, [0x1000_0000, 0, 0, 0, 0, 0]),
        ("another's namespace", libc::SYS_setns, [0, 0, 0, 0, 0, 0]),
        ("another root", libc::SYS_chroot, [at, 0, 0, 0, 0, 0]),
        ("a root that changes places", libc::SYS_pivot_root, [at, at, 0, 0, 0, 0]),
        ("root's number", libc::SYS_setuid, [0, 0, 0, 0, 0, 0]),
        ("root's group", libc::SYS_setgid, [0, 0, 0, 0, 0, 0]),
        ("other groups", libc::SYS_setgroups, [0, 0, 0, 0, 0, 0]),
        ("capabilities", libc::SYS_capset, [0, 0, 0, 0, 0, 0]),
        ("keys of the kernel", libc::SYS_keyctl, [0, 0, 0, 0, 0, 0]),
        ("a key", libc::SYS_add_key, [at, at, 0, 0, 0, 0]),
        ("a program in the kernel", libc::SYS_bpf, [0, 0, 0, 0, 0, 0]),
        ("io_uring", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        ("faults in user space", libc::SYS_userfaultfd, [0, 0, 0, 0, 0, 0]),
        ("performance events", libc::SYS_perf_event_open, [0, 0, 0, 0, 0, 0]),
        ("a module", libc::SYS_init_module, [0, 0, at, 0, 0, 0]),
        ("a module's file", libc::SYS_finit_module, [0, at, 0, 0, 0, 0]),
        ("a module away", libc::SYS_delete_module, [at, 0, 0, 0, 0, 0]),
        // Without its magic numbers it does nothing in any case.
        ("a reboot", libc::SYS_reboot, [0, 0, 0, 0, 0, 0]),
        ("swap", libc::SYS_swapon, [at, 0, 0, 0, 0, 0]),
        ("another kernel", libc::SYS_kexec_load, [0, 0, 0, 0, 0, 0]),
        ("another personality", libc::SYS_personality, [0x4_0000, 0, 0, 0, 0, 0]),
        ("memory with code", libc::SYS_mmap, [0, 4096, 7, 0x22, usize::MAX, 0]),
        ("code in memory", libc::SYS_mprotect, [page(), 4096, 5, 0, 0, 0]),
        ("a file in memory", libc::SYS_memfd_create, [at, 0, 0, 0, 0, 0]),
        ("a signal to another", libc::SYS_kill, [1, 0, 0, 0, 0, 0]),
        ("another's memory", libc::SYS_process_vm_readv, [1, 0, 0, 0, 0, 0]),
        ("core files again", libc::SYS_prctl, [4, 1, 0, 0, 0, 0]),
        ("the clock", libc::SYS_clock_settime, [0, 0, 0, 0, 0, 0]),
        ("the host's name", libc::SYS_sethostname, [at, 1, 0, 0, 0, 0]),
        ("the kernel's log", libc::SYS_syslog, [3, 0, 0, 0, 0, 0]),
        ("accounting", libc::SYS_acct, [0, 0, 0, 0, 0, 0]),
        ("watching all files", libc::SYS_fanotify_init, [0, 0, 0, 0, 0, 0]),
        ("files by handle", libc::SYS_open_by_handle_at, [0, 0, 0, 0, 0, 0]),
        ("a device", libc::SYS_mknodat, [0, at, 0o60600, 0x801, 0, 0]),
        ("another owner", libc::SYS_fchown, [place.file.as_raw_fd() as usize, 1, 1, 0, 0, 0]),
        ("another mode", libc::SYS_fchmod, [place.file.as_raw_fd() as usize, 0o777, 0, 0, 0, 0]),
        ("another filter", libc::SYS_seccomp, [1, 0, 0, 0, 0, 0]),
    ];
    tried.extend(calls.into_iter().map(|(name, number, arguments)| (name, raw(number, arguments))));
    let limit = [4096_u64, 4096];
    let limit = limit.as_ptr() as usize;
    tried
        .push(("another limit", raw(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, limit, 0, 0, 0])));
    assert!(tried.len() >= 50, "{}", tried.len());
    tried
}

fn forbidden_files(place: &Place) -> Tried {
    let memory = OpenOptions::new().write(true).open("/proc/self/mem").map(drop);
    let own = place.folder.join("file");
    // What is public there is only root's to lose: the header of cli/confinement.rs tells why.
    let public = if geteuid().is_root() { "/etc/passwd" } else { "/etc/shadow" };
    vec![
        ("shadow", fs::read("/etc/shadow").map(drop)),
        ("who the users are", fs::read(public).map(drop)),
        ("root's home", fs::read_dir("/root").map(drop)),
        ("all of the root", fs::read_dir("/").map(drop)),
        ("a file elsewhere", File::create(&place.strange).map(drop)),
        ("writing what may be read", OpenOptions::new().write(true).open("/etc/hosts").map(drop)),
        ("its own memory as a file", memory),
        ("another's memory as a file", fs::read("/proc/1/environ").map(drop)),
        ("a program", Command::new("/bin/true").spawn().map(drop)),
        ("a link", std::os::unix::fs::symlink("/etc/shadow", place.folder.join("link"))),
        ("a second name", fs::hard_link(&own, place.folder.join("second"))),
        ("moving out", fs::rename(&own, &place.strange)),
    ]
}

fn forbidden_sockets(place: &Place) -> Tried {
    let socket = |family: usize, kind: usize, protocol: usize| {
        attempt(libc::SYS_socket, [family, kind, protocol, 0, 0, 0]).map(drop)
    };
    let name = env::var(ABSTRACT).unwrap();
    let strange = SocketAddr::from_abstract_name(name).unwrap();
    vec![
        ("a raw socket", socket(2, 3, 1)),
        ("all packets", socket(17, 3, 0x300)),
        ("the kernel's ciphers", socket(38, 5, 0)),
        ("the host of this machine", socket(40, 1, 0)),
        ("Bluetooth", socket(31, 3, 1)),
        ("the audit of the kernel", socket(16, 3, 9)),
        ("another port", TcpStream::connect(place.other.local_addr().unwrap()).map(drop)),
        ("listening", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("listening elsewhere", TcpListener::bind(("127.0.0.1", place.port)).map(drop)),
        ("listening beside", UnixListener::bind(place.folder.join("socket")).map(drop)),
        ("a server without a path", UnixStream::connect_addr(&strange).map(drop)),
    ]
}

fn allowed(place: &Place) -> Tried {
    let file = &place.file;
    let second = place.folder.join("second");
    let descriptor = file.as_raw_fd();
    let mut tried: Tried = vec![
        ("writing", file.write_all_at(&[7; 9000], 4096)),
        ("reading", file.read_exact_at(&mut [0; 9000], 4096)),
        ("fsync", file.sync_all()),
        ("fdatasync", file.sync_data()),
        ("another length", file.set_len(1 << 20)),
        (
            "room on the disk",
            rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, 1 << 20)
                .map_err(Into::into),
        ),
        ("a lock", file.try_lock().map_err(io::Error::from)),
        ("advice", rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).map_err(Into::into)),
        ("how full the disk is", rustix::fs::statvfs(&place.folder).map(drop).map_err(Into::into)),
        ("about a descriptor", file.metadata().map(drop)),
        ("a new file", fs::write(&second, "x")),
        ("another name", fs::rename(&second, place.folder.join("third"))),
        ("taking away", fs::remove_file(place.folder.join("third"))),
        ("its folder", fs::read_dir(&place.folder).map(|all| all.count()).map(drop)),
        ("what it was given to read", fs::read("/etc/hosts").map(drop)),
        ("its control group", fs::read("/proc/self/cgroup").map(drop)),
        ("its descriptors", fs::metadata(format!("/proc/self/fd/{descriptor}")).map(drop)),
        ("random octets", random()),
        ("much memory", much_memory()),
        ("threads", many_threads()),
        ("a bug that is caught", caught()),
        ("names", UdpSocket::bind("127.0.0.1:0").and_then(|socket| ask_itself(&socket))),
        ("the kernel's routes", routes()),
        ("a pair of sockets", UnixStream::pair().map(drop)),
        ("a connection from outside", serve(place)),
        ("another server", reach(place.port)),
        ("waiting", waiting()),
    ];
    tried.push(("processors", thread::available_parallelism().map(drop)));
    assert!(tried.len() >= 25);
    tried
}

fn much_memory() -> io::Result<()> {
    let octets = std::hint::black_box(vec![1_u8; 32 << 20]);
    octets
        .iter()
        .all(|octet| *octet == 1)
        .then_some(())
        .ok_or_else(|| io::Error::other("it is not what was written"))
}

fn many_threads() -> io::Result<()> {
    let threads: Vec<_> = (0..4)
        .map(|number| {
            thread::Builder::new()
                .name(format!("t{number}"))
                .stack_size(1 << 18)
                .spawn(|| vec![0_u8; 1 << 17].len())
        })
        .collect::<Result<_, _>>()?;
    threads.into_iter().try_for_each(|it| it.join().map(drop).map_err(|_| io::Error::other("it died")))
}

fn caught() -> io::Result<()> {
    match std::panic::catch_unwind(|| panic!("as redb does on a damaged file")) {
        Ok(()) => Err(io::Error::other("it was none")),
        Err(_) => Ok(()),
    }
}

fn ask_itself(socket: &UdpSocket) -> io::Result<()> {
    socket.connect(socket.local_addr()?)?;
    socket.send(b"name")?;
    socket.recv(&mut [0; 4]).map(drop)
}

fn routes() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    Ok(bind(&socket, &netlink::SocketAddrNetlink::new(0, 1))?)
}

/// A client that came before, at a socket that was there before.
fn serve(place: &Place) -> io::Result<()> {
    let (mut socket, _) = place.passed.accept()?;
    socket.set_nodelay(true)?;
    socket.write_all(b"+OK")?;
    (&place.client).read_exact(&mut [0; 3])?;
    socket.shutdown(std::net::Shutdown::Both)
}

/// Nobody is there, which the kernel tells only who may ask.
fn reach(port: u16) -> io::Result<()> {
    match TcpStream::connect(("127.0.0.1", port)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        other => other.map(drop),
    }
}

fn random() -> io::Result<()> {
    let octets = [0_u8; 32];
    attempt(libc::SYS_getrandom, [octets.as_ptr() as usize, 32, 0, 0, 0, 0]).map(drop)
}

/// As the executor does: its own descriptors, timers and wakers.
fn waiting() -> io::Result<()> {
    smol::block_on(async {
        let socket = smol::net::UdpSocket::bind("127.0.0.1:0").await?;
        socket.send_to(b"x", socket.local_addr()?).await?;
        socket.recv_from(&mut [0; 1]).await?;
        smol::unblock(|| fs::read("/etc/hosts")).await?;
        smol::Timer::after(std::time::Duration::from_millis(1)).await;
        Ok(())
    })
}
