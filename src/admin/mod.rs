//! Every administrative act: a command in, a typed answer out; no argv, no printing, no sockets.
//!
//! The server executes commands that come through its control socket; without a server, the command line
//! opens the file and executes them itself. It is the same code either way (C4).

mod accounts;
mod aliases;
mod asker;
mod auth;
mod binding;
mod certificates;
mod clock;
pub mod command;
mod consequences;
mod contacts;
mod devices;
mod elsewhere;
mod failure;
mod finals;
mod fixed;
mod following;
mod forwards;
mod founding;
mod holder;
mod joined;
mod late;
mod locks;
mod mechanisms;
mod migrating;
mod missing;
mod options;
mod outgoing;
pub mod own;
mod quotas;
mod reading;
mod removing;
mod target;
#[cfg(test)]
mod tests;
mod together;
mod undo;

pub use crate::auth::{FailureRow, FailureState, check_password, owner_of};
pub use crate::ldap::is_entry_name;
pub use crate::store::{
    AliasRow, ClockState, Device, DomainRow, Forward, GoneRow, LastTry, Lock, MailboxRow, Origin, QueueAct,
    QueueCounts, QueueId, QueueState, Queued, Reach, Recoverable, Route, Undeleted, Wear, Which,
};
pub use asker::Asker;
pub use auth::{AuthView, MethodRow};
pub use binding::{AccountRow, AccountState};
pub use certificates::{
    CertificateAct, CertificateKind, CertificateRow, EVERYWHERE, Fingerprint, RevocationRow, Told, Vouches,
};
pub use clock::trouble as trouble_of_clock;
pub use command::{Answer, Command, Consequence, MessageSummary, SessionRow, SettingRow, Status};
pub use contacts::ldif;
pub use failure::{AdminError, Failure, quoted};
pub use following::names_in;
pub use founding::{
    Founded, LAYOUT, Seen, found, in_use, is_foreign, is_open, look, open, peek, restore_key, take_back,
};
pub use holder::{holder, opener};
pub use mechanisms::{MechanismRow, MechanismState};
pub use migrating::{FailingRow, Migrate, Migration};
pub use outgoing::{LaneTrouble, OutgoingAct, OutgoingTold, RelayStatus, Trial, TrialState, TrialStep};
pub use own::fresh_password;
pub use quotas::QuotaRow;
pub use target::{Target, Whom};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auth::Gatekeeper;
use crate::store::Store;

/// On what a command is executed.
#[derive(Clone)]
pub struct Context {
    /// The opened database.
    pub store: Store,
    /// Seals passwords and keys.
    pub gatekeeper: Gatekeeper,
    /// The running server; none if the command line has opened the file itself.
    pub live: Option<Arc<dyn Live>>,
    /// Who asks.
    pub asker: Asker,
}

