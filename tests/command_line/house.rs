//! A folder with a database in it, the real binary, and if wanted a running server; gone when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder with a database in it.
pub struct House {
    folder: PathBuf,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// A running server.
pub struct Server {
    child: Child,
    /// Its ready line.
    pub ready: String,
}

impl House {
    /// An empty folder.
    pub fn empty() -> House {
        let name = format!("command_line-{:016x}", fastrand::u64(..));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&folder).unwrap();
        House { folder }
    }

    /// A folder that has been set up for alice@home.lan with the password `wonderland`.
    pub fn with_alice() -> House {
        let house = House::empty();
        let ran = house.run_with("setup home.lan alice --no-start --password-stdin", "wonderland\n");
        assert_eq!(ran.code, 0, "{ran:?}");
        house
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command with nothing on standard input.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// Runs a command with that on standard input.
    pub fn run_with(&self, line: &str, input: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_words(&words, input)
    }

    /// Runs a command whose arguments may hold anything.
    pub fn run_words(&self, words: &[&str], input: &str) -> Ran {
        let mut child = self.command().args(words).spawn().unwrap();
        // A command that needs no input may be done before it has taken any.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: self.without_option(&output.stdout),
            err: self.without_option(&output.stderr),
        }
    }

    /// What was said, without the option that names this folder's database in every remedy.
    fn without_option(&self, said: &[u8]) -> String {
        let option = format!(" --db {}", self.file("poppet.redb").display());
        String::from_utf8_lossy(said).replace(&option, "")
    }

    /// What a shell line shows on a terminal at which nobody types.
    pub fn on_a_terminal(&self, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_poppet"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("script");
        command.args(["--quiet", "--command", line, "/dev/null"]);
        command.env("PATH", path).env("POPPET_DB", self.file("poppet.redb"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Its end would be typed as Ctrl-D.
        let keyboard = child.stdin.take();
        let mut shown = String::new();
        child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        drop(keyboard);
        child.wait().unwrap();
        self.without_option(shown.as_bytes())
    }

    /// The real binary with this folder's database, every stream a pipe.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poppet"));
        command.env("POPPET_DB", self.file("poppet.redb")).env("POPPET_LOG", "warn");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a server on free ports and waits for its ready line.
    pub fn serve(&self) -> Server {
        self.serve_with(&[], Stdio::inherit())
    }

    /// The same with these variables, and with standard error there.
    pub fn serve_with(&self, variables: &[(&str, &str)], err: Stdio) -> Server {
        let flags =
            "serve --pop3 127.0.0.1:0 --smtp 127.0.0.1:0 --pop3s off --submission off --submissions off";
        let mut command = self.command();
        command.args(flags.split(' ')).envs(variables.iter().copied()).stderr(err);
        Server::ready(command)
    }

    /// Runs a command that ends in serving, and waits for its ready line.
    pub fn serve_by(&self, line: &str) -> Server {
        let mut command = self.command();
        command.args(line.split_whitespace()).stderr(Stdio::inherit());
        Server::ready(command)
    }

    /// The same by a copy of the program whose file is gone before it has all of its standard input.
    pub fn serve_by_one_that_is_gone(&self, line: &str, input: &str) -> Server {
        let program = self.file("poppet-copy");
        std::fs::copy(env!("CARGO_BIN_EXE_poppet"), &program).unwrap();
        let mut command = Command::new(&program);
        command.env("POPPET_DB", self.file("poppet.redb")).args(line.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        std::fs::remove_file(&program).unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Server::told_by(child)
    }
}

impl Server {
    fn ready(mut command: Command) -> Server {
        Server::told_by(command.spawn().unwrap())
    }

    fn told_by(mut child: Child) -> Server {
        let (mut ready, mut told) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        while !ready.starts_with("ready ") {
            ready.clear();
            assert_ne!(told.read_line(&mut ready).unwrap(), 0, "it ended without serving");
        }
        Server { child, ready }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Ran {
    /// Asserts that it failed with that code and exactly one line on standard error that holds `wanted`.
    #[track_caller]
    pub fn failed(&self, code: i32, wanted: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.starts_with("poppet: ") && self.err.contains(wanted), "{self:?}");
        assert_eq!(self.err.matches('\n').count(), 1, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
    }

    /// Asserts that it was done without a word on standard error; gives standard output.
    #[track_caller]
    pub fn done(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        &self.out
    }

    /// Asserts that it was done, and that standard error holds `wanted` in lines of the usual form.
    #[track_caller]
    pub fn warned(&self, wanted: &str) {
        assert_eq!((self.code, self.out.as_str()), (0, ""), "{self:?}");
        assert!(self.err.contains(wanted), "{self:?}");
        assert!(self.err.lines().all(|line| line.starts_with("poppet: ")), "{self:?}");
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.done()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Server {
    /// Where a listener listens.
    pub fn at(&self, listener: &str) -> String {
        let mut words = self.ready.split_whitespace();
        words.find_map(|word| word.strip_prefix(&format!("{listener}="))).unwrap().to_string()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a mail to `to` as a printer would.
    pub fn deliver(&self, to: &str, message: &str) {
        let mut peer = TcpStream::connect(self.at("smtp")).unwrap();
        let mut replies = BufReader::new(peer.try_clone().unwrap());
        expect(&mut replies, "220");
        let message = format!("{message}\r\n.");
        for (line, code) in [
            ("HELO printer", "250"),
            ("MAIL FROM:<printer@example.net>", "250"),
            (&format!("RCPT TO:<{to}>"), "250"),
            ("DATA", "354"),
            (&message, "250"),
            ("QUIT", "221"),
        ] {
            peer.write_all(format!("{line}\r\n").as_bytes()).unwrap();
            expect(&mut replies, code);
        }
    }

    /// Whether a POP3 logon without TLS is welcome; `plaintext` must allow it.
    pub fn pop3_logon(&self, user: &str, password: &str) -> bool {
        let mut peer = TcpStream::connect(self.at("pop3")).unwrap();
        peer.write_all(format!("USER {user}\r\nPASS {password}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut replies = String::new();
        peer.read_to_string(&mut replies).unwrap();
        replies.lines().nth(2).unwrap().starts_with("+OK")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn expect(replies: &mut impl BufRead, code: &str) {
    let mut line = String::new();
    replies.read_line(&mut line).unwrap();
    assert!(line.starts_with(code), "{code} wanted, {line:?} came");
}
