//! Every size, count and time-out, each with its reason; tests try one below, at, and one above.

mod certificates;
mod outgoing;
mod renewal;
mod sandbox;

pub use certificates::*;
pub use outgoing::*;
pub use renewal::*;
pub use sandbox::*;

use std::time::Duration;

// ---- lines -------------------------------------------------------------------------------------

/// Octets of an SMTP command line with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512, extensions add
/// to it; Postfix takes 2,048.
pub const SMTP_LINE_OCTETS: usize = 2048;
/// Octets of a POP3 command line with its CRLF. RFC 2449 §4 asks for 255; long user names want more.
pub const POP3_LINE_OCTETS: usize = 512;
/// Octets of a SASL response line without its CRLF. RFC 4954 §4.
pub const SASL_LINE_OCTETS: usize = 12_288;
/// Octets of an over-long line that are skipped before the connection is closed.
pub const SKIPPED_LINE_OCTETS: usize = 64 * 1024;

// ---- addresses ---------------------------------------------------------------------------------

/// Octets of a local part. RFC 5321 §4.5.3.1.1.
pub const LOCAL_PART_OCTETS: usize = 64;
/// Octets of a domain. RFC 5321 §4.5.3.1.2.
pub const DOMAIN_OCTETS: usize = 255;
/// Octets of one label of a domain. RFC 1035 §2.3.4.
pub const LABEL_OCTETS: usize = 63;
/// Octets of a path with its angle brackets. RFC 5321 §4.5.3.1.3.
pub const PATH_OCTETS: usize = 256;

// ---- SMTP sessions -----------------------------------------------------------------------------

/// Recipients of one mail. RFC 5321 §4.5.3.1.8 asks for 100; peers take up to 1,000.
pub const RECIPIENTS: usize = 1000;
/// Recipients refused for being too many before the session ends (S-056).
pub const RECIPIENTS_OVER: usize = 100;
/// Recipients refused in one session before it ends: above the stale addresses of any honest list, below
/// what harvesting wants (S-168).
pub const RECIPIENTS_REFUSED: usize = 100;
/// Mails of one session, so that one peer can't hold a connection for ever (S-058).
pub const MAILS_PER_SESSION: usize = 1000;
/// Commands refused before the session ends; Postfix stops at 20 (S-060).
pub const ERRORS_PER_SESSION: usize = 10;
/// The same after a POP3 logon: a user's sloppy client is no stranger, and its loop must end all the same.
pub const ERRORS_AFTER_LOGON: usize = 100;
/// NOOP, RSET, VRFY, HELP and the like between two mails (S-059).
pub const IDLE_COMMANDS: usize = 100;
/// Lines of a POP3 session before its logon: no client needs ten, and a stranger must not stay by saying
/// CAPA each minute.
pub const LINES_BEFORE_LOGON: usize = 100;
/// Octets below which a chunk that is not the last counts as small: clients send thousands at a time.
pub const SMALL_CHUNK_OCTETS: u64 = 512;
/// Small chunks between two mails, so that nobody stays for ever by sending one octet at a time.
pub const SMALL_CHUNKS: usize = 1000;
/// Failed logons before the session ends; POP3 and SMTP alike.
pub const LOGONS_PER_SESSION: usize = 3;
/// Received fields before a mail counts as looping. RFC 5321 §6.3; Postfix stops at 50 too.
pub const RECEIVED_FIELDS: usize = 50;
/// Octets of the header that are looked at for trace fields; what follows is stored unseen (S-121).
pub const SCANNED_HEADER_OCTETS: usize = 100 * 1024;
/// Octets of the header that a client without UTF-8 gets instead of an internationalized one; an address of three
/// octets becomes one of sixty.
pub const SURROGATE_HEADER_OCTETS: usize = 2 * SCANNED_HEADER_OCTETS;
/// Octets of a message by default; `poppet set message_mib` changes it. Camera clips reach 40 MiB.
pub const MESSAGE_MIB: u32 = 50;
/// An over-size message is read to this many times the limit, then the connection is closed (S-152).
pub const OVERSIZE_FACTOR: u64 = 2;

