//! Users come to be known in another way, and every message, UIDL, quota, lock and alias stays (A2).

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)] // Made for the power cuts of every day; this needs less of it.
mod disk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::Disk;
use poppet::admin::{Answer, Asker, Command, Context, Lock, Migrate, Migration, execute};
use poppet::auth::{Absence, Answering, DeviceKey, Finding, Gatekeeper, Outside, Peer, Person, Verdict};
use poppet::clock::{Clock, UnixTime};
use poppet::mail::{Account, Address, AliasTarget, MailboxMark, MessageId, Secret, Uid};
use poppet::sasl::Claim;
use poppet::settings::Method;
use poppet::store::{Delivery, Options, Store, Switch, SwitchedUser, User};
use poppet::ticket::block_on;

const MAILBOXES: usize = 50;
const MESSAGES: usize = 100;
/// In each mailbox of the power cuts.
const LETTERS: usize = 3;
const REMOVED: [&str; 2] = ["u17@home.lan", "u18@home.lan"];

#[test]
fn fifty_mailboxes_with_their_mail_go_to_a_directory_and_back_unchanged() {
    let house = House::new();
    house.fill();
    let before = house.picture();
    assert_eq!(before.iter().filter(|line| line.contains(" uidl ")).count(), MAILBOXES * MESSAGES);

    let there = house.migrate(Method::Directory, false);
    assert!(there.is_done && there.mailboxes as usize == MAILBOXES && there.passwords.is_empty());
    assert_eq!(house.picture(), before);
    let users = house.context.store.users().wait().unwrap();
    assert!(users.iter().all(|user| !user.has_password && user.account.is_some()));

    let back = house.migrate(Method::File, false);
    assert_eq!((back.is_done, back.passwords.len()), (true, MAILBOXES));
    assert_eq!(house.picture(), before);
    let users = house.context.store.users().wait().unwrap();
    assert!(users.iter().all(|user| user.has_password && user.account.is_none()));
    let (address, password) = &back.passwords[MAILBOXES / 2];
    let claim = Claim::password(address.as_str().as_bytes(), password.expose()).unwrap();
    let peer: Peer = std::net::IpAddr::from([127, 0, 0, 1]).into();
    assert!(matches!(block_on(house.context.gatekeeper.login(claim, &peer)), Verdict::Welcome(_)));

    let again = house.migrate(Method::Local, false);
    assert!(again.is_done, "{:?}", again.failing);
    let learning = house.migrate(Method::File, true);
    assert_eq!((learning.to_learn as usize, learning.passwords.len()), (MAILBOXES, 0));
    assert_eq!(house.picture(), before);
}

#[test]
fn a_power_cut_at_any_write_leaves_the_old_method_or_the_new_one() {
    let old = image();
    let store = Store::open_on(Arc::new(Disk::new(old.clone())), &Options::default(), clock()).unwrap();
    assert!(!state(&store));
    let before = mail(&store);
    // A mailbox that comes back brings its removed mail along.
    assert_eq!(before.len(), 20 * LETTERS + REMOVED.len());
    drop(store);
    let (mut cuts, mut is_whole) = (0, [false; 2]);
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        for operations in 0.. {
            let disk = Disk::new(old.clone());
            let store = Store::open_on(Arc::new(disk.clone()), &Options::default(), clock()).unwrap();
            let switch = switch(&store);
            disk.cut_in(operations);
            let is_done = store.switch_method(switch).wait().is_ok();
            let was_cut = disk.is_cut();
            drop(store);
            let image = disk.image_after_cut(&mut random);
            let store = Store::open_on(Arc::new(Disk::new(image)), &Options::default(), clock()).unwrap();
            let is_new = state(&store);
            assert!(is_new || !is_done, "what was acknowledged is gone: cut {operations}, seed {seed}");
            assert_eq!(mail(&store), before, "cut {operations}, seed {seed}");
            is_whole[usize::from(is_new)] = true;
            cuts += u32::from(was_cut);
            if is_done && !was_cut {
                break;
            }
        }
    }
    println!("{cuts} power cuts");
    assert!(cuts >= 16 && is_whole == [true, true], "{cuts} {is_whole:?}");
}

