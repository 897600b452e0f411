//! The commands and their answers, as they travel through the control socket.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    AccountRow, AuthView, CertificateAct, LiveStatus, Migrate, Migration, OutgoingAct, OutgoingTold,
    QuotaRow, Target, Told, Whom,
};
use crate::auth::FailureRow;
use crate::clock::UnixTime;
use crate::mail::{Address, Alias, AliasTarget, Domain, Secret, Uid};
use crate::settings::Method;
use crate::store::{
    AliasRow, ClockState, Device, DomainRow, GoneRow, Lock, MailboxRow, Origin, Undeleted, Wear,
};

/// An administrative act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Adds a domain: [`Answer::Done`].
    AddDomain(Domain),
    /// Adds a mailbox: [`Answer::Password`], or [`Answer::AddedUnseen`] where nobody looks for its account.
    AddMailbox {
        /// Its address.
        address: Address,
        /// Its password; none has one generated. Where users are known elsewhere there is none.
        password: Option<Secret>,
        /// Whose account elsewhere it is; none has the address name it.
        account: Option<String>,
    },
    /// Removes a domain or a mailbox: [`Answer::Removed`]; or the alias of that name: [`Answer::AliasRemoved`].
    Remove {
        /// What goes.
        target: Target,
        /// Whether it goes even if mailboxes or mail go with it; otherwise that is refused.
        is_confirmed: bool,
    },
    /// Asks for all domains: [`Answer::Domains`].
    Domains,
    /// Asks for the mailboxes of one domain or of all: [`Answer::Mailboxes`].
    Mailboxes(Option<Domain>),
    /// Asks what it has cost to keep the mail: [`Answer::Wear`].
    Wear,
    /// Locks or unlocks a domain or a mailbox: [`Answer::Done`], or [`Answer::Unlocked`] for a mailbox that is
    /// unlocked; a lockout ends with that.
    Lock {
        /// What is locked or unlocked.
        target: Target,
        /// What can't be done with it from now on.
        lock: Lock,
    },
    /// Replaces a password: [`Answer::Password`].
    SetPassword {
        /// Whose.
        address: Address,
        /// The new one; none has one generated.
        password: Option<Secret>,
    },
    /// Asks for one setting or all of them: [`Answer::Settings`].
    Settings(Option<String>),
    /// Changes a setting: [`Answer::Assigned`].
    Assign {
        /// Its name.
        key: String,
        /// Its new value; none takes it back to its default.
        value: Option<String>,
        /// Whether what domains and mailboxes have of their own counts no more (C8).
        is_final: bool,
    },
    /// Asks for the settings that a domain or a mailbox may have for itself, or for one of them:
    /// [`Answer::Settings`].
    SettingsFor {
        /// Whose.
        target: Target,
        /// Which; none for all of them.
        key: Option<String>,
    },
    /// Changes a setting of a domain or a mailbox: [`Answer::Assigned`].
    AssignFor {
        /// Whose.
        target: Target,
        /// Its name.
        key: String,
        /// Its new value; none takes it back to what counts above.
        value: Option<String>,
        /// Whether what the domain's mailboxes have of their own counts no more (C8).
        is_final: bool,
    },
    /// Brings back what was removed: [`Answer::Undeleted`].
    Undelete {
        /// The mailbox.
        address: Address,
        /// Only what was removed from then on; none for all.
        since: Option<UnixTime>,
        /// Whether it is only told.
        is_dry_run: bool,
    },
    /// Asks for the removed mailboxes of one domain or of all that can be brought back: [`Answer::Gone`].
    Gone(Option<Domain>),
    /// Asks for a mailbox's messages, page by page: [`Answer::Messages`].
    Messages {
        /// Whose.
        address: Address,
        /// The last number of the page before; none for the first page.
        after: Option<Uid>,
    },
    /// Asks for a message, piece by piece: [`Answer::Piece`].
    Piece {
        /// Whose.
        address: Address,
        /// Which.
        uid: Uid,
        /// Which piece, from 0.
        index: u32,
    },
    /// Asks how the server and the database are: [`Answer::Status`].
    Status,
    /// Asks for every session of the running server: [`Answer::Sessions`].
    Sessions,
    /// Ends sessions of the running server now: [`Answer::Kicked`].
    Kick(Whom),
    /// Makes authority and server certificate where there are none, and the server certificate anew where it
    /// lacks a name or an address; a running server presents it at once: [`Answer::Certificate`].
    EnsureCertificate {
        /// For whom the authority stands.
        organisation: Domain,
        /// Names of the machine; the hostname and every domain are added to them.
        names: Vec<String>,
        /// Addresses of the machine.
        addresses: Vec<IpAddr>,
    },
    /// Asks whether [`Command::AddMailbox`] or [`Command::SetPassword`] would be taken, before a person is
    /// asked for a password: [`Answer::Done`], [`Answer::NoPassword`], or the error of that command.
    MayHavePassword {
        /// Whose.
        address: Address,
        /// Whether the mailbox is to be added.
        is_new: bool,
    },
    /// Asks for all aliases, for one, or for those that lead to a domain or mailbox: [`Answer::Aliases`].
    Aliases(Option<Alias>),
    /// Makes an alias, or gives it other targets: [`Answer::AliasSet`].
    SetAlias {
        /// What can be sent to.
        alias: Alias,
        /// Where that leads.
        targets: Vec<AliasTarget>,
    },
    /// Removes an alias: [`Answer::AliasRemoved`].
    RemoveAlias(Alias),
    /// Asks for all device profiles: [`Answer::Devices`].
    Devices,
    /// Adds a device profile: [`Answer::Done`].
    AddDevice {
        /// The profile; it is made when this is done, whatever it says itself.
        device: Device,
        /// Whether a public network is taken.
        is_forced: bool,
    },
    /// Removes the device profile of that name: [`Answer::Done`].
    RemoveDevice(String),
    /// Asks how full the mailboxes are, all or those of a domain or one: [`Answer::Quotas`].
    Quotas(Option<Target>),
    /// Sets how much a mailbox may hold, or each mailbox of a domain: [`Answer::Quotas`], as it is then.
    SetQuota {
        /// Whose.
        target: Target,
        /// The new value of `quota`; none leaves it.
        octets: Option<String>,
        /// The new value of `quota_messages`; none leaves it.
        messages: Option<String>,
    },
    /// Asks whether there is such a mailbox: [`Answer::Done`], or [`super::Failure::NotFound`].
    Mailbox(Address),
    /// Asks how users are known: [`Answer::Auth`].
    Auth,
    /// Chooses how users are known, while no domain is here; or gives the directory's account its password:
    /// [`Answer::AuthChosen`] or [`Answer::DirectoryPasswordWanted`].
    ChooseAuth {
        /// The method.
        method: Method,
        /// The password of the directory's account; none leaves the one that is kept.
        directory_password: Option<Secret>,
        /// Whether it is chosen without a look whether it can be used.
        is_forced: bool,
    },
    /// Does something with certificates: [`Answer::Certificates`], or what the act says.
    Certificates(CertificateAct),
    /// Moves every mailbox to another method: [`Answer::Migrated`] or [`Answer::DirectoryPasswordWanted`].
    MigrateAuth(Migrate),
    /// Asks whose account elsewhere a mailbox is: [`Answer::Account`].
    Account(Address),
    /// Binds a mailbox to an account elsewhere: [`Answer::Account`], as it is then.
    BindAccount {
        /// The mailbox.
        address: Address,
        /// The account's name; none has the address name it.
        name: Option<String>,
    },
    /// Asks on which accounts logons have failed, all or that of an address: [`Answer::Failures`].
    Failures(Option<Address>),
    /// Does something with mail for the outside: [`Answer::Outgoing`].
    Outgoing(OutgoingAct),
    /// Says that the clock is right, whatever the database has seen: [`Answer::Clock`].
    TrustClock,
}

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done; the password, if one was generated.
    Password(Option<Secret>),
    /// It is gone, and so much with it.
    Removed {
        /// Mailboxes.
        mailboxes: u32,
        /// Messages.
        messages: u64,
        /// Until when it can be brought back; none for not at all.
        until: Option<UnixTime>,
        /// Aliases that went with it, for good.
        aliases: u32,
        /// Aliases that lead nowhere now.
        dead_ends: Vec<Alias>,
    },
    /// What was brought back, or would be.
    Undeleted {
        /// How much.
        undeleted: Undeleted,
        /// What its user needs before he can log on again, in lines for people.
        notes: Vec<String>,
    },
    /// Removed mailboxes.
    Gone(Vec<GoneRow>),
    /// All domains.
    Domains(Vec<DomainRow>),
    /// Mailboxes with their counters.
    Mailboxes(Vec<MailboxRow>),
    /// What it has cost since the database was opened.
    Wear(Wear),
    /// Settings with their values.
    Settings(Vec<SettingRow>),
    /// The setting is changed.
    Assigned {
        /// What it is now.
        value: String,
        /// Whether a running server goes on with the old value until it starts again.
        waits_for_restart: bool,
        /// What it means for the passwords that are kept.
        consequence: Option<Consequence>,
        /// Whose own values count no more because this one is final now, or count again because it isn't any more.
        below: Vec<Target>,
        /// What else is to be known of it, in lines for people.
        notes: Vec<String>,
    },
    /// A page of messages.
    Messages {
        /// The page.
        rows: Vec<MessageSummary>,
        /// Whether it is the last page.
        is_last: bool,
    },
    /// A piece of a message.
    Piece {
        /// Its octets, about a MiB at most.
        octets: Vec<u8>,
        /// Whether it is the last piece.
        is_last: bool,
    },
    /// How the server and the database are.
    Status(Status),
    /// Every session that stands, the oldest first.
    Sessions(Vec<SessionRow>),
    /// They are told to end.
    Kicked {
        /// How many; not 0.
        sessions: u32,
    },
    /// What the clients are to trust.
    Certificate {
        /// Whether it has been made just now.
        is_new: bool,
        /// The authority's certificate as PEM text.
        authority: String,
    },
    /// Aliases.
    Aliases(Vec<AliasRow>),
    /// The alias is as it should be.
    AliasSet {
        /// Where it leads, each target once.
        targets: Vec<AliasTarget>,
        /// Where it led before; nothing if it is new.
        before: Vec<AliasTarget>,
        /// What is to be known of it, in lines for people.
        notes: Vec<String>,
    },
    /// The alias is gone.
    AliasRemoved {
        /// What it was.
        row: AliasRow,
        /// Aliases that lead nowhere now.
        dead_ends: Vec<Alias>,
    },
    /// All device profiles.
    Devices(Vec<Device>),
    /// How full mailboxes are.
    Quotas(Vec<QuotaRow>),
    /// The mailbox could be added, and takes no password: its user has one elsewhere.
    NoPassword,
    /// How users are known.
    Auth(AuthView),
    /// The method is chosen.
    AuthChosen {
        /// What it was before.
        before: Method,
        /// What is to be known of it, in lines for people.
        notes: Vec<String>,
    },
    /// Nothing was done: the directory's account has no password yet.
    DirectoryPasswordWanted {
        /// The account.
        account: String,
    },
    /// What there is to tell of certificates.
    Certificates(Told),
    /// What moving every mailbox came to.
    Migrated(Migration),
    /// Whose account elsewhere a mailbox is.
    Account(AccountRow),
    /// Accounts on which logons have failed, the latest first.
    Failures(Vec<FailureRow>),
    /// What there is to tell of mail for the outside.
    Outgoing(OutgoingTold),
    /// The mailbox is unlocked.
    Unlocked {
        /// Whether it was locked out for wrong passwords, and is no more.
        was_locked_out: bool,
    },
    /// The mailbox is added, and nobody has looked whether its account is there.
    AddedUnseen {
        /// What that means, in a line for people.
        note: String,
    },
    /// How the clock is.
    Clock(ClockState),
}