/// Targets of one alias, and of all that it leads to: a list of an office.
pub const ALIAS_TARGETS: usize = 1000;
/// Aliases one behind the other: a list of lists of people has three.
pub const ALIAS_DEPTH: usize = 10;
/// Device profiles: each is compared with the peer of every connection.
pub const DEVICES: usize = 1000;
/// Octets of a device's name: what a table on a terminal shows.
pub const DEVICE_NAME_OCTETS: usize = 64;
/// The least prefix of a device's network, IPv4 and IPv6: wider is no device (M11).
pub const DEVICE_PREFIX_V4: u8 = 24;
/// See [`DEVICE_PREFIX_V4`].
pub const DEVICE_PREFIX_V6: u8 = 64;
/// Mails that a user may send in a day by default: far above a person, far below what a stolen password is wanted for.
pub const MAILS_PER_DAY: u32 = 1000;
/// What that may be set to.
pub const MOST_MAILS_PER_DAY: u32 = 1_000_000;
/// Users and devices whose mails are counted; who has sent the least in a day makes room. Some 100 octets each.
pub const ALLOWANCE_ENTRIES: usize = 4096;
/// How often the counts are written down at most: a crash forgets what came since, a flash card is spared.
pub const ALLOWANCE_SAVING: Duration = Duration::from_secs(300);
/// How long a peer that speaks before it is greeted waits for the greeting: what doesn't listen has gone on by then.
pub const EARLY_TALKER_PAUSE: Duration = Duration::from_secs(1);
/// How full a mailbox is when its user is warned, in percent, by default.
pub const QUOTA_WARNING_PERCENT: u32 = 90;
/// Messages that a quota may allow: about what a maildrop's numbers take.
pub const QUOTA_MESSAGES: u32 = 4_000_000;
/// Octets that a quota may allow: more than any disk has.
pub const QUOTA_OCTETS: u64 = 1 << 50;
/// Octets of an envelope identifier before its coding. RFC 3461 §4.4.
pub const ENVELOPE_ID_OCTETS: usize = 100;
/// Octets of an original recipient, coded. RFC 3461 §4.2.
pub const ORIGINAL_RECIPIENT_OCTETS: usize = 500;

// ---- ways to know a user --------------------------------------------------------------------------

/// What `tries` may be set to.
pub const LOCKOUT_TRIES: u32 = 1000;
/// What `lock_minutes` and `window_minutes` may be set to: a year.
pub const LOCKOUT_MINUTES: u32 = 525_600;
/// Servers of a directory: each that does not answer costs a logon its time-out.
pub const DIRECTORY_SERVERS: usize = 8;
/// How long the system or a directory may take for an answer, all tries together (S-197).
pub const OUTSIDE_ANSWER: Duration = Duration::from_secs(10);
/// How long Samba's helper seems to take for whom it refuses, or is not asked about: longer than it takes (A11).
pub const RELAY_REFUSAL: Duration = Duration::from_secs(1);
/// Questions to the system or a directory at once (S-198).
pub const OUTSIDE_QUESTIONS: usize = 8;
/// Questions that wait for a place among those; the next is told to come back (S-198).
pub const OUTSIDE_WAITING: usize = 64;
/// How long the way to a server of a directory may take, its name's look-up and all its addresses together (S-197).
pub const DIRECTORY_CONNECT: Duration = Duration::from_secs(2);
/// How long the beginning of TLS may take there: a slow board needs one for the proofs alone.
pub const DIRECTORY_HANDSHAKE: Duration = Duration::from_secs(3);
/// How long an answer may take there (S-197).
pub const DIRECTORY_REPLY: Duration = Duration::from_secs(5);
/// Addresses of one server that are tried.
pub const DIRECTORY_ADDRESSES: usize = 4;
/// Failures in a row after which a server is left out (S-197).
pub const DIRECTORY_FAILURES: u32 = 3;
/// For how long it is left out before it is tried again (S-197).
pub const DIRECTORY_REST: Duration = Duration::from_secs(10);
/// How long a link for searches is kept without use; Active Directory closes it after 15 minutes.
pub const DIRECTORY_IDLE: Duration = Duration::from_secs(300);
/// How long a link for searches is kept at all, however busy: the server shows its certificate anew, and says anew
/// whether the search account may still come in (S-202).
pub const DIRECTORY_LINK_AGE: Duration = Duration::from_secs(3600);
/// How long a search account that was refused is not tried again: each logon would be a try, and lock it out (S-205).
pub const DIRECTORY_REFUSED: Duration = Duration::from_secs(60);
/// How long the system's list of authorities is believed before it is read again.
pub const SYSTEM_AUTHORITIES_AGE: Duration = Duration::from_secs(3600);
/// Elements in one another that are read: certificates have ten, answers of a directory five (S-199).
pub const BER_DEPTH: usize = 32;
/// Octets of one message of a directory: an entry of which an identity is asked has some hundred (S-199).
pub const LDAP_MESSAGE_OCTETS: usize = 256 * 1024;
/// Messages of one answer of a directory: two entries, and references to a forest's other parts, which are not followed.
pub const LDAP_ANSWER_MESSAGES: usize = 64;
/// Brackets in one another in a filter.
pub const FILTER_DEPTH: usize = 16;
/// Octets of the name of an account elsewhere.
pub const ACCOUNT_OCTETS: usize = 256;

