//! The limits of mail for the outside.

use std::time::Duration;

/// Servers that a smart host or a route may have, and certificates that may be pinned for them.
pub const HOPS: usize = 8;
/// Days that outgoing mail is tried by default. RFC 5321 §4.5.4.1 asks for four or five.
pub const QUEUE_DAYS: u32 = 5;
/// Days that it may be set to.
pub const MOST_QUEUE_DAYS: u32 = 30;
/// Hours after which a sender is told that his mail waits: Postfix's and Exchange's usual 4.
pub const DELAY_NOTE_HOURS: u32 = 4;
/// Connections to one server at once by default: small providers allow few (S-135).
pub const HOP_CONNECTIONS: u32 = 2;
/// Connections to one server that may be set.
pub const MOST_HOP_CONNECTIONS: u32 = 20;
/// Connections to other servers in all: each has some 70 KiB with TLS.
pub const OUTGOING_CONNECTIONS: usize = 32;
/// The first pause of a mail, or a server, that could not be served.
pub const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The longest pause: some 20 tries a day. Postfix has 4,000 s (S-129).
pub const LONGEST_RETRY: Duration = Duration::from_secs(4000);
/// Lines of one reply of a server (S-132).
pub const REPLY_LINES: usize = 100;
/// Octets of one line of a reply. RFC 5321 §4.5.3.1.5 has 512; some say more (S-132).
pub const REPLY_LINE_OCTETS: usize = 2048;
/// Octets of a reply's text that are kept, for the log, the queue and reports.
pub const KEPT_REPLY_OCTETS: usize = 512;
/// Connecting to a server, each of its addresses.
pub const HOP_CONNECT: Duration = Duration::from_secs(30);
/// Waiting for a server's greeting. RFC 5321 §4.5.3.2.1.
pub const HOP_GREETING: Duration = Duration::from_secs(300);
/// Waiting for the reply to a command. RFC 5321 §4.5.3.2.2, §4.5.3.2.3.
pub const HOP_REPLY: Duration = Duration::from_secs(300);
/// Waiting for the reply to DATA. RFC 5321 §4.5.3.2.4.
pub const HOP_DATA: Duration = Duration::from_secs(120);
/// A server that takes no octet of a message for so long is gone. RFC 5321 §4.5.3.2.5.
pub const HOP_BLOCK: Duration = Duration::from_secs(180);
/// Waiting for the reply to a message's end. RFC 5321 §4.5.3.2.6.
pub const HOP_END_OF_DATA: Duration = Duration::from_secs(600);
/// One try in all, a message's octets not counted: a server that answers a line an hour keeps no place (S-134).
pub const HOP_ATTEMPT: Duration = Duration::from_secs(1800);
/// Recipients of one transaction. RFC 5321 §4.5.3.1.8.
pub const HOP_RECIPIENTS: usize = 100;
/// Mails in a row on one connection.
pub const HOP_MAILS: usize = 100;
/// How long a connection waits for more mail for its server.
pub const HOP_IDLE: Duration = Duration::from_secs(2);
/// Addresses of one server that are tried (S-137). RFC 5321 §5.1.
pub const HOP_ADDRESSES: usize = 5;
/// Servers of one domain that are tried. RFC 5321 §5.1.
pub const MX_HOSTS: usize = 5;
/// Routes: all of them are in memory.
pub const ROUTES: usize = 1000;
/// Addresses to which one mailbox may forward.
pub const FORWARD_TARGETS: usize = 20;
/// Recipients elsewhere of one mail, with those to whom lists and forwards lead: each is a row of the queue, and all are
/// written in one commit. Two of the longest lists.
pub const LEAVING_RECIPIENTS: usize = 2 * super::ALIAS_TARGETS;
/// Reports that one sender's mail gives rise to in an hour. Beyond them a user of ours is told later, and of a stranger's
/// mail that has failed there is only a line of the log (S-127).
pub const REPORTS_PER_HOUR: u32 = 100;
/// Rows of the queue that are looked at for one of another sender, so that nobody's thousand mails keep others waiting.
pub const QUEUE_LOOK: usize = 256;
/// Rows of the queue that one commit settles or moves.
pub const QUEUE_STEP: usize = 256;
/// The least between two times that a running server makes the indexes of the queue anew: what is damaged again and again
/// must not wear the disk out (S-296, S-304).
pub const QUEUE_MENDING: Duration = Duration::from_secs(3600);
/// No row of the queue waits so long for its time: one that is further ahead was set by a clock that was wrong, and is
/// due (S-129, S-309).
pub const QUEUE_FAR: Duration = Duration::from_secs(24 * 3600);
/// Waiting for the answer to QUIT: it changes nothing any more. RFC 5321 §4.1.1.10.
pub const HOP_GOODBYE: Duration = Duration::from_secs(5);
/// Octets of a command with its CRLF; extensions add to it. RFC 5321 §4.5.3.1.4.
pub const HOP_COMMAND_OCTETS: usize = 512;
/// Rounds of PBKDF2 that a server must ask for to be proven a password. RFC 7677 §4.
pub const SCRAM_LEAST_ITERATIONS: u32 = 4096;
/// Rounds that it may ask for: a second on a small board, in which nothing else of this thread goes on.
pub const SCRAM_MOST_ITERATIONS: u32 = 100_000;
/// Records of one answer of a name server that are looked at: a domain with a thousand addresses is served by five of
/// them (S-137).
pub const DNS_RECORDS: usize = 1000;
/// Aliases one behind the other that are followed to a domain's servers: BIND follows 16, glibc 8.
pub const DNS_ALIASES: usize = 8;
/// Name servers that are asked: resolv.conf may name three.
pub const NAME_SERVERS: usize = 3;
/// Waiting for one answer of one name server.
pub const NAME_REPLY: Duration = Duration::from_secs(2);
/// How often each name server is asked the same: a datagram may be lost.
pub const NAME_TRIES: usize = 2;
/// Finding a name, all servers and tries together.
pub const NAME_SEARCH: Duration = Duration::from_secs(10);
/// Datagrams that are no answer to the question before a name server counts as silent: somebody is guessing.
pub const STRAY_ANSWERS: usize = 100;
/// Look-ups by the system's own ways at once; they can't be broken off.
pub const SYSTEM_LOOKUPS: usize = 4;
/// Names whose answers are kept.
pub const KEPT_NAMES: usize = 256;
/// Servers of one domain that are kept: some more than are tried, so that we find ourselves among them.
pub const KEPT_EXCHANGERS: usize = 20;
/// How long what was found is kept: a server that moves is followed within a minute.
pub const NAME_KEPT: Duration = Duration::from_secs(60);
/// How long it is kept that there is nothing: shorter than any pause.
pub const ABSENCE_KEPT: Duration = Duration::from_secs(10);
/// Servers of shared domains whose addresses are remembered: more than any office shares with.
pub const SHARE_HOSTS: usize = 256;
/// How long their addresses are believed; what is sent after a move is seen when it is sent.
pub const SHARE_HOST_AGE: Duration = Duration::from_secs(300);
/// How long a server whose name could not be looked up is not looked up again: each recipient would wait for it.
pub const SHARE_HOST_REST: Duration = Duration::from_secs(60);
/// How long a recipient waits for such look-ups in all: a peer waits for its reply meanwhile.
pub const SHARE_LOOK_UP: Duration = Duration::from_secs(2);
/// Tries that a mail has had before its age alone may end them: after a week without power, or a clock that leapt ahead,
/// it still has some four hours (S-129, G13).
pub const TRIES_BEFORE_GIVING_UP: u32 = 10;
/// Octets of a mail that a report returns whole; of a longer one, its header. RFC 3461 §6.2.
pub const RETURNED_OCTETS: u64 = 64 * 1024;
/// Senders whose reports are counted; for one more, whose hour began first is forgotten (S-127).
pub const REPORT_COUNTS: usize = 4096;
/// Days for which a rewritten sender leads back: as long as mail may wait here and then at the next server.
pub const RETURN_DAYS: u64 = MOST_QUEUE_DAYS as u64 + 10;
/// Days by which the clock may have been ahead when it was rewritten.
pub const RETURN_CLOCK_DAYS: u64 = 2;
/// How soon a way is tried again by itself that waits for a person, whose certificate or password was refused: a wrong
/// password that is tried often locks accounts.
pub const HELD_RETRY: Duration = Duration::from_secs(6 * 3600);
/// How long a server of several that did not answer in time is asked last: each mail would wait for it first.
pub const SHUN: Duration = Duration::from_secs(900);
/// Servers that are passed over at once, those of all ways.
pub const SHUNNED_HOSTS: usize = 256;
/// How often those that wait are looked through for who has waited too long, or for so long that his sender is told.
pub const AGING: Duration = Duration::from_secs(900);
/// What the network is left to settle when it has changed.
pub const UPLINK_REST: Duration = Duration::from_secs(1);
/// How often it is looked whether settings or routes have changed, without anybody's saying so.
pub const ROUTES_LOOK: Duration = Duration::from_secs(60);
/// Mails in a row of which a smart host takes none now, after which it rests as a whole.
pub const REFUSED_IN_A_ROW: u32 = 10;
/// How long a way has failed as a whole, by a clock that can't leap, before those that wait on it are given up or
/// told of: a machine that was off for a week tries first.
pub const WAY_FAILING: Duration = Duration::from_secs(4 * 3600);