/// Whether the new method counts; fails if some mailboxes have what the other one has.
fn state(store: &Store) -> bool {
    let method = store.settings().auth;
    for name in REMOVED {
        store.undelete(address(name), None, false).wait().unwrap();
    }
    let users = store.users().wait().unwrap();
    assert_eq!(users.len(), 20);
    let (removed, kept): (Vec<_>, Vec<_>) =
        users.iter().partition(|user| REMOVED.contains(&user.address.as_str()));
    let kinds = |users: Vec<&User>| -> BTreeSet<_> {
        users.iter().map(|user| (user.has_password, user.account.is_some())).collect()
    };
    let wanted = match method {
        Method::File => ([(true, false)].into(), [(true, false)].into()),
        _ => ([(false, true)].into(), [(false, false)].into()),
    };
    assert_eq!((kinds(kept), kinds(removed)), wanted, "{method}");
    method == Method::Directory
}

/// All mail, of which each UIDL is made: the mailbox with its mark, the UID, and what was written.
fn mail(store: &Store) -> Vec<(Address, MailboxMark, Uid, Vec<u8>)> {
    let mut mail = Vec::new();
    for row in store.mailboxes(None).wait().unwrap() {
        let snapshot = store.snapshot(row.id).wait().unwrap();
        for (uid, _) in snapshot.messages {
            let message = MessageId { mailbox: row.id, uid };
            let opened = store.open_message(message).wait().unwrap().unwrap();
            assert_eq!(opened.chunks, 1);
            mail.push((row.address.clone(), snapshot.mark, uid, opened.first.unwrap().0));
        }
    }
    mail
}

/// Twenty mailboxes with their mail known by file, two of them removed.
fn image() -> Vec<u8> {
    let disk = Disk::new(Vec::new());
    let store = Store::create_on(Arc::new(disk.clone()), &Options::default(), clock()).unwrap();
    for domain in ["home.lan", "work.lan"] {
        store.add_domain(domain.parse().unwrap()).wait().unwrap();
    }
    for number in 0..20_u8 {
        let mark = MailboxMark([number; 16]);
        // As long as a real record, so that the table has several pages.
        let id = store.add_mailbox(numbered(number.into()), mark, vec![number; 400]).wait().unwrap();
        // The first of them goes, so that no UID says how many there are.
        for letter in 0..=LETTERS {
            let text = format!("Subject: {letter} for {number}\r\n\r\n{}\r\n", "x".repeat(500 * letter));
            let mut upload = store.upload();
            block_on(upload.push(text.as_bytes())).unwrap();
            upload.finish(vec![Delivery::to(id, Vec::new())]).wait().unwrap();
        }
        store.remove_messages(id, vec![Uid(1)]).wait().unwrap();
    }
    for number in [17, 18] {
        store.remove_mailbox(numbered(number)).wait().unwrap();
    }
    store.close();
    disk.image()
}

fn switch(store: &Store) -> Switch {
    let users = store.users().wait().unwrap().into_iter().map(|before| SwitchedUser {
        account: Account::named(&format!("cn={}", before.address)),
        password: Some(Vec::new()),
        before,
    });
    Switch {
        from: Method::File,
        to: Method::Directory,
        learn: None,
        users: Some(users.collect()),
        record: None,
    }
}

/// Everybody is known, by the name that his address begins with.
struct Everybody;

impl Outside for Everybody {
    fn prove(&self, _: Method, _: Person, _: Secret) -> Answering<'_, Finding> {
        Box::pin(async { Finding::Unavailable("it is not asked".into()) })
    }

    fn find(&self, _: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        let identity = person.address.to_string().into_bytes();
        Box::pin(async move { Ok(Account { name: person.address.local_part().into(), identity }) })
    }

    fn relays_ntlm(&self) -> bool {
        false
    }
}

struct House {
    context: Context,
    folder: PathBuf,
}