// ---- the system's hashes and accounts ------------------------------------------------------------

/// Octets of a password that crypt(3) takes, `CRYPT_MAX_PASSPHRASE_SIZE`; SHA-2's kinds hash it in each round.
pub const CRYPT_PASSWORD_OCTETS: usize = 512;
/// Octets of a hash with its salt: yescrypt's longest has 140, crypt(3) has room for 384.
pub const CRYPT_HASH_OCTETS: usize = 384;
/// Rounds of sha512-crypt and sha256-crypt (S-216): 5,000 are usual, these take a second here, some ten on a small board.
pub const CRYPT_SHA_ROUNDS: u32 = 1_000_000;
/// bcrypt's cost, a power of two (S-216): 12 is usual, and this takes a second.
pub const CRYPT_BCRYPT_COST: u8 = 14;
/// yescrypt's memory (S-216): 16 MiB are usual, and small boards have 64 in all.
pub const CRYPT_YESCRYPT_OCTETS: u64 = 64 * 1024 * 1024;

/// Octets of passwd, of shadow and of group; each is read whole for a question. 100 octets an account.
pub const ACCOUNT_FILE_OCTETS: usize = 8 * 1024 * 1024;
/// Lines of each of them that are looked at.
pub const ACCOUNT_LINES: usize = 65_536;
/// Octets of one line: a group of some thousand members.
pub const ACCOUNT_LINE_OCTETS: usize = 64 * 1024;
/// Uids below are the system's own: `UID_MIN` of Debian, Red Hat and Alpine (S-209).
pub const LEAST_UID: u32 = 1000;
/// Connections to the helper for local accounts at once: servers and command lines; the next hears that it is busy.
pub const LOCAL_CONNECTIONS: usize = 2 * OUTSIDE_QUESTIONS;
/// A question to it from its first octet to its end, and its answer (S-221).
pub const LOCAL_QUESTION: Duration = Duration::from_secs(2);
/// How long a question waits there until a hash may be computed; then it hears that the helper is busy.
pub const LOCAL_PATIENCE: Duration = Duration::from_secs(4);
/// Hashes that it computes at once at most; the unit's memory is for so many of the largest kind.
pub const LOCAL_HASHES: usize = 4;
/// Memory that each hash is thought to take when it is decided how many are computed at once: yescrypt's usual.
pub const LOCAL_HASH_OCTETS: u64 = 16 * 1024 * 1024;
/// Quiet time after which a helper that was started for a connection ends, and gives its memory back.
pub const LOCAL_IDLE: Duration = Duration::from_secs(60);
/// Octets of a path to a socket: what a socket's address takes, without its final NUL.
pub const SOCKET_PATH_OCTETS: usize = 107;

// ---- passwords ---------------------------------------------------------------------------------

