//! Mail that leaves, through a running server, to servers that are played here.

mod dropping;
mod international;
mod losing;
mod sink;
mod tls;
mod ways;

use crate::mail::{MailDsn, RcptDsn, RemoteAddress};
use crate::net::tests::trial::{Trial, serving};
use crate::store::{Filing, Outbound, QueueAct, Queued, Which};
use crate::ticket::block_on;

use sink::Sink;

/// What is sent, with a line that begins with a dot.
const MESSAGE: &[u8] = b"Subject: out\r\n\r\n.a line\r\nthe end\r\n";

/// A mail from alice to that recipient, on that way.
fn outbound(lane: &str, recipient: &str) -> Outbound {
    Outbound {
        lane: lane.parse().unwrap(),
        reverse_path: "alice@home.lan".into(),
        recipient: RemoteAddress::from_path(recipient),
        mail_dsn: MailDsn::default(),
        rcpt_dsn: RcptDsn::default(),
        is_utf8: false,
        needs_utf8: false,
        submitter: "alice@home.lan".into(),
        chooser: "alice@home.lan".parse().ok(),
        came_from: None,
        prefix: Vec::new(),
    }
}

/// Puts a body for these into the queue.
fn file(trial: &Trial, body: &[u8], outbound: Vec<Outbound>) {
    let mut upload = trial.server().store.upload();
    block_on(upload.push(body)).unwrap();
    upload.file(Filing { outbound, ..Filing::default() }).wait().unwrap();
}

/// The same of the usual message for one.
fn file_one(trial: &Trial, recipient: &str) {
    file(trial, MESSAGE, vec![outbound("smarthost", recipient)]);
}

/// All that waits.
fn queue(trial: &Trial) -> Vec<Queued> {
    trial.server().store.queue_page(Which::All, None, 1000).wait().unwrap()
}

/// Has all that waits tried now.
fn retry(trial: &Trial) {
    trial.server().store.queue_act(Which::All, QueueAct::Retry).wait().unwrap();
    trial.server().relay.changed(&trial.server().clock);
}

/// What the last try of the first in the queue came to.
fn last_text(trial: &Trial) -> String {
    let text = queue(trial).first().and_then(|row| row.last.clone()).map(|last| last.text.into());
    text.unwrap_or_default()
}

/// Serves with that smart host in the clear.
fn with_smart_host(sink: &Sink, act: impl FnOnce(&Trial)) {
    let host = sink.host();
    serving(&[("smarthost", &host), ("smarthost_tls", "opportunistic")], act);
}

/// The record of these authorities.
fn authorities(certificates: &[&[u8]]) -> Vec<u8> {
    let certificates: Vec<Vec<u8>> = certificates.iter().map(|certificate| certificate.to_vec()).collect();
    postcard::to_allocvec(&certificates).unwrap()
}