impl House {
    fn new() -> House {
        let name = format!("migration-{:016x}", fastrand::u64(..));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&folder).unwrap();
        let database = folder.join("poppet.redb");
        let store = Store::create(&database, &Options::default(), Clock::system(UnixTime(0))).unwrap();
        let settings =
            [("argon2_kib", "7168"), ("argon2_passes", "1"), ("directory_servers", "ldaps://dc1.home.lan")];
        for (key, value) in settings {
            store.set_setting(key, Some(value)).wait().unwrap();
        }
        let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::create(&database).unwrap()).unwrap();
        gatekeeper.ask_outside(Arc::new(Everybody));
        House { context: Context { store, gatekeeper, live: None, asker: Asker::default() }, folder }
    }

    fn act(&self, command: Command) -> Answer {
        block_on(execute(&self.context, command)).unwrap()
    }

    fn migrate(&self, method: Method, learns: bool) -> Migration {
        let migrate =
            Migrate { method, directory_password: None, learns, is_dry_run: false, is_forced: false };
        match self.act(Command::MigrateAuth(migrate)) {
            Answer::Migrated(migration) => migration,
            other => panic!("{other:?}"),
        }
    }

    /// Mailboxes in two domains with mail, some of it removed or retrieved; locks, quotas and aliases.
    fn fill(&self) {
        let store = &self.context.store;
        for domain in ["home.lan", "work.lan"] {
            self.act(Command::AddDomain(domain.parse().unwrap()));
        }
        let mut asks = Vec::new();
        for number in 0..MAILBOXES {
            let address = numbered(number);
            let mark = self.context.gatekeeper.fresh_mark();
            let id = store.add_mailbox(address.clone(), mark, vec![1; 300]).wait().unwrap();
            for message in 0..=MESSAGES {
                let mut upload = store.upload();
                let text = format!("Subject: {message}\r\n\r\n{}\r\n", "x".repeat(number * message % 3000));
                block_on(upload.push(text.as_bytes())).unwrap();
                asks.push(upload.finish(vec![Delivery::to(id, Vec::new())]));
            }
            asks.drain(..).for_each(|ask| drop(ask.wait().unwrap()));
            store.remove_messages(id, vec![Uid(7)]).wait().unwrap();
            store.mark_retrieved(id, vec![Uid(1), Uid(2)]).wait().unwrap();
            let lock = [Lock::Open, Lock::Reading, Lock::All][number % 3];
            store.lock_mailbox(address.clone(), lock).wait().unwrap();
            let quota = Some(format!("{}M", number + 1));
            self.act(Command::SetQuota { target: target(&address), octets: quota, messages: None });
            let alias = format!("info{number}@{}", address.domain()).parse().unwrap();
            self.act(Command::SetAlias { alias, targets: vec![AliasTarget::Address(address)] });
        }
    }

    /// All there is to see of the mail, line by line.
    fn picture(&self) -> Vec<String> {
        let store = &self.context.store;
        let mut lines = Vec::new();
        for mut row in store.mailboxes(None).wait().unwrap() {
            row.account = None;
            let snapshot = store.snapshot(row.id).wait().unwrap();
            for (uid, octets) in &snapshot.messages {
                let message = MessageId { mailbox: row.id, uid: *uid };
                let opened = store.open_message(message).wait().unwrap().unwrap();
                lines.push(format!("{} uidl {:?} {uid:?} {octets} {opened:?}", row.address, snapshot.mark));
            }
            let messages = store.messages(row.id).wait().unwrap();
            lines.push(format!("{row:?} {:?}", messages.iter().filter(|it| it.is_retrieved).count()));
        }
        lines.push(format!("{:?}", self.act(Command::Aliases(None))));
        lines.push(format!("{:?}", self.act(Command::Quotas(None))));
        lines
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.context.store.close();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn target(address: &Address) -> poppet::admin::Target {
    address.as_str().parse().unwrap()
}

fn numbered(number: usize) -> Address {
    let domain = if number % 5 == 4 { "work.lan" } else { "home.lan" };
    address(&format!("u{number:02}@{domain}"))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn clock() -> Clock {
    Clock::fixed(UnixTime(1_800_000_000))
}
