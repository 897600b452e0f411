//! Who reads a report: the mail's reverse-path, a mailbox of ours or somebody elsewhere.

use crate::mail::{Address, Language, MailDsn, MailboxId, Notify, RcptDsn, RemoteAddress};
use crate::net::international::Reckoning;
use crate::net::recipients::{Search, Whence};
use crate::net::server::Server;
use crate::relay::returning::mark;
use crate::smtp::report::Report;
use crate::smtp::{ForwardPath, Leaving, Recipient, ReversePath, Session};
use crate::store::{Delivered, Delivery, Filing, Outbound, Resolved, Settlement, StoreError};

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Into these mailboxes.
    pub mailboxes: Vec<(MailboxId, Address)>,
    /// To these elsewhere.
    pub outside: Vec<Leaving>,
    /// As the mail named him.
    pub named: RemoteAddress,
    /// Whose postmaster writes to him; none for that of his own domain.
    pub domain: Option<String>,
    /// In which language.
    pub language: Language,
}

/// Finds out who reads reports for that reverse-path; or says why nobody does. How full his mailbox is doesn't matter: a
/// report is what he must know.
pub async fn find(server: &Server, reverse_path: &str) -> Result<Result<Reader, &'static str>, StoreError> {
    let (store, settings) = (&server.store, server.store.settings());
    let Ok(path) = ForwardPath::parse(reverse_path.as_bytes(), true) else {
        return Ok(Err("the sender has no domain"));
    };
    let address = if let ForwardPath::Address(address) = &path { Some(address.clone()) } else { None };
    let named = RemoteAddress::from_path(reverse_path);
    let found = Search::new(server, &settings, Whence::Ourselves).find(path, &named, 0).await?;
    let (mailboxes, outside) = match (found, address) {
        (Recipient::Mailboxes(mailboxes), _) => (mailboxes, Vec::new()),
        (Recipient::Outside(mailboxes, leaving), _) => (mailboxes, leaving),
        (Recipient::WayBack(leaving), _) => (Vec::new(), vec![leaving]),
        (Recipient::ForeignDomain | Recipient::NoWay | Recipient::WouldReturn, _) => {
            return Ok(Err("the sender is elsewhere, and there is no way to him"));
        }
        (Recipient::Full { .. }, Some(address)) => (mailboxes_of(server, address).await?, Vec::new()),
        (Recipient::Full { .. }, None) => return Ok(Err("the mailbox is full")),
        (Recipient::UnknownUser, _) => return Ok(Err("there is no such user any more")),
        (Recipient::Locked, _) => return Ok(Err("the mailbox takes no mail")),
    };
    if mailboxes.is_empty() && outside.is_empty() {
        return Ok(Err("there is no such user any more"));
    }
    let domain = if mailboxes.is_empty() { Some(own_domain(server).await?) } else { None };
    let language = match mailboxes.first() {
        Some((_, address)) => store.settings_for(address).language,
        None => settings.language,
    };
    Ok(Ok(Reader { mailboxes, outside, named, domain, language }))
}

/// Makes a report durable, and settles what it tells of in the same commit; says whether anybody gets it. Where nobody is
/// left, nothing is settled.
pub async fn file(
    server: &Server,
    reader: &Reader,
    report: &Report,
    settled: Vec<Settlement>,
) -> Result<bool, StoreError> {
    let mut upload = server.store.upload();
    upload.push(&report.message).await?;
    let is_international =
        report.needs_utf8 || reader.mailboxes.iter().any(|(_, address)| !address.is_ascii());
    let reckoning = if is_international { Some(Box::pin(Reckoning::of(&upload)).await?) } else { None };
    let delivery = |(mailbox, address): &(MailboxId, Address)| {
        let prefix = Session::delivery_fields(&ReversePath::default(), address);
        let surrogate_octets = reckoning.as_ref().map_or(0, |it| it.octets_behind(&prefix));
        Delivery { surrogate_octets, ..Delivery::to(*mailbox, prefix) }
    };
    let deliveries = reader.mailboxes.iter().map(delivery).collect();
    let outbound: Vec<Outbound> =
        reader.outside.iter().map(|leaving| outbound(reader, leaving, report.needs_utf8)).collect();
    let delivered = if outbound.is_empty() && settled.is_empty() {
        upload.finish(deliveries).await?
    } else {
        upload.file(Filing { deliveries, outbound, settled }).await?
    };
    Ok(matches!(delivered, Delivered::Stored { .. }))
}

/// From nobody, and never reported on. RFC 3461 §6.1.
fn outbound(reader: &Reader, leaving: &Leaving, is_utf8: bool) -> Outbound {
    // One who forwards is marked as with any mail, so that a circle ends (S-120).
    let marked = |forwarder| mark(forwarder, reader.named.as_str(), is_utf8);
    Outbound {
        lane: leaving.lane.clone(),
        reverse_path: "".into(),
        recipient: leaving.recipient.clone(),
        mail_dsn: MailDsn::default(),
        rcpt_dsn: RcptDsn { notify: Some(Notify::default()), original_recipient: None },
        is_utf8,
        needs_utf8: is_utf8,
        submitter: "".into(),
        chooser: leaving.chooser.clone(),
        came_from: None,
        prefix: leaving.forwarder.as_ref().map(marked).unwrap_or_default(),
    }
}

async fn mailboxes_of(server: &Server, address: Address) -> Result<Vec<(MailboxId, Address)>, StoreError> {
    let (Resolved::Mailboxes(found) | Resolved::Outside(found, _)) = server.store.resolve(address).await?
    else {
        return Ok(Vec::new());
    };
    Ok(found.into_iter().filter(|it| it.is_open).map(|it| (it.mailbox, it.address)).collect())
}

/// The domain whose postmaster writes to strangers: who the settings name, else the first one, else our name.
async fn own_domain(server: &Server) -> Result<String, StoreError> {
    let settings = server.store.settings();
    if let Some(postmaster) = &settings.postmaster {
        return Ok(postmaster.domain().to_string());
    }
    let first = server.store.domains().await?.into_iter().next();
    Ok(first.map_or_else(|| server.hostname(&settings), |row| row.domain.to_string()))
}