/// Octets of a password; a longer one is refused before it is hashed (S-159).
pub const PASSWORD_OCTETS: usize = 1024;
/// Octets of a user name as a client types it: a full address and some room for variations.
pub const USER_NAME_OCTETS: usize = 320;
/// Hash parameters that a stored record may ask for at most (S-174): KiB, passes, lanes.
pub const ARGON2_MEMORY_KIB: u32 = 128 * 1024;
/// See [`ARGON2_MEMORY_KIB`].
pub const ARGON2_PASSES: u32 = 10;
/// See [`ARGON2_MEMORY_KIB`].
pub const ARGON2_LANES: u32 = 4;
/// PBKDF2 rounds of a SCRAM verifier: RFC 7677 §4 asks for 4,096 at least; the client pays them, and a phone
/// makes these in some ten milliseconds.
pub const SCRAM_ITERATIONS: u32 = 10_000;
/// Octets of a SCRAM client's nonce: clients send 16 to 64, and the server sends them back in one line.
pub const SCRAM_NONCE_OCTETS: usize = 1024;
/// Logons that wait for a hashing permit; the next is told to come back (S-173).
pub const WAITING_LOGONS: usize = 64;
/// How long a logon that succeeded is recognised without hashing after its last use (S-177).
pub const RECOGNISED: Duration = Duration::from_secs(300);
/// Recognised logons kept; the oldest makes room. 64 octets each.
pub const RECOGNISED_ENTRIES: usize = 4096;
/// Addresses, accounts and pairs of them whose failures are remembered; the oldest makes room (S-172). Measured full:
/// some 270 octets each, 3.2 MiB for the three.
pub const FAILURE_ENTRIES: usize = 4096;
/// The longest delay of a reply to a wrong password; Dovecot waits up to 15 s too (S-169).
pub const FAILURE_DELAY: Duration = Duration::from_secs(15);
/// Quiet time that takes one failure back.
pub const FAILURE_FORGETTING: Duration = Duration::from_secs(60);
/// Failures beyond this count no more, so that forgetting takes ten minutes at most.
pub const FAILURES: u32 = 10;
/// Failures of one account and network before its parallel tries are put off; a client opens two
/// connections with its old password (S-175).
pub const FAILURES_FORGIVEN: u32 = 2;
/// Mailboxes whose failures are remembered, and those whose homes are; the oldest makes room. Measured full, with tries
/// all over the window and eight homes each: some 1,270 octets each for failures, 1,160 for homes, 4.8 MiB together.
pub const LOCKOUT_USERS: usize = 2048;
/// Names that nobody has and that were tried; the oldest makes room. Measured full, with names of 320 octets and tries
/// all over the window: some 1,960 octets each, 1.9 MiB.
pub const LOCKOUT_STRANGERS: usize = 1024;
/// Networks from which a user is slowed and not shut out: phone, home, office, and some on the way (S-171).
pub const LOCKOUT_HOMES: usize = 8;
/// How long a logon makes its network one of those: a month, for a holiday's sake.
pub const LOCKOUT_HOME_SECONDS: u64 = 30 * 86_400;
/// How long a failure that counts no more is shown, and how old one must be for a logon from home to forget it.
pub const LOCKOUT_SHOWN_SECONDS: u64 = 86_400;
/// How often failures are written down at most: after a crash as much is forgotten (S-169).
pub const LOCKOUT_SAVING: Duration = Duration::from_secs(300);
/// How soon a lockout is written down, with all others of that time.
pub const LOCKOUT_SAVING_SOON: Duration = Duration::from_secs(5);
/// How long nothing is written down of failures after they were: whoever locks out one user after the other has 1,440
/// commits a day, and a full disk as many lines in the log.
pub const LOCKOUT_SAVING_REST: Duration = Duration::from_secs(60);
/// Accounts on which a network from which no user has logged on may be refused at once; until those are answered it
/// tries no others (S-170): eight a minute, once they are answered after 15 s.
pub const STRANGERS_TRIES: usize = 2;
/// Wrong passwords in a minute, all accounts and networks together, that are an alarm: typing errors and phones with
/// old passwords of an office make some ten (S-170).
pub const SPRAYED_FAILURES: u32 = 60;
/// How long after such an alarm the next one is told.
pub const SPRAY_ALARMS: Duration = Duration::from_secs(600);
/// Mailboxes whose last logon is remembered where logons have an interval; the oldest makes room. RFC 2449 §6.5.
pub const LOGON_INTERVALS: usize = 4096;
/// Stack of a thread that hashes: Argon2's memory is on the heap, its frames hold some blocks of 1 KiB.
pub const HASHING_STACK_OCTETS: usize = 128 * 1024;
/// How long such a thread waits for more work before it ends.
pub const IDLE_HASHING: Duration = Duration::from_secs(2);