/// What only a running server knows.
pub trait Live: Send + Sync {
    /// How it is doing.
    fn status(&self) -> LiveStatus;
    /// Every session that stands, the oldest first.
    fn sessions(&self) -> Vec<SessionRow>;
    /// Ends those sessions now, whatever they do; says how many.
    fn kick(&self, whom: &Whom) -> u32;
    /// Ends every session of that mailbox: it has been removed, locked, or has a new password (S-180).
    fn end_sessions(&self, mailbox: crate::mail::MailboxId);
    /// Goes by the certificates that the store has now, from the next handshake and logon on; blocks.
    fn certificates_changed(&self);
    /// How sending goes.
    fn relay(&self) -> RelayStatus;
    /// Looks at the queue, routes and the smart host anew, whatever rests: an administrator has changed something.
    fn relay_changed(&self);
    /// Tries the way of a lane as far as the logon; blocks for as long as servers take.
    fn try_way(&self, lane: &crate::mail::Lane) -> Trial;
    /// Whether its sandbox lets it connect to that TCP port.
    fn lets_connect(&self, port: u16) -> bool;
    /// Whether its sandbox lets it start Samba's helper where the settings ask for it.
    fn lets_start(&self) -> bool;
    /// Looks soon whether poppet's own certificate has all names: there may be a new one.
    fn names_changed(&self) {}
    /// Looks now at the files of certificates that are followed.
    fn look_at_watched(&self) {}
    /// What is wrong with files of certificates that are followed, by label.
    fn troubles_of_watched(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// How the running server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStatus {
    /// Its process number.
    pub pid: u32,
    /// Seconds since it was ready.
    pub uptime_seconds: u64,
    /// Every bound address with its listener's name.
    pub listeners: Vec<(String, std::net::SocketAddr)>,
    /// Sessions of each kind now: name and count.
    pub sessions: Vec<(String, u32)>,
    /// Sessions that a bug in poppet has ended since it was ready (S-273).
    pub broken_off: u64,
    /// What this process may do no more, layer by layer (S-336).
    pub sandbox: Vec<Layer>,
    /// Listeners that this process may not open, each with why and what to do.
    pub shut: Vec<(String, String)>,
}

pub use crate::sandbox::{Layer, LayerState};

/// Carries a command out; on a failure nothing has changed. Needs no runtime: [`crate::ticket::block_on`]
/// can wait for it. Where a password is set it blocks for the time of one hash, so a server calls it on a
/// thread that may block.
pub async fn execute(context: &Context, command: Command) -> Result<Answer, AdminError> {
    match command {
        Command::AddDomain(domain) => accounts::add_domain(context, domain).await,
        Command::AddMailbox { address, password, account } => {
            accounts::add_mailbox(context, address, password, account).await
        }
        Command::Remove { target: Target::Domain(domain), is_confirmed } => {
            removing::remove_domain(context, domain, is_confirmed).await
        }
        Command::Remove { target: Target::Mailbox(address), is_confirmed } => {
            removing::remove_mailbox(context, address, is_confirmed).await
        }
        Command::Domains => Ok(Answer::Domains(context.store.domains().await?)),
        Command::Mailboxes(domain) => accounts::mailboxes(context, domain).await,
        Command::Wear => Ok(Answer::Wear(context.store.wear())),
        Command::Lock { target: Target::Domain(domain), lock } => {
            locks::lock_domain(context, domain, lock).await
        }
        Command::Lock { target: Target::Mailbox(address), lock } => {
            locks::lock_mailbox(context, address, lock).await
        }
        Command::SetPassword { address, password } => {
            accounts::set_password(context, address, password).await
        }
        Command::Settings(key) => options::settings(context, key.as_deref()),
        Command::Assign { key, value, is_final } => {
            options::assign(context, &key, value.as_deref(), is_final).await
        }
        Command::SettingsFor { target, key } => options::settings_for(context, &target, key.as_deref()).await,
        Command::AssignFor { target, key, value, is_final } => {
            options::assign_for(context, &target, &key, value.as_deref(), is_final).await
        }
        Command::Undelete { address, since, is_dry_run } => {
            undo::undelete(context, address, since, is_dry_run).await
        }
        Command::Gone(domain) => Ok(Answer::Gone(context.store.gone(domain).await?)),
        Command::Messages { address, after } => reading::messages(context, address, after).await,
        Command::Piece { address, uid, index } => reading::piece(context, address, uid, index).await,
        Command::Status => status(context).await,
        Command::Sessions => Ok(Answer::Sessions(live(context)?.sessions())),
        Command::Kick(whom) => match live(context)?.kick(&whom) {
            0 => Err(nobody_to_kick(&whom)),
            sessions => Ok(Answer::Kicked { sessions }),
        },
        Command::EnsureCertificate { organisation, names, addresses } => {
            founding::ensure_certificate(context, &organisation, &names, &addresses).await
        }
        Command::MayHavePassword { address, is_new: true } => accounts::may_be_added(context, &address).await,
        Command::MayHavePassword { address, is_new: false } => {
            accounts::may_have_password(context, &address).await
        }
        Command::Aliases(of) => aliases::aliases(context, of).await,
        Command::SetAlias { alias, targets } => aliases::set(context, alias, targets).await,
        Command::RemoveAlias(alias) => aliases::remove(context, alias).await,
        Command::Devices => Ok(Answer::Devices(context.store.devices().to_vec())),
        Command::AddDevice { device, is_forced } => devices::add(context, device, is_forced).await,
        Command::RemoveDevice(name) => devices::remove(context, &name).await,
        Command::Quotas(target) => quotas::quotas(context, target.as_ref()).await.map(Answer::Quotas),
        Command::SetQuota { target, octets, messages } => {
            quotas::set(context, &target, octets.as_deref(), messages.as_deref()).await
        }
        Command::Mailbox(address) => accounts::mailbox(context, &address).await.map(|_| Answer::Done),
        Command::Auth => auth::show(context).await,
        Command::ChooseAuth { method, directory_password, is_forced } => {
            auth::choose(context, method, directory_password, is_forced).await
        }
        Command::Certificates(act) => certificates::act(context, act).await,
        Command::MigrateAuth(migrate) => migrating::migrate(context, migrate).await,
        Command::Account(address) => binding::show(context, &address).await,
        Command::BindAccount { address, name } => binding::bind(context, &address, name.as_deref()).await,
        Command::Outgoing(act) => outgoing::act(context, act).await,
        Command::TrustClock => clock::trust(context).await,
        Command::Failures(address) => Ok(Answer::Failures(context.gatekeeper.failures(address.as_ref()))),
    }
}

fn live(context: &Context) -> Result<&dyn Live, AdminError> {
    context.live.as_deref().ok_or_else(no_server)
}

/// The error for what only a running server can do.
pub fn no_server() -> AdminError {
    AdminError::unreachable(
        "the server is not running, so there are no sessions: \"poppet serve\" starts it, --db names another database",
    )
}

fn nobody_to_kick(whom: &Whom) -> AdminError {
    let text = match whom {
        Whom::All => "there are no sessions".into(),
        Whom::Number(number) => format!("there is no session {number}: \"poppet who\" lists those there are"),
        Whom::Target(target) => {
            format!("there are no sessions of {target}: \"poppet who\" lists those there are")
        }
    };
    AdminError::new(Failure::NotFound, text)
}

async fn status(context: &Context) -> Result<Answer, AdminError> {
    let domains = context.store.domains().await?;
    let mailboxes = context.store.mailboxes(None).await?;
    let wear = context.store.wear();
    Ok(Answer::Status(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        live: context.live.as_ref().map(|live| live.status()),
        domains: domains.len().try_into().unwrap_or(u32::MAX),
        mailboxes: mailboxes.len().try_into().unwrap_or(u32::MAX),
        messages: mailboxes.iter().map(|mailbox| u64::from(mailbox.messages)).sum(),
        octets: mailboxes.iter().map(|mailbox| mailbox.octets).sum(),
        file_octets: wear.file_octets,
        free_octets: wear.free_octets,
        is_short_of_room: !context.store.has_space_for(0),
        locked_out: context.gatekeeper.count_locked_out().try_into().unwrap_or(u32::MAX),
        clock: context.store.clock_state(),
    }))
}
