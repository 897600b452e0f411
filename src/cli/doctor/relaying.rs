//! Whether the door for other servers sends a stranger's mail on: it is asked as a stranger would (S-071, M11).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Finding, reachable};
use crate::admin::LiveStatus;

/// Asks at every door for incoming mail; mail itself is not sent.
pub(super) fn of(live: &LiveStatus) -> Vec<Finding> {
    let doors = live.listeners.iter().filter(|(name, _)| name == "smtp");
    doors.map(|(_, address)| judged(*address, ask(reachable(*address)))).collect()
}

/// The reply to the recipient who is elsewhere. Errs if it did not come to that.
fn ask(address: SocketAddr) -> io::Result<String> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    converse(&mut BufReader::new((&socket).take(MOST_OCTETS)), &mut &socket)
}

/// RFC 5321 §3.3: the greeting, the name, the sender, the recipient.
fn converse(replies: &mut impl BufRead, commands: &mut impl Write) -> io::Result<String> {
    expect_good(&reply(replies)?)?;
    for command in ["EHLO doctor.invalid\r\n", "MAIL FROM:<doctor@example.com>\r\n"] {
        commands.write_all(command.as_bytes())?;
        expect_good(&reply(replies)?)?;
    }
    commands.write_all(b"RCPT TO:<stranger@example.net>\r\n")?;
    let answer = reply(replies)?;
    // The answer is what counts; the end is a courtesy.
    let _ = commands.write_all(b"RSET\r\nQUIT\r\n");
    Ok(answer)
}

/// The last line of a reply. RFC 5321 §4.2.1.
fn reply(replies: &mut impl BufRead) -> io::Result<String> {
    loop {
        let mut line = String::new();
        if replies.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}

fn expect_good(reply: &str) -> io::Result<()> {
    match reply.starts_with('2') {
        true => Ok(()),
        false => Err(io::Error::other(format!("it said {}", super::super::table::harmless(reply)))),
    }
}

fn judged(door: SocketAddr, answer: io::Result<String>) -> Finding {
    match answer {
        Ok(reply) if reply.starts_with('2') => Finding::note(
            "relay",
            format!(
                "this machine may send to other servers through {door} without a logon, since a device has its address: \
                 \"poppet device list\" shows it"
            ),
        ),
        Ok(reply) if reply.starts_with('5') => {
            Finding::good("relay", format!("a stranger's mail for another server is refused at {door}"))
        }
        Ok(reply) => Finding::note(
            "relay",
            format!(
                "a stranger's mail for another server is not taken now at {door} ({}): ask again later",
                super::super::table::harmless(&reply)
            ),
        ),
        Err(error) => Finding::note(
            "relay",
            format!("whether strangers can send through {door} is not known ({error}): ask again later"),
        ),
    }
}

/// As long as a server of this machine may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What all its replies may have.
const MOST_OCTETS: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    const DOOR: &str = "[2001:db8::1]:25";

    fn told(replies: &str) -> (State, String) {
        let mut said = Vec::new();
        let finding = judged(DOOR.parse().unwrap(), converse(&mut replies.as_bytes(), &mut said));
        // The rows for IPv4 and IPv6 were the same, word for word.
        assert!(finding.what.contains(DOOR), "{finding:?}");
        (finding.state, String::from_utf8(said).unwrap())
    }

    #[test]
    fn a_stranger_is_refused_or_it_is_told_m11() {
        let greeted = "220 mail ESMTP\r\n250-mail\r\n250 PIPELINING\r\n250 ok\r\n";
        for (last, state) in [
            ("550 5.7.1 not here\r\n", State::Good),
            ("250 2.1.5 ok\r\n", State::Note),
            ("451 4.7.1 later\r\n", State::Note),
            ("", State::Note),
        ] {
            let (found, said) = told(&format!("{greeted}{last}"));
            assert_eq!(found, state, "{last}");
            assert!(said.contains("RCPT TO:<stranger@example.net>\r\n") && !said.contains("DATA"), "{said}");
        }
        for early in
            ["", "554 no\r\n", "220 mail\r\n421 full\r\n", "220 mail\r\n250 x\r\n550 not you\r\n", "\u{ff}"]
        {
            let (found, said) = told(early);
            assert!(found == State::Note && !said.contains("RCPT"), "{early}");
        }
    }
}