// ---- certificates ------------------------------------------------------------------------------

/// Days that a server certificate is valid from its making on; with two days before it, that stays
/// under the 825 that Apple's clients take.
pub const CERTIFICATE_DAYS: u64 = 820;
/// A server certificate with less time left is made anew.
pub const CERTIFICATE_RENEWAL_DAYS: u64 = 60;
/// Octets of a user's certificate, or of an authority's: with a key of RSA-4096 and a page of names it has 4 KiB.
pub const CLIENT_CERTIFICATE_OCTETS: usize = 16 * 1024;
/// Certificates that a client may send behind its own, as many as lead to an authority (S-250).
pub const CLIENT_CHAIN: usize = 6;
/// Names of one certificate that are looked at; public authorities sign up to a hundred.
pub const CERTIFICATE_NAMES: usize = 128;
/// Authorities of users' certificates, and of directories: each costs a look in every handshake.
pub const CERTIFICATE_AUTHORITIES: usize = 32;
/// Certificates that are allowed by their fingerprints; some 150 octets of memory each.
pub const ALLOWED_CERTIFICATES: usize = 10_000;
/// Octets of a file with certificates or a revocation list; it travels in one request of the control socket.
pub const CERTIFICATE_FILE_OCTETS: usize = 60 * 1024;
/// Letters of the label of an allowed certificate.
pub const CERTIFICATE_LABEL_LETTERS: usize = 64;
/// Days that a certificate for a user's device is valid by default: three years, since nobody renews it by himself.
pub const CLIENT_CERTIFICATE_DAYS: u32 = 1095;
/// Days that it may be asked for: to the end of the authority at most.
pub const MOST_CLIENT_CERTIFICATE_DAYS: u32 = 7300;
/// Domains whose names stand in the server certificate: it travels in every handshake, 50 octets a domain.
pub const CERTIFICATE_DOMAINS: usize = 32;
/// Octets of a common name. RFC 5280, appendix A: `ub-common-name`.
pub const COMMON_NAME_OCTETS: usize = 64;

// ---- connections -------------------------------------------------------------------------------

