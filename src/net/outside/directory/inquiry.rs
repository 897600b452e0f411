//! One question to the directory: from server to server, until one answers.

use std::sync::Arc;

use super::found::{self, Found};
use super::link::{Link, Trouble, Way};
use super::plan::{Look, Plan};
use super::searchers::{Searcher, Trusted, Who};
use super::{Asked, Directory};
use crate::auth::{Absence, DIRECTORY_PASSWORD, Person};
use crate::cert::DIRECTORY_AUTHORITIES;
use crate::ldap::{self, Answer, Judgement, Question};
use crate::mail::{Account, Secret, printable};
use crate::settings::{DirectoryServer, Settings};

/// A question with the settings and secrets that it is asked with.
pub(super) struct Inquiry<'a> {
    directory: &'a Directory,
    asked: &'a Asked,
    settings: Arc<Settings>,
    way: Way,
    sealed: Option<Vec<u8>>,
}

/// What came of one server: an answer that is final, or trouble that another server may not have.
type Tried<T> = Result<Result<T, Absence>, Trouble>;

impl<'a> Inquiry<'a> {
    /// Looks up what is asked with; `tried` is the search account's password in place of the one that is kept. Errs if no
    /// server is set, or the store can't tell.
    pub async fn begin(
        directory: &'a Directory,
        tried: Option<Vec<u8>>,
        asked: &'a Asked,
    ) -> Result<Inquiry<'a>, Absence> {
        let settings = directory.store.settings();
        if settings.directory.servers.is_empty() {
            return Err(unavailable("the directory has no servers: set directory_servers"));
        }
        let store_failed = |_| unavailable("the database can't be read: look at \"poppet status\"");
        let authorities = directory.store.record(DIRECTORY_AUTHORITIES).await.map_err(store_failed)?;
        let sealed = match tried {
            Some(tried) => Some(tried),
            None => directory.store.record(DIRECTORY_PASSWORD).await.map_err(store_failed)?,
        };
        let way = Way {
            tls: directory.trust.config(authorities, directory.clock.monotonic()).await,
            may_be_clear: settings.directory.is_clear,
            patience: directory.patience,
            lookups: Arc::clone(&directory.lookups),
        };
        Ok(Inquiry { directory, asked, settings, way, sealed })
    }

    /// Whether that is his password. Gives the account if more is known of it than before.
    pub async fn prove(
        &self,
        plan: &Plan,
        person: &Person,
        password: &Secret,
    ) -> Result<Option<Account>, Absence> {
        if ldap::is_no_password(password) {
            return Err(Absence::Refused("an empty password, which is never sent".into()));
        }
        let Some(look) = &plan.look else {
            let name = plan.bind_name.as_deref().unwrap_or_default();
            let found = Box::pin(self.bind(None, name, password, plan.own_look.as_ref())).await?;
            return self.learnt(person, plan, found);
        };
        let (found, server) = self.search(look, plan).await?;
        let account = self.learnt(person, plan, Some(found.clone()))?;
        // By the name of what was found: that and nothing else is proved.
        Box::pin(self.bind(Some(server), &found.name, password, None)).await?;
        Ok(account)
    }

    /// The account of somebody who has proved himself in another way than by his password.
    pub async fn admit(&self, plan: &Plan, person: &Person) -> Result<Account, Absence> {
        let Some(look) = &plan.look else {
            return Err(unavailable(format!(
                "nobody has looked whether {} is still there, for a certificate alone does not tell: set \
                 directory_account, and directory_base, so that users are searched",
                plan.account_name
            )));
        };
        let (found, _) = self.search(look, plan).await?;
        self.learnt(person, plan, Some(found.clone()))?;
        let store = &self.directory.store;
        found.must_let_in((!store.has_suspect_clock()).then(|| store.clock().now()))?;
        Ok(found.account(plan))
    }

    /// The one entry that is meant, and the server that told of it. Errs with [`Absence::Refused`] if there is none, or another one, too (S-194).
    pub async fn search(&self, look: &Look, plan: &Plan) -> Result<(Found, &DirectoryServer), Absence> {
        let mut troubles = Troubles::default();
        for server in &self.settings.directory.servers {
            if !self.admits(server, &mut troubles) {
                continue;
            }
            match Box::pin(self.search_at(server, look, plan)).await {
                Ok(answer) => {
                    self.note_answer(server);
                    return answer.map(|found| (found, server));
                }
                Err(trouble) => self.note(server, trouble, &mut troubles),
            }
        }
        Err(troubles.absence())
    }

    /// Reaches the first server that can be, and says nothing to it.
    pub async fn reach(&self) -> Result<(), Absence> {
        let mut troubles = Troubles::default();
        for server in &self.settings.directory.servers {
            if !self.admits(server, &mut troubles) {
                continue;
            }
            match Link::open(server, &self.way).await {
                Ok(link) => {
                    link.close().await;
                    return Ok(());
                }
                Err(trouble) => self.note(server, trouble, &mut troubles),
            }
        }
        Err(troubles.absence())
    }

    /// Tries a password once (S-205): at the server that was asked already, or else at the first that can be reached.
    /// Looks the entry up with its own rights if `own_look` says how; there is no harm if it can't be read.
    async fn bind(
        &self,
        first: Option<&DirectoryServer>,
        name: &str,
        password: &Secret,
        own_look: Option<&Look>,
    ) -> Result<Option<Found>, Absence> {
        let servers = &self.settings.directory.servers;
        let others = servers.iter().filter(|server| Some(*server) != first);
        let mut troubles = Troubles::default();
        for server in first.into_iter().chain(others) {
            if !self.admits(server, &mut troubles) {
                continue;
            }
            let mut link = match Link::open(server, &self.way).await {
                Ok(link) => link,
                Err(trouble) => {
                    self.note(server, trouble, &mut troubles);
                    continue;
                }
            };
            let question = Question::Bind { name: name.into(), password: password.clone() };
            let outcome = match link.ask(&question).await {
                Ok(Answer::Bound(outcome)) => outcome,
                Ok(_) => return Err(unavailable("the directory answers what was not asked")),
                // It may have counted the try: nobody else is asked.
                Err(trouble) => {
                    self.note(server, trouble, &mut troubles);
                    return Err(troubles.absence());
                }
            };
            self.note_answer(server);
            match outcome.judgement() {
                Judgement::Right => {
                    let found = match own_look {
                        Some(look) => self.look_up_oneself(&mut link, look).await,
                        None => None,
                    };
                    link.close().await;
                    return Ok(found);
                }
                Judgement::Wrong => return Err(Absence::Refused(format!("{server}: {}", outcome.reason()))),
                Judgement::Elsewhere => troubles.add(server, &outcome.reason()),
                Judgement::Never => return Err(unavailable(format!("{server}: {}", outcome.reason()))),
            }
        }
        Err(troubles.absence())
    }

    /// What the mailbox gets to know of its account. Errs if another one has its name now (S-220).
    fn learnt(&self, person: &Person, plan: &Plan, found: Option<Found>) -> Result<Option<Account>, Absence> {
        let known = person.account.as_ref().map_or(&[][..], |account| &account.identity);
        let found = found.filter(|found| !found.identity.is_empty());
        match found {
            None if known.is_empty() => Ok(None),
            None => Err(unavailable(format!(
                "the directory does not tell whether {} is still the account of {}: set directory_base and \
                 directory_account to who may read entryUUID or objectGUID",
                plan.account_name, person.address
            ))),
            Some(found) if known.is_empty() => Ok(Some(found.account(plan))),
            Some(found) if found.identity == known => Ok(None),
            Some(found) => Err(Absence::Refused(format!(
                "{} is another account than the one that the mailbox {address} belongs to: if that is as it should be, \
                 \"poppet account {address} '{}'\" binds it",
                printable(found.name.as_bytes()),
                plan.account_name,
                address = person.address
            ))),
        }
    }

    // ---- one server ----

    async fn search_at(&self, server: &DirectoryServer, look: &Look, plan: &Plan) -> Tried<Found> {
        let now = || self.directory.clock.monotonic();
        let directory = &self.settings.directory;
        let sealed =
            if directory.account.is_empty() { Vec::new() } else { self.sealed.clone().unwrap_or_default() };
        let who = Who { account: directory.account.clone(), sealed };
        let kept = self.directory.searchers().take(server, &who, &Trusted::by(&self.way), now());
        let is_kept = kept.is_some();
        let mut searcher = match kept {
            Some(searcher) => searcher,
            None => match self.searcher(server, &who).await? {
                Ok(searcher) => searcher,
                Err(absence) => return Ok(Err(absence)),
            },
        };
        let mut answer = self.search_on(&mut searcher, look, plan).await;
        // A server closes links that were quiet for long, which says nothing against it.
        if is_kept && matches!(answer, Err(Trouble::Failed(_))) {
            searcher = match self.searcher(server, &who).await? {
                Ok(searcher) => searcher,
                Err(absence) => return Ok(Err(absence)),
            };
            answer = self.search_on(&mut searcher, look, plan).await;
        }
        if answer.is_ok() {
            self.directory.searchers().keep(server, who, searcher, now());
        }
        answer
    }

    /// A new link on which the search account is bound.
    async fn searcher(&self, server: &DirectoryServer, who: &Who) -> Tried<Searcher> {
        let now = self.directory.clock.monotonic();
        let searcher = |link| Searcher { link, trusted: Trusted::by(&self.way), begun: now, root: None };
        if who.account.is_empty() {
            return Ok(Ok(searcher(Link::open(server, &self.way).await?)));
        }
        let again = "give it with \"poppet auth directory --password-stdin\"";
        let Some(password) = self.directory.records.unseal(DIRECTORY_PASSWORD, &who.sealed) else {
            return Ok(Err(unavailable(format!("{} has no password: {again}", who.account))));
        };
        if let Some(reason) = self.directory.searchers().refusal(server, who, now) {
            return Ok(Err(unavailable(reason)));
        }
        let mut link = Link::open(server, &self.way).await?;
        let question = Question::Bind { name: who.account.clone(), password };
        let Answer::Bound(outcome) = link.ask(&question).await? else { return Err(strange()) };
        match outcome.judgement() {
            Judgement::Right => Ok(Ok(searcher(link))),
            Judgement::Wrong => {
                let why = outcome.reason();
                let reason =
                    format!("{server} refuses directory_account: {why}; look at its password, and {again}");
                self.directory.searchers().note_refusal(server, who.clone(), now, reason.clone());
                Ok(Err(unavailable(reason)))
            }
            Judgement::Elsewhere => Err(Trouble::Failed(outcome.reason())),
            Judgement::Never => {
                Ok(Err(unavailable(format!("{server}: directory_account: {}", outcome.reason()))))
            }
        }
    }

    async fn search_on(&self, searcher: &mut Searcher, look: &Look, plan: &Plan) -> Tried<Found> {
        let base = match look {
            Look::Entry(_) => String::new(),
            Look::Filters(_) => match self.base(searcher).await? {
                Ok(base) => base,
                Err(absence) => return Ok(Err(absence)),
            },
        };
        let answer = found::look_up(&mut searcher.link, look, &base).await?;
        found::judge(answer, &base, look, plan)
    }

    /// Where users are searched: as it is set, or where the server says that its tree begins.
    async fn base(&self, searcher: &mut Searcher) -> Tried<String> {
        let set = &self.settings.directory.base;
        if !set.is_empty() {
            return Ok(Ok(set.clone()));
        }
        if searcher.root.is_none() {
            searcher.root = found::root(&mut searcher.link).await?;
        }
        let nowhere = || unavailable("the directory does not say where its tree begins: set directory_base");
        Ok(searcher.root.clone().ok_or_else(nowhere))
    }

    /// Who has just proved himself looks himself up; there is no harm if he can't.
    async fn look_up_oneself(&self, link: &mut Link, look: &Look) -> Option<Found> {
        let (entries, outcome) = found::look_up(link, look, &self.settings.directory.base).await.ok()?;
        match &entries[..] {
            [entry] if outcome.is_success() => Found::of(entry).ok(),
            _ => None,
        }
    }

    // ---- health ----

    fn admits(&self, server: &DirectoryServer, troubles: &mut Troubles) -> bool {
        let admits = self.directory.health().admits(server, self.directory.clock.monotonic());
        match admits {
            true => self.asked.set(Some(server)),
            false => troubles.add(server, "it has failed lately"),
        }
        admits
    }

    fn note_answer(&self, server: &DirectoryServer) {
        self.asked.set(None);
        self.directory.health().note_answer(server);
    }

    fn note(&self, server: &DirectoryServer, trouble: Trouble, troubles: &mut Troubles) {
        self.asked.set(None);
        self.directory.note_failure(server, trouble.text());
        troubles.add(server, trouble.text());
    }
}

/// What was wrong with each server, for one line.
#[derive(Default)]
struct Troubles(Vec<String>);

impl Troubles {
    fn add(&mut self, server: &DirectoryServer, text: &str) {
        self.0.push(format!("{server}: {text}"));
    }

    fn absence(self) -> Absence {
        unavailable(format!("the directory can't be asked: {}", self.0.join("; ")))
    }
}

fn unavailable(text: impl Into<String>) -> Absence {
    Absence::Unavailable(text.into())
}

fn strange() -> Trouble {
    Trouble::Failed("it answers what was not asked".into())
}
