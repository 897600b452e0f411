//! How much mailboxes may hold, and how full they are (M8).

use serde::{Deserialize, Serialize};

use super::options::{find, level};
use super::{AdminError, Answer, Context, Target, accounts, finals};
use crate::mail::Address;
use crate::settings::Settings;

/// How full a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRow {
    /// Its address.
    pub address: Address,
    /// Its messages.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
    /// Octets that it may hold; none for as many as the disk takes.
    pub octets_allowed: Option<u64>,
    /// Messages that it may hold; none for as many as there are numbers.
    pub messages_allowed: Option<u32>,
}

impl QuotaRow {
    /// How full it is in percent, by octets or by messages, whichever is more; none without a quota.
    pub fn percent(&self) -> Option<u64> {
        let percent = |have: u64, most: u64| (u128::from(have) * 100 / u128::from(most.max(1))) as u64;
        let octets = self.octets_allowed.map(|most| percent(self.octets, most));
        let messages = self.messages_allowed.map(|most| percent(self.messages.into(), most.into()));
        octets.into_iter().chain(messages).max()
    }
}

/// How full all mailboxes are, or those of a domain, or one.
pub(super) async fn quotas(context: &Context, of: Option<&Target>) -> Result<Vec<QuotaRow>, AdminError> {
    let (domain, wanted) = match of {
        None => (None, None),
        Some(Target::Domain(domain)) => (Some(domain.clone()), None),
        Some(Target::Mailbox(address)) => {
            (Some(address.domain()), Some(accounts::mailbox(context, address).await?.id))
        }
    };
    let mut mailboxes = accounts::rows(context, domain).await?;
    mailboxes.retain(|row| wanted.is_none_or(|wanted| wanted == row.id));
    let row = |row: crate::store::MailboxRow| {
        let quota = context.store.settings_for(&row.address).quota;
        QuotaRow {
            address: row.address,
            messages: row.messages,
            octets: row.octets,
            octets_allowed: quota.octets,
            messages_allowed: quota.messages,
        }
    };
    Ok(mailboxes.into_iter().map(row).collect())
}

/// Sets one or both; neither if one can't be.
pub(super) async fn set(
    context: &Context,
    target: &Target,
    octets: Option<&str>,
    messages: Option<&str>,
) -> Result<Answer, AdminError> {
    let level = level(context, target).await?;
    let given = [("quota", octets), ("quota_messages", messages)];
    let given = given.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    for (name, value) in given.clone() {
        Settings::default().assign(name, value)?;
        finals::must_count(context, &level, find(name)?)?;
    }
    for (name, value) in given {
        context.store.set_level(level.clone(), name, Some(value)).await?;
    }
    quotas(context, Some(target)).await.map(Answer::Quotas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_as_full_as_the_nearer_limit_says() {
        for (messages, octets, messages_allowed, octets_allowed, percent) in [
            (5, 500, None, None, None),
            (0, 0, Some(10), Some(1000), Some(0)),
            (5, 900, Some(10), Some(1000), Some(90)),
            (9, 899, Some(10), Some(1000), Some(90)),
            (9, 899, None, Some(1000), Some(89)),
            (10, 1, Some(10), None, Some(100)),
            (1, 1001, Some(10), Some(1000), Some(100)),
            (1, 1010, Some(10), Some(1000), Some(101)),
            (u32::MAX, u64::MAX, Some(1), Some(1), Some(u64::MAX)),
        ] {
            let address = "alice@home.lan".parse().unwrap();
            let row = QuotaRow { address, messages, octets, octets_allowed, messages_allowed };
            let shown = row.percent().map(|shown| if octets == u64::MAX { u64::MAX } else { shown });
            assert_eq!(shown, percent, "{messages} {octets}");
        }
    }
}