/// Connections in all by default: 15 KB each is 15 MB.
pub const CONNECTIONS: u32 = 1000;
/// Connections of one address (an IPv6 /64 counts as one) by default.
pub const CONNECTIONS_PER_ADDRESS: u32 = 50;
/// Of all connections this part is kept for those who are known: this machine, devices, and networks from which a user
/// has logged on lately. 125 of 1,000 is more than the phones and scanners of an office open at once (S-265).
pub const KNOWN_SHARE: u32 = 8;
/// Networks that are known by a logon; the oldest makes room. 64 octets each.
pub const KNOWN_NETWORKS: usize = 4096;
/// How long a logon makes its network known: who fetches his mail once a day stays so.
pub const KNOWN_NETWORK_AGE: Duration = Duration::from_secs(24 * 3600 + 3600);
/// Where so much of all connections stand, in percent, strangers get less patience; while some are free still, so that
/// who comes meanwhile is served.
pub const PRESSED_PERCENT: u64 = 75;
/// The patience with strangers then: for a line to begin, and to end, and for a block of data. Postfix's stress mode has
/// 10 s too (S-266).
pub const PRESSED_PATIENCE: Duration = Duration::from_secs(10);
/// How often a session that waits for a stranger looks whether places have become scarce.
pub const PRESSED_LOOK: Duration = Duration::from_secs(5);
/// What a stranger's session may last then without a logon or a mail, so that a word each 9 s holds no place.
pub const PRESSED_SESSION: Duration = Duration::from_secs(60);
/// Log lines a second about strangers' sessions and logons, where each tells of another one (S-278).
pub const LOG_LINES: u32 = 20;
/// Listen backlog; a short one costs clients a second each (DESIGN: traps).
pub const BACKLOG: i32 = 1024;
/// A TLS handshake from its first octet to its end (S-042).
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Waiting for a command before logon, so that idle strangers go soon (S-267).
pub const IDLE_BEFORE_LOGON: Duration = Duration::from_secs(60);
/// A line from its first octet to its end, however it trickles (S-266).
pub const LINE: Duration = Duration::from_secs(60);
/// POP3 after logon. RFC 1939 §3 asks for at least ten minutes.
pub const IDLE_POP3: Duration = Duration::from_secs(600);
/// SMTP between commands and between blocks of data. RFC 5321 §4.5.3.2 asks for five minutes.
pub const IDLE_SMTP: Duration = Duration::from_secs(300);
/// A peer that takes no octet of a reply for so long is gone (S-268). RFC 1939 is silent; slow
/// radio links stall for seconds, not minutes.
pub const WRITE_STALL: Duration = Duration::from_secs(60);
/// Reply octets that wait for a peer before its input is left unread (S-148, S-236).
pub const OUTPUT_OCTETS: usize = 16 * 1024;
/// Octets of the input buffer of a session that waits for a line.
pub const INPUT_OCTETS: usize = 4 * 1024;
/// Messages opened ahead for a POP3 session that takes one after the other, and about how many octets of them.
pub const READ_AHEAD_MESSAGES: usize = 32;
/// See [`READ_AHEAD_MESSAGES`].
pub const READ_AHEAD_OCTETS: usize = 128 * 1024;
/// POP3 sessions that may read ahead at once: some 4 MiB in all.
pub const READ_AHEAD_SESSIONS: usize = 16;
/// Messages that a POP3 session has sent, before the store is told which: 16 KiB of numbers.
pub const RETRIEVED_MARKS: usize = 4096;
/// A session that is quiet for so long gives back what it holds to be fast.
pub const QUIET: Duration = Duration::from_secs(1);
/// Octets that one read takes while a message flows in.
pub const DATA_INPUT_OCTETS: usize = 32 * 1024;
/// Reads and writes in a row without a wait, after which other sessions have the thread.
pub const TURNS: u8 = 16;
/// Octets of TLS records that wait for a peer, beside [`OUTPUT_OCTETS`].
pub const TLS_OUTPUT_OCTETS: usize = 64 * 1024;
/// Octets of a body that are dot-stuffed at once; the output buffer is at most twice that and a bit.
pub const BODY_PIECE_OCTETS: usize = 32 * 1024;
/// Octets of a body that are read at once, or a little less: what a session holds of it while it is sent.
pub const CHUNK_OCTETS: usize = 64 * 1024;
/// Octets of data that a peer must send in [`DATA_RATE_SPAN`] of waiting for him (S-266): 500 a second,
/// as Postfix asks under stress; the slowest GPRS link brings more.
pub const DATA_RATE_OCTETS: u64 = 500 * 60;
/// See [`DATA_RATE_OCTETS`].
pub const DATA_RATE_SPAN: Duration = Duration::from_secs(60);
/// Saying good-bye in TLS; a peer that doesn't listen any more is left.
pub const CLOSING: Duration = Duration::from_secs(5);
/// What a stopping server leaves to mails and commits under way; service managers wait longer.
pub const STOPPING: Duration = Duration::from_secs(5);
/// How long the accept loop rests when the system has no more descriptors or memory (S-269, S-270).
pub const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Descriptors kept for what is no session (S-269): the database, the log and the listeners; who changes his password
/// or administers; and for each question about a user a directory's connection, one kept for the next, a look-up of its
/// name, a helper's pipes and what starts it; and each connection to another server, with a look-up of its name.
pub const RESERVED_DESCRIPTORS: u64 =
    32 + (CONTROL_CLIENTS + OWN_CLIENTS + 8 * OUTSIDE_QUESTIONS + 2 * OUTGOING_CONNECTIONS) as u64;
