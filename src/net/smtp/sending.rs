//! As whom the peer may send (M10, M11, S-113, S-114), and how often in a day.

use super::Driver;
use crate::mail::{Address, Domain, RemoteAddress, Role, a_label};
use crate::net::allowance::{Account, Taken};
use crate::net::fold::Topic;
use crate::net::peers;
use crate::net::recipients::{Search, Whence};
use crate::net::seat::Order;
use crate::net::server::Server;
use crate::settings::{Sender, Unproven};
use crate::smtp::path::{ForwardPath, PathError};
use crate::smtp::{Event, Next, Recipient, ReversePath};
use crate::store::{Reach, StoreError};

/// He has sent as many mails as he may in a day.
pub(super) struct Spent;

impl<'a> Driver<'a> {
    pub(super) async fn check_sender(&mut self, path: ReversePath) -> Next {
        if self.has_lost_profile() {
            return self.tell(Order::End);
        }
        let event = match self.judge_sender(&path).await {
            Ok(event) => event,
            Err(error) => return self.answer("looking up a sender", Err(error)),
        };
        if matches!(event, Event::SenderForeign) || self.has_mails_left() {
            return self.handle(event);
        }
        self.tell_spent();
        self.handle(Event::SenderSpent)
    }

    /// Counts a mail for who sends it; none where mails are not counted.
    pub(super) fn take_allowance(&self) -> Result<Option<Taken<'a>>, Spent> {
        let Some((account, most)) = self.account() else { return Ok(None) };
        let now = self.server.clock.monotonic();
        let server: &'a Server = self.server;
        server.allowance.take(account, most, now).map(Some).ok_or_else(|| {
            self.tell_spent();
            Spent
        })
    }

    /// Who a forward-path is for this peer, as who he has proved to be.
    pub(super) async fn find(
        &self,
        path: ForwardPath,
        named: &RemoteAddress,
        octets: u64,
    ) -> Result<Recipient, StoreError> {
        Search::new(self.server, &self.settings, self.whence()).find(path, named, octets).await
    }

    /// Whose mail it is. A user's rights are his own, wherever he is.
    pub(super) fn whence(&self) -> Whence<'_> {
        match (self.user(), &self.device) {
            (Some(user), _) => Whence::User(user),
            (None, Some(device)) => {
                Whence::Device { peer: self.peer, may_leave: device.reach == Reach::SmartHost }
            }
            (None, None) => Whence::Stranger(self.peer),
        }
    }

    /// Whose mail it is, for fairness between senders in the queue.
    pub(super) fn submitter(&self) -> Box<str> {
        match (self.user(), &self.device) {
            (Some(user), _) => user.as_str().into(),
            (None, Some(device)) => format!("device {}", device.name).into(),
            (None, None) => peers::network(self.peer).to_string().into(),
        }
    }

    async fn judge_sender(&self, path: &ReversePath) -> Result<Event<'static>, StoreError> {
        let store = &self.server.store;
        if let Some(user) = self.user() {
            let is_his = path.as_str().is_empty()
                || store.settings_for(user).sender == Sender::Any
                || match address(path, &user.domain()) {
                    Some(sender) if sender == *user => true,
                    Some(sender) => store.leads_to(sender, user.clone()).await?,
                    None => false,
                };
            return Ok(if is_his { Event::SenderFits } else { Event::SenderForeign });
        }
        if self.device.is_some() {
            return Ok(Event::SenderFits);
        }
        let is_ours = match domain(path) {
            Some(domain) => store.has_domain(domain).await?,
            None => false,
        };
        Ok(match (is_ours, store.settings().unproven) {
            (false, _) => Event::SenderFits,
            (true, Unproven::Accept) => Event::SenderUnproven,
            (true, Unproven::Refuse) => Event::SenderForeign,
        })
    }

    /// Whether the peer sends by a device profile that is not his any more: changed, taken away, or overruled.
    fn has_lost_profile(&self) -> bool {
        let Some(device) = self.device.as_deref().filter(|_| self.user().is_none()) else { return false };
        self.server.store.device_at(self.peer).as_ref() != Some(device)
    }

    fn has_mails_left(&self) -> bool {
        let now = self.server.clock.monotonic();
        self.account().is_none_or(|(account, most)| self.server.allowance.is_left(&account, most, now))
    }

    /// Whose mails are counted, and how many he may send in a day; none where that is nobody, or as many as he likes.
    fn account(&self) -> Option<(Account, u32)> {
        if let (Some(user), Some(mailbox)) = (self.user(), self.mailbox) {
            let most = self.server.store.settings_for(user).mails_per_day;
            return most.map(|most| (Account::User(mailbox), most));
        }
        let device = self.device.as_ref()?;
        device.mails_per_day.map(|most| (Account::Device(device.name.clone()), most))
    }

    /// Who has logged on, to the end of the exchange.
    fn user(&self) -> Option<&Address> {
        if self.session.is_logged_in() { self.tally.user.as_ref() } else { None }
    }

    fn tell_spent(&self) {
        let who = match (self.user(), &self.device) {
            (Some(user), _) => format!("the user {user}"),
            (None, Some(device)) => format!("the device {}", device.name),
            (None, None) => return,
        };
        let line = format_args!("{}: {who} has sent as many mails as may be in a day", self.peer);
        self.server.fold.warn(Topic::Allowance, self.server.clock.monotonic(), line);
    }
}

