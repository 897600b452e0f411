//! What setup tells: what stands, what is new, and what to type into a mail client.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::place::shell_quoted;
use crate::mail::Address;
use crate::settings::{Listen, ListenerKind};

/// What setup has to tell.
pub(super) struct Advice {
    /// The mailbox.
    pub address: Address,
    /// The database.
    pub database: PathBuf,
    /// The authority's certificate, for clients to trust.
    pub authority: PathBuf,
    /// The generated password, to be shown once.
    pub password: Option<String>,
    /// The recovery words of a new device key, to be shown once.
    pub recovery_words: Option<String>,
    /// Whether the database has been made just now.
    pub is_database_new: bool,
    /// Whether the domain has.
    pub is_domain_new: bool,
    /// Whether the mailbox has.
    pub is_mailbox_new: bool,
    /// Whether its password is kept here.
    pub has_password_here: bool,
    /// Whether the certificates have.
    pub is_certificate_new: bool,
    /// What serves from now on.
    pub next: Next,
    /// This machine's name.
    pub host_name: Option<String>,
    /// This machine's first address.
    pub server: String,
    /// Where the server listens.
    pub listeners: [Listen; 5],
}

/// What serves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// This very command.
    Serves,
    /// The server that runs already, with its process number.
    RunsAlready(u32),
    /// The service of this machine.
    Service {
        /// Its process number.
        pid: Option<u32>,
        /// How its log is read.
        log: &'static str,
        /// Where the version before this one is kept.
        former: Option<&'static str>,
    },
}

impl Advice {
    /// As people read it.
    pub fn text(&self) -> String {
        let mut text = self.what_stands();
        if let Some(password) = &self.password {
            text += &format!("\nPassword of {}, shown only now:\n\n    {password}\n", self.address);
        }
        if let Some(words) = &self.recovery_words {
            text += "\nRecovery words of the device key, shown only now. Keep them on paper: without the key \
                     the passwords\nin the database are lost.\n\n";
            text += &format!("    {words}\n");
        }
        text += &self.client_settings();
        text += &self.try_it();
        text + &self.what_runs()
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let ports: serde_json::Map<_, _> =
            ListenerKind::ALL.into_iter().map(|kind| (kind.name().into(), json!(self.port(kind)))).collect();
        json!({
            "mailbox": self.address.as_str(),
            "password": self.password,
            "recovery_words": self.recovery_words,
            "database": self.database.to_string_lossy(),
            "authority": self.authority.to_string_lossy(),
            "server": self.server,
            "host_name": self.host_name,
            "ports": ports,
            "new": {
                "database": self.is_database_new, "domain": self.is_domain_new,
                "mailbox": self.is_mailbox_new, "certificate": self.is_certificate_new,
            },
            "pid": match self.next {
                Next::RunsAlready(pid) => Some(pid),
                Next::Service { pid, .. } => pid,
                Next::Nothing | Next::Serves => None,
            },
            "service": matches!(self.next, Next::Service { .. }),
        })
    }

    fn what_stands(&self) -> String {
        let line = |what: String, is_new| {
            format!("{}  {what}\n", if is_new { "made now      " } else { "stands already" })
        };
        // The authority stays, so that clients need no new one.
        let is_renewed = self.is_certificate_new && !self.is_database_new;
        line(format!("database     {}", self.database.display()), self.is_database_new)
            + &match is_renewed {
                true => format!("renewed now     certificate  {}\n", self.authority.display()),
                false => line(format!("certificate  {}", self.authority.display()), self.is_certificate_new),
            }
            + &line(format!("domain       {}", self.address.domain()), self.is_domain_new)
            + &line(format!("mailbox      {}{}", self.address, self.password_note()), self.is_mailbox_new)
    }

    fn what_runs(&self) -> String {
        match self.next {
            Next::RunsAlready(pid) if self.is_certificate_new => {
                format!("\nThe server runs already, as process {pid}, and shows the new certificate.\n")
            }
            Next::RunsAlready(pid) => format!("\nThe server runs already, as process {pid}.\n"),
            Next::Serves => "\nNow it serves, until Ctrl-C; \"poppet serve\" serves again.\n\n".into(),
            Next::Nothing => "\nNothing serves yet: \"poppet serve\" does.\n".into(),
            Next::Service { log, former, .. } => {
                let kept = former.map(|path| format!("The version before this one is kept: {path}\n"));
                format!(
                    "\nIt runs as a service and starts with the machine; a mail client's connection inside TLS has \
                     worked.\nIts log: {log}\n{}",
                    kept.unwrap_or_default()
                )
            }
        }
    }

    fn password_note(&self) -> String {
        match (self.has_password_here, self.is_mailbox_new) {
            (false, _) => " (its password is not kept here: \"poppet auth\" tells)".into(),
            (true, true) => String::new(),
            (true, false) => format!(" (its password stays: \"poppet passwd {}\" changes it)", self.address),
        }
    }

    fn client_settings(&self) -> String {
        let mut text = String::from("\nSettings for a mail client:\n\n");
        let mut line = |name: &str, value: &str| text += &format!("    {name:<16}{value}\n");
        line("server", &self.server_names());
        line("user name", self.address.as_str());
        line("receiving", &self.doors("POP3", ListenerKind::Pop3s, ListenerKind::Pop3));
        line("sending", &self.doors("SMTP", ListenerKind::Submissions, ListenerKind::Submission));
        line("trusts", &format!("{} (import it as a certificate authority)", self.authority.display()));
        if let Some(port) = self.port(ListenerKind::Smtp) {
            let printer = format!("SMTP port {port}, no security, no password; to {}", self.address);
            text += &format!("\nFor a printer or camera: server {}, {printer}.\n", self.server);
        }
        text
    }