/// Threads that serve sessions, and as many again that shake hands; more only wait for the store.
pub const SERVER_THREADS: usize = 4;
/// Stack of such a thread: sessions live on the heap, and the deepest call is a TLS handshake.
pub const THREAD_STACK_OCTETS: usize = 256 * 1024;

// ---- the control socket ------------------------------------------------------------------------

/// Administrators at once (S-324).
pub const CONTROL_CLIENTS: usize = 8;
/// Octets of one request (S-324).
pub const CONTROL_REQUEST_OCTETS: usize = 64 * 1024;
/// A request from its first octet to its end (S-324).
pub const CONTROL_REQUEST: Duration = Duration::from_secs(5);
/// Octets of one answer: a listing of a million messages has 24 MiB.
pub const CONTROL_ANSWER_OCTETS: usize = 64 * 1024 * 1024;
/// How long the command line waits for an answer: the removal of a large domain takes its time.
pub const CONTROL_ANSWER: Duration = Duration::from_secs(600);
/// Users at once who change their own passwords, each at most [`OWN_CLIENTS_PER_USER`] times: apart from the
/// administrators, who must get in (S-324).
pub const OWN_CLIENTS: usize = 16;
/// See [`OWN_CLIENTS`].
pub const OWN_CLIENTS_PER_USER: usize = 2;
/// Octets of such a request: a name and two passwords, with room to tell that one is too long.
pub const OWN_REQUEST_OCTETS: usize = 4096;
/// How long the public socket rests when it has turned somebody away: 200 a second cost next to nothing.
pub const OWN_REST: Duration = Duration::from_millis(5);
/// How often a change is tried that another one was faster than: a record is made anew once at most, and an
/// administrator who changes it all the time is none.
pub const OWN_ROUNDS: usize = 3;
/// The same where every mailbox moves to another way of knowing its user: thousands of accounts are asked for one after
/// the other, or as many passwords hashed on a small board.
pub const MIGRATION_ANSWER: Duration = Duration::from_secs(2 * 3600);

// ---- the store ---------------------------------------------------------------------------------

