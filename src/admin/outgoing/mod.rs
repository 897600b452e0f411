//! Mail for the outside, as an administrator sees it: the queue, routes, forwards, the smart host's password.

mod ourselves;
mod queue;
mod routes;
mod smart_host;

pub(super) use ourselves::{Taker, must_lead_elsewhere};
pub(super) use smart_host::{changed, forget_password};

use serde::{Deserialize, Serialize};

use super::{AdminError, Answer, Context, forwards};
use crate::clock::UnixTime;
use crate::mail::{Address, AddressSpace, Lane, RemoteAddress, Secret};
use crate::relay::routing;
use crate::store::{Forward, QueueAct, QueueCounts, QueueId, Queued, Route, Which};

/// An act on mail for the outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OutgoingAct {
    /// Asks for a page of the queue: [`OutgoingTold::Queue`].
    Page {
        /// Whose.
        which: Which,
        /// The last number of the page before; none for the first page.
        after: Option<QueueId>,
    },
    /// Asks for one queued recipient with the front of his message: [`OutgoingTold::Mail`].
    Show(QueueId),
    /// Does something with queued recipients: [`OutgoingTold::Done`].
    Queue(Which, QueueAct),
    /// Asks for every route: [`OutgoingTold::Routes`].
    Routes,
    /// Makes a route or replaces one: [`OutgoingTold::Routes`], what is there then, with notes.
    SetRoute(Route),
    /// Takes a route away: [`OutgoingTold::Done`].
    RemoveRoute(AddressSpace),
    /// Asks for forwards, all or that of a mailbox: [`OutgoingTold::Forwards`].
    Forwards(Option<Address>),
    /// Has a mailbox's mail go on, or no more: [`OutgoingTold::Forwards`].
    SetForward(Address, Option<Forward>),
    /// Keeps the password for the smart host of all, or of a domain or user; none forgets it: [`OutgoingTold::Done`].
    SetPassword(Lane, Option<Secret>),
    /// Tries the way of a lane as far as the logon, and sends nothing: [`OutgoingTold::Trial`].
    Try(Lane),
    /// Asks how sending goes: [`OutgoingTold::Status`].
    Status,
    /// Asks for the way of mail to that address elsewhere, whoever of all sends it: [`OutgoingTold::Way`].
    WayTo(RemoteAddress),
}

/// What an act on mail for the outside came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OutgoingTold {
    /// A page of the queue.
    Queue {
        /// The page.
        rows: Vec<Queued>,
        /// Whether it is the last page.
        is_last: bool,
    },
    /// A queued recipient, and the front of his message.
    Mail(Box<Queued>, Vec<u8>),
    /// It is done, with so many, and what is to be known of it, in lines for people.
    Done(u64, Vec<String>),
    /// Routes, and what is to be known of them, in lines for people.
    Routes(Vec<Route>, Vec<String>),
    /// Mailboxes whose mail goes on, and what is to be known of them, in lines for people.
    Forwards(Vec<(Address, Forward)>, Vec<String>),
    /// How a trial went.
    Trial(Trial),
    /// How sending goes.
    Status(Box<RelayStatus>),
    /// A way.
    Way(Lane),
}

pub(super) async fn act(context: &Context, act: OutgoingAct) -> Result<Answer, AdminError> {
    let told = match act {
        OutgoingAct::Page { which, after } => queue::page(context, which, after).await?,
        OutgoingAct::Show(id) => queue::show(context, id).await?,
        OutgoingAct::Queue(which, act) => queue::act(context, which, act).await?,
        OutgoingAct::Routes => OutgoingTold::Routes(context.store.routes().to_vec(), Vec::new()),
        OutgoingAct::SetRoute(route) => routes::set(context, route).await?,
        OutgoingAct::RemoveRoute(space) => routes::remove(context, space).await?,
        OutgoingAct::Forwards(of) => forwards::forwards(context, of).await?,
        OutgoingAct::SetForward(address, forward) => forwards::set(context, address, forward).await?,
        OutgoingAct::SetPassword(lane, password) => {
            smart_host::set_password(context, &lane, password.as_ref()).await?
        }
        OutgoingAct::Try(lane) => smart_host::try_way(context, &lane)?,
        OutgoingAct::Status => OutgoingTold::Status(Box::new(status(context))),
        OutgoingAct::WayTo(recipient) => OutgoingTold::Way(routing::lane(&context.store, None, &recipient)),
    };
    Ok(Answer::Outgoing(told))
}

/// How sending goes; without a server only how much waits is known.
fn status(context: &Context) -> RelayStatus {
    let known = context.live.as_ref().map(|live| live.relay()).unwrap_or_default();
    RelayStatus { counts: context.store.queue_counts(), ..known }
}

/// Has a running server look at queue and ways anew.
pub(super) fn relay_changed(context: &Context) {
    if let Some(live) = &context.live {
        live.relay_changed();
    }
}

/// How the trial of a way went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// One for each step and server, in their order.
    pub steps: Vec<TrialStep>,
}

/// A step of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStep {
    /// With which server; empty where it is about none.
    pub host: String,
    /// How it went.
    pub state: TrialState,
    /// What happened, and what to do if it went wrong, in a line for people.
    pub text: String,
}

/// How a step of a trial went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrialState {
    /// As it should.
    Good,
    /// Mail goes, but not as safely as it could.
    Note,
    /// No mail goes that way.
    Wrong,
}

/// How sending goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayStatus {
    /// How much waits.
    pub counts: QueueCounts,
    /// Since when there is no way out, be it that the network is gone or that the only smart host takes no
    /// connections; none if there is one (O8).
    pub offline_since: Option<UnixTime>,
    /// Ways that rest, with what a person must see to.
    pub troubles: Vec<LaneTrouble>,
    /// Connections to other servers now.
    pub connections: u32,
    /// Recipients that servers have taken since the start.
    pub sent: u64,
    /// Recipients that a server may have taken without our hearing so, since the start: they may come twice (S-131).
    pub unsure: u64,
}

/// A way that rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneTrouble {
    /// Which.
    pub lane: Lane,
    /// Since when.
    pub since: UnixTime,
    /// When it is tried again; none for when a person has seen to it.
    pub next: Option<UnixTime>,
    /// Why, and what to do, in a line for people.
    pub text: String,
}