/// The address of a path as ours are written, at that domain where the path names none; none of another form. It is
/// read as a recipient's is: `"bob"@x` and `bob@x` are one mailbox. RFC 5321 §4.1.2.
fn address(path: &ReversePath, home: &Domain) -> Option<Address> {
    let text = path.as_str();
    let read = match ForwardPath::parse(text.as_bytes(), true) {
        Err(PathError::NoDomain) => ForwardPath::parse(format!("{text}@{home}").as_bytes(), true),
        read => read,
    };
    match read.ok()? {
        ForwardPath::Address(address) => Some(address),
        ForwardPath::Role(role, domain) => Address::new(role.as_str(), &domain).ok(),
        ForwardPath::Postmaster => Address::new(Role::Postmaster.as_str(), home).ok(),
        ForwardPath::OtherLocalPart(_) | ForwardPath::Foreign => None,
    }
}

/// The domain of a path, if it has the form of ours once it is written as the name system has it: whoever reads the mail
/// sees no difference.
fn domain(path: &ReversePath) -> Option<Domain> {
    a_label::coded(path.as_str().rsplit_once('@')?.1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::path::Strictness;

    fn path(text: &str) -> ReversePath {
        ReversePath::parse(text.as_bytes(), Strictness::Lenient, true).unwrap()
    }

    /// Alice, who wrote `MAIL FROM:<"alice"@home.lan>`, was told that the address isn't hers, though mail to it came
    /// to her.
    #[test]
    fn a_path_is_an_address_of_ours_only_in_our_form_m10() {
        let home: Domain = "home.lan".parse().unwrap();
        for (text, wanted) in [
            ("Alice@Home.lan", Some("alice@home.lan")),
            ("J\u{d6}RG@home.lan", Some("j\u{f6}rg@home.lan")),
            ("scanner", Some("scanner@home.lan")),
            ("a+b@home.lan", Some("a+b@home.lan")),
            ("alice@other.lan", Some("alice@other.lan")),
            ("\"alice\"@home.lan", Some("alice@home.lan")),
            ("\"A\\lice\"@HOME.lan", Some("alice@home.lan")),
            ("\"J\u{d6}RG\"@home.lan", Some("j\u{f6}rg@home.lan")),
            ("\"Alice\"", Some("alice@home.lan")),
            ("postmaster", Some("postmaster@home.lan")),
            ("PostMaster@home.lan", Some("postmaster@home.lan")),
            ("\"abuse\"@home.lan", Some("abuse@home.lan")),
            ("\"alice \"@home.lan", None),
            ("\"alice@home.lan\"@home.lan", None),
            ("\"\"@home.lan", None),
            ("\"a@home.lan\"", None),
            ("a=b@home.lan", None),
            ("alice@[192.0.2.1]", None),
            ("", None),
        ] {
            let found = address(&path(text), &home);
            assert_eq!(found.as_ref().map(Address::as_str), wanted, "{text:?}");
        }
    }

    /// A stranger could send as `boss@höme.lan` or `boss@ｈome.lan`, unmarked and even where our names were refused to
    /// him: a domain beyond ASCII was taken for none of ours.
    #[test]
    fn the_domain_of_a_path_is_known_whatever_stands_before_it_s_113() {
        for (text, wanted) in [
            ("boss@Home.LAN", Some("home.lan")),
            ("\"boss\"@home.lan", Some("home.lan")),
            ("\"a@b\"@home.lan", Some("home.lan")),
            ("a=b@home.lan", Some("home.lan")),
            ("boss@[192.0.2.1]", None),
            ("boss@h\u{f6}me.lan", Some("xn--hme-sna.lan")),
            ("boss@HO\u{308}ME.lan", Some("xn--hme-sna.lan")),
            ("boss@\u{ff48}ome.lan", Some("home.lan")),
            ("boss", None),
            ("", None),
        ] {
            let found = domain(&path(text));
            assert_eq!(found.as_ref().map(Domain::as_str), wanted, "{text:?}");
        }
    }
}