    fn server_names(&self) -> String {
        match &self.host_name {
            Some(host) => format!("{} (or {host}.local)", self.server),
            None => self.server.clone(),
        }
    }

    fn doors(&self, protocol: &str, tls: ListenerKind, starttls: ListenerKind) -> String {
        let tls = self.port(tls).map(|port| format!("port {port} with SSL/TLS"));
        let starttls = self.port(starttls).map(|port| format!("port {port} with STARTTLS"));
        match (tls, starttls) {
            (Some(tls), Some(starttls)) => format!("{protocol}, {tls} (or {starttls})"),
            (Some(door), None) | (None, Some(door)) => format!("{protocol}, {door}"),
            (None, None) => format!("{protocol} is off: \"poppet get\" shows the listeners"),
        }
    }

    /// Two lines that work when pasted into a shell on this machine. curl asks for the password itself:
    /// a command line is seen by everyone (S-321).
    fn try_it(&self) -> String {
        let (address, domain) = (&self.address, self.address.domain());
        let mut text = String::new();
        if let Some(port) = self.port(ListenerKind::Smtp) {
            text += &format!(
                "\nSend {address} a mail, as a printer would:\n\n    \
                 printf 'From: printer@{domain}\\nTo: {address}\\nSubject: It works\\n\\nHello from poppet.\\n' | \
                 curl --silent --show-error --crlf smtp://localhost:{port} --mail-from printer@{domain} \
                 --mail-rcpt {address} --upload-file -\n"
            );
        }
        if let Some(port) = self.port(ListenerKind::Pop3s) {
            let authority = shell_quoted(&self.authority);
            text += &format!(
                "\nFetch it (curl asks for the password):\n\n    \
                 curl --silent --show-error --cacert {authority} --user {address} pop3s://localhost:{port}/1\n"
            );
        }
        text
    }

    fn port(&self, kind: ListenerKind) -> Option<u16> {
        self.listeners[kind as usize].0.first().map(std::net::SocketAddr::port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice() -> Advice {
        let listen = |kind: ListenerKind| Listen(vec![([0, 0, 0, 0], kind.ports().1).into()]);
        Advice {
            address: "alice@home.lan".parse().unwrap(),
            database: "/d/poppet.redb".into(),
            authority: "/d/poppet-authority.pem".into(),
            password: Some("canary".into()),
            recovery_words: None,
            is_database_new: false,
            is_domain_new: true,
            is_mailbox_new: true,
            has_password_here: true,
            is_certificate_new: false,
            next: Next::RunsAlready(7),
            host_name: Some("pi".into()),
            server: "192.168.1.5".into(),
            listeners: ListenerKind::ALL.map(listen),
        }
    }

    #[test]
    fn the_password_is_told_once_and_stands_on_no_command_line_s_321() {
        let text = advice().text();
        assert_eq!(text.matches("canary").count(), 1);
        assert!(text.lines().filter(|line| line.contains("curl")).all(|line| !line.contains("canary")));
        assert!(!Advice { password: None, ..advice() }.text().contains("Password of"));
        let elsewhere = Advice { password: None, has_password_here: false, ..advice() }.text();
        assert!(elsewhere.contains("not kept here") && !elsewhere.contains("poppet passwd"), "{elsewhere}");
    }

    #[test]
    fn a_client_gets_every_setting_it_asks_for() {
        let text = advice().text();
        for wanted in [
            "192.168.1.5 (or pi.local)",
            "user name       alice@home.lan",
            "POP3, port 1995 with SSL/TLS (or port 1110 with STARTTLS)",
            "SMTP, port 1465 with SSL/TLS (or port 1587 with STARTTLS)",
            "pop3s://localhost:1995/1",
            "smtp://localhost:2525",
            "stands already  database",
            "made now        domain",
            "process 7",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }

    #[test]
    fn what_is_off_is_not_offered() {
        let text = Advice { listeners: Default::default(), ..advice() }.text();
        assert!(text.contains("POP3 is off") && !text.contains("curl"), "{text}");
        assert_eq!(advice().json()["ports"]["pop3s"], json!(1995));
        assert_eq!(
            Advice { listeners: Default::default(), ..advice() }.json()["ports"]["pop3s"],
            Value::Null
        );
    }

    /// It told people to send SIGHUP for what a server that runs has taken up by itself.
    #[test]
    fn it_ends_with_who_serves() {
        let service = |former| Next::Service { pid: Some(7), log: "journalctl -u poppet", former };
        for (next, is_certificate_new, wanted) in [
            (Next::RunsAlready(7), false, "as process 7.\n"),
            (Next::RunsAlready(7), true, "as process 7, and shows the new certificate.\n"),
            (Next::Serves, true, "Ctrl-C; \"poppet serve\" serves again.\n\n"),
            (Next::Nothing, false, "\"poppet serve\" does.\n"),
            (service(None), true, "Its log: journalctl -u poppet\n"),
            (service(Some("/x/poppet.old")), false, "is kept: /x/poppet.old\n"),
        ] {
            let text = Advice { next, is_certificate_new, ..advice() }.text();
            assert!(text.ends_with(wanted), "{wanted} at the end of {text}");
        }
    }

    #[test]
    fn a_renewed_certificate_is_not_told_as_a_new_authority() {
        let line = |is_database_new| {
            let advice = Advice { is_certificate_new: true, is_database_new, ..advice() };
            advice.text().lines().nth(1).map(String::from)
        };
        assert_eq!(line(true).as_deref(), Some("made now        certificate  /d/poppet-authority.pem"));
        assert_eq!(line(false).as_deref(), Some("renewed now     certificate  /d/poppet-authority.pem"));
    }
}
