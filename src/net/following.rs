//! Files of certificates that another program renews: looked at, read when they have changed, installed when they are
//! right (T3).
//!
//! ```text
//! look, each minute and when it is asked for: is it as it was, and right? -> rest
//!   -> read both -> the pair that is installed already, or cert::install takes it -> good
//!      -> or not: the old one stays; told once, if it is so still at the next look: a renewal writes one file after
//!         the other; tried again at each look (S-258)
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::server::Server;
use super::task;
use crate::cert::{self, CertError, FilePair, Stamps, Watched};

/// All files that are followed, by label.
#[derive(Debug, Default)]
pub struct Following {
    followers: BTreeMap<String, Follower>,
}

/// What is known of a certificate's files.
#[derive(Debug, Default)]
struct Follower {
    /// What they were like when they were read last; none before.
    seen: Option<Stamps>,
    /// Why they could not be used then, and how often in a row.
    trouble: Option<(String, u32)>,
    /// Of which trouble the log knows.
    told: Option<String>,
}

/// What is to be told of a pair that was taken.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    /// What is to be known of it, in sentences for people.
    notes: Vec<String>,
    /// The names that the one before had.
    left_out: Vec<String>,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Alarm(String),
    Good(String),
}

impl Following {
    /// What is wrong now, by label.
    pub fn troubles(&self) -> Vec<(String, String)> {
        let trouble = |(label, follower): (&String, &Follower)| {
            follower.trouble.as_ref().map(|(text, _)| (label.clone(), text.clone()))
        };
        self.followers.iter().filter_map(trouble).collect()
    }

    fn follower(&mut self, label: &str) -> &mut Follower {
        self.followers.entry(label.to_owned()).or_default()
    }
}

impl Follower {
    /// Whether the files are to be read: they have changed, or were not right.
    fn is_due(&self, now: &Stamps) -> bool {
        self.trouble.is_some() || self.seen.as_ref() != Some(now)
    }

    /// They are right.
    fn took(&mut self, seen: Stamps) -> Option<Line> {
        *self = Follower { seen: Some(seen), trouble: None, told: self.told.take() };
        self.told.take().map(|_| Line::Good("the files are good again".into()))
    }

    /// They are not. At the first look there is no renewal to wait for.
    fn failed(&mut self, seen: Stamps, why: String) -> Option<Line> {
        let times = match &self.trouble {
            Some((_, times)) => times.saturating_add(1),
            None if self.seen.is_none() => 2,
            None => 1,
        };
        self.seen = Some(seen);
        self.trouble = Some((why.clone(), times));
        if times < 2 || self.told.as_ref() == Some(&why) {
            return None;
        }
        self.told = Some(why.clone());
        Some(Line::Alarm(why))
    }
}

/// Looks at all files that are followed, and presents what is new in them.
pub async fn look(server: &Arc<Server>) {
    let all = match cert::watched(&server.store).await {
        Ok(all) => all,
        Err(error) => return server.store_failed("looking which certificates are followed", &error),
    };
    server
        .renewing
        .following()
        .followers
        .retain(|label, _| all.iter().any(|watched| watched.label == *label));
    let mut has_new = false;
    for watched in all {
        has_new |= look_at(server, watched).await;
    }
    if has_new {
        server.load_certificate().await;
    }
}

/// Says whether there is another one to present.
async fn look_at(server: &Arc<Server>, watched: Watched) -> bool {
    // A network's disk may hang.
    let (watched, seen) = task::unblock(move || {
        let seen = Stamps::of(&watched);
        (watched, seen)
    })
    .await;
    if !server.renewing.following().follower(&watched.label).is_due(&seen) {
        return false;
    }
    let (label, is_unread) = (watched.label.clone(), watched.taken.is_none());
    let taken = take(server, watched).await;
    let mut following = server.renewing.following();
    let follower = following.follower(&label);
    let (new, line) = match taken {
        Ok(new) => (new, follower.took(seen)),
        Err(CertError(why)) => (None, follower.failed(seen, why)),
    };
    drop(following);
    match line {
        Some(Line::Alarm(why)) if is_unread => log::warn!(
            "nothing is shown from the files of the certificate {label} yet: {why}; they are tried again each minute"
        ),
        Some(Line::Alarm(why)) => log::warn!(
            "the certificate {label} stays as it was, for its new files can't be used: {why}; they are tried again each \
             minute"
        ),
        Some(Line::Good(text)) => log::info!("the certificate {label}: {text}"),
        None => {}
    }
    let Some(Taken { notes, left_out }) = &new else { return false };
    match left_out.as_slice() {
        [] if is_unread => log::info!("the certificate {label} is shown from its files from now on"),
        [] => log::info!("the certificate {label} has been renewed"),
        names => log::warn!("the certificate {label} has been {}", cert::without(names)),
    }
    // Who asked for it by command did not hear of them.
    notes.iter().filter(|_| is_unread).for_each(|note| log::warn!("the certificate {label}: {note}"));
    true
}

/// Reads and installs; none if that is installed already.
async fn take(server: &Arc<Server>, watched: Watched) -> Result<Option<Taken>, CertError> {
    let (watched, pair) = task::unblock(move || {
        let pair = FilePair::read(&watched);
        (watched, pair)
    })
    .await;
    let pair = pair.map_err(|why| CertError(why.text().to_owned()))?;
    let fingerprint = pair.fingerprint();
    if watched.taken == Some(fingerprint) {
        return Ok(None);
    }
    let (store, gatekeeper) = (&server.store, &server.gatekeeper);
    let key = pair.key.as_ref().map(|key| key.expose());
    let now = store.believed_now();
    let label = &watched.label;
    cert::remember_names(store, label).await?;
    let installed = cert::install(store, gatekeeper, label, pair.chain.expose(), key, now).await?;
    cert::note_taken(store, &watched, fingerprint).await?;
    let left_out = cert::left_out(store).await?.remove(label).unwrap_or_default();
    Ok(Some(Taken { notes: installed.notes, left_out }))
}

#[cfg(test)]
mod tests;