/// What a changed setting means for the passwords that are kept, and for who can log on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consequence {
    /// Each password that is set from now on is kept itself, for APOP, CRAM-MD5 and NTLM.
    KeepsSecrets {
        /// Whose password must be set anew before these work.
        without: Vec<Address>,
    },
    /// Passwords that were kept are wiped.
    WipedSecrets {
        /// Of how many mailboxes, those among them that are removed and can be brought back.
        mailboxes: u32,
    },
    /// No password may be sent any more, not even inside TLS.
    TakesNoPasswords {
        /// Whether APOP, CRAM-MD5 and NTLM are taken beside SCRAM.
        takes_challenges: bool,
        /// Who can't log on in any way until his password is set anew.
        without: Vec<Address>,
    },
    /// Passwords are not kept here, so there are none to be set anew.
    KnownElsewhere {
        /// By what users are known.
        method: Method,
        /// Whether users can't send their passwords any more, which the method needs.
        shuts_out: bool,
    },
    /// Nobody logs on without a certificate.
    NeedsCertificate {
        /// The listeners where that is so.
        listeners: Vec<String>,
        /// Whether there is any that could be shown: one that is allowed, or an authority that vouches for some.
        is_any_known: bool,
    },
    /// Users are known by the directory, and it has no server.
    AsksNobody,
    /// NTLM is passed on.
    RelaysNtlm {
        /// Whether Samba's helper is there.
        is_there: bool,
    },
    /// How mail leaves through a smart host; one of these at least is true.
    SmartHost {
        /// Whether there is none to which what was set belongs.
        is_missing: bool,
        /// Whether a user is named whose password is not here.
        lacks_password: bool,
        /// Whether a password is here and no user, so that nobody logs on.
        lacks_user: bool,
        /// Whether a password that was given for another server goes to this one now.
        hands_on_password: bool,
        /// Whether mail is sent whatever the certificate, and the password only where that is right.
        guards_password: bool,
    },
}