/// redb's page cache by default; the knee of the curve (storage lab §2).
pub const CACHE_KIB: u32 = 2048;
/// Bodies in flight, all connections together; when used up, connections wait.
pub const BODIES_IN_FLIGHT_OCTETS: usize = 4 * 1024 * 1024;
/// How long a body that comes in keeps its memory while others wait for some: a few silent senders must not
/// hold up all the others.
pub const GIVING_WAY: Duration = Duration::from_secs(2);
/// A body longer than this streams into the file while it comes in.
pub const BUFFERED_BODY_OCTETS: usize = 256 * 1024;
/// Jobs of one commit (storage lab §6).
pub const JOBS_PER_COMMIT: usize = 64;
/// Threads that read; more only starve the writer (storage lab §2).
pub const READER_THREADS: usize = 2;
/// Blobs freed by one commit, and their octets: a freed body's pages are read (storage lab §3).
pub const FREED_BLOBS: usize = 32;
/// See [`FREED_BLOBS`].
pub const FREED_OCTETS: u64 = 1536 * 1024;
/// Quiet time before bodies are freed.
pub const IDLE_BEFORE_FREEING: Duration = Duration::from_secs(2);
/// Bodies that have waited so long are freed between other jobs.
pub const FREEING_OVERDUE: Duration = Duration::from_secs(30);
/// How long to wait after a failure until bodies are freed again.
pub const FREEING_RETRY: Duration = Duration::from_secs(1);
/// Quiet time before the empty commit that makes a reopening quick.
pub const IDLE_BEFORE_QUICK_REPAIR: Duration = Duration::from_secs(10);
/// File size under which a full repair is quick anyway.
pub const QUICK_REPAIR_FILE_OCTETS: u64 = 16 * 1024 * 1024;
/// Days that removed mail can be brought back by default (P16).
pub const UNDO_DAYS: u32 = 7;
/// Runs of uids in one record of removed messages: some 4 KiB, so that a purge rewrites little.
pub const RUNS_PER_TOMBSTONE: usize = 1024;
/// Removals of one mailbox within so many seconds are one to `undelete --since`; so a week has a thousand at most.
pub const UNDO_GRAIN_SECONDS: u64 = 600;
/// Runs up to which they are kept as one: some 500 octets, because each of them writes all again.
pub const RUNS_PER_JOINED_TOMBSTONE: usize = 128;
/// Removed messages that one commit purges.
pub const PURGED_ROWS: usize = 256;
/// Messages that one job marks as retrieved.
pub const MARKED_ROWS: usize = 4096;
/// Messages that are looked at for the end of their retention between two jobs: about a millisecond.
pub const SWEPT_ROWS: usize = 2000;
/// How often retention and undo are looked after.
pub const CHORES: Duration = Duration::from_secs(3600);
/// How long after the opening they are looked after first.
pub const FIRST_CHORES: Duration = Duration::from_secs(60);
/// A wall clock that has leapt further than that is not the one it was (S-309).
pub const CLOCK_LEAP: Duration = Duration::from_secs(3600);
/// So long such a clock must run before anything is removed by it, all runs together (S-309).
pub const CLOCK_PROBATION: Duration = Duration::from_secs(24 * 3600);
/// A shorter run counts only as long as it goes on: it is not worth a write, and the clock may still be set (S-304).
pub const CLOCK_RUN: Duration = Duration::from_secs(600);
/// Days by which a starting clock may be ahead of all that the database remembers before it needs the same.
pub const CLOCK_AHEAD_DAYS: u64 = 45;
/// Days that retention and undo may be set to: a hundred years.
pub const POLICY_DAYS: u32 = 36_500;
/// Seconds between two logons of one mailbox at most: a day. RFC 2449 §6.5.
pub const LOGIN_DELAY_SECONDS: u32 = 86_400;
/// Free space kept on the disk by default, so that deleting still works when mail no longer does.
pub const RESERVE_MIB: u32 = 64;
/// What the file takes beside bodies, at a guess: accounts, rows, pages that wait for the next commit.
pub const FILE_OVERHEAD_OCTETS: u64 = 8 * 1024 * 1024;
/// How long a peer waits for the store before he is told to come again (S-275; ten minutes by RFC 5321 §4.5.3.2.6): twice
/// is better than never. Worn flash cards stall for half a minute. The watchdog of systemd/poppet.service is more patient.
pub const STORE_PATIENCE: Duration = Duration::from_secs(120);
/// Room above the reserve from which on the alarm of a full disk is over: a large mail or two.
pub const ROOM_AGAIN_OCTETS: u64 = 32 * 1024 * 1024;
/// How long a free-space figure is believed.
pub const FREE_SPACE_AGE: Duration = Duration::from_secs(1);
/// How long a disk that had no room is taken to have none: who was refused comes again, and must find some.
pub const FULL_DISK_AGE: Duration = Duration::from_secs(3600);
/// What must be given up there beside the room for a mail: the pages that small changes copy.
pub const COPIED_PAGES_OCTETS: u64 = 256 * 1024;

// ---- under a service manager -------------------------------------------------------------------

/// Sockets that a service manager passes at most: five ports on a dozen addresses.
pub const PASSED_SOCKETS: u16 = 64;
/// How often a start that goes on asks for time, three times as much each: well below any manager's patience.
pub const START_ASKING: Duration = Duration::from_secs(20);
/// A start that takes longer hangs: a full repair reads the whole file, and 64 GiB on a slow card are two hours.
pub const LONGEST_START: Duration = Duration::from_secs(4 * 3600);

// ---- setup as root -----------------------------------------------------------------------------

/// How long a service may take until a mail client can use it, before an upgrade is taken back (S-345).
pub const SERVICE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries of that.
pub const PROOF_PAUSE: Duration = Duration::from_millis(500);
/// How long one try may wait for each answer: the hash of a password takes seconds on the smallest boards.
pub const PROOF_ANSWER: Duration = Duration::from_secs(20);
/// How often a program is started that is still being written, as far as the kernel knows.
pub const BUSY_PROGRAM_TRIES: u32 = 50;
/// Between two of them.
pub const BUSY_PROGRAM_PAUSE: Duration = Duration::from_millis(20);