/// A session of the running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its number.
    pub number: u64,
    /// The listener through which it came.
    pub listener: String,
    /// Who has logged on.
    pub user: Option<Address>,
    /// The peer's address.
    pub peer: IpAddr,
    /// Version and suite of TLS; none in the clear.
    pub tls: Option<String>,
    /// What it does, in one word.
    pub state: String,
    /// How long it has stood.
    pub seconds: u64,
    /// How long no octet has come or gone.
    pub idle_seconds: u64,
    /// Octets that came in.
    pub octets_in: u64,
    /// Octets that went out.
    pub octets_out: u64,
}

/// A setting with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// Whether it is a limit that can't be set.
    pub is_fixed: bool,
    /// Whether what is set below the level that it comes from doesn't count.
    pub is_final: bool,
    /// What it means.
    pub meaning: String,
}

/// A message in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSummary {
    /// Its number.
    pub uid: Uid,
    /// Its octets.
    pub octets: u32,
    /// When it was received.
    pub received: UnixTime,
    /// Its `From` field as it stands, unfolded and cut.
    pub from: Vec<u8>,
    /// Its `Subject` field as it stands, unfolded and cut.
    pub subject: Vec<u8>,
}

/// How the server and the database are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program that answers.
    pub version: String,
    /// The running server; none if the command line has opened the file itself.
    pub live: Option<LiveStatus>,
    /// How many domains there are.
    pub domains: u32,
    /// How many mailboxes.
    pub mailboxes: u32,
    /// How many messages in them.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// The file's length.
    pub file_octets: u64,
    /// Free space of its disk.
    pub free_octets: u64,
    /// Whether the disk has no room for mail above its reserve.
    pub is_short_of_room: bool,
    /// How many mailboxes are locked out for wrong passwords.
    pub locked_out: u32,
    /// How the clock is.
    pub clock: ClockState,
}
