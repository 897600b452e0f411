//! How users are known: shown, and chosen while no domain is here (A1, A2).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mechanisms::{self, MechanismRow};
use super::together::together;
use super::{AdminError, Answer, Context, Failure, joined, late};
pub(super) use crate::auth::DIRECTORY_PASSWORD;
use crate::auth::{Answering, Outside};
use crate::mail::{Domain, Secret};
use crate::settings::{Bind, Method, Settings};
use crate::store::Switch;

/// How users are known, and what else could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthView {
    /// The method.
    pub method: Method,
    /// Whose word counts once for a mailbox without a password.
    pub learns_from: Option<Method>,
    /// Mailboxes without a password, where the method wants them to have one.
    pub without_password: u32,
    /// What tells that this machine is a member of a domain.
    pub joined: Vec<String>,
    /// Every method, the one that this machine suggests first.
    pub methods: Vec<MethodRow>,
    /// What each way to log on can do with the method.
    pub mechanisms: Vec<MechanismRow>,
}

/// A method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodRow {
    /// Which.
    pub method: Method,
    /// Why it can't be used now and what to do; none if it can.
    pub hindrance: Option<String>,
}

/// Shows how users are known.
pub(super) async fn show(context: &Context) -> Result<Answer, AdminError> {
    let without = context.store.mailboxes_by_password(|_, _, sealed| sealed.is_empty()).await?.len();
    let settings = context.store.settings();
    let joined = joined::signs();
    let mut methods = Method::ALL;
    if !joined.is_empty() {
        methods.rotate_right(1);
    }
    let questions: Vec<Answering<'_, _>> =
        methods.iter().map(|method| Box::pin(hindrance(context, *method)) as Answering<'_, _>).collect();
    let hindrances = together(methods.len(), questions, |_| true).await;
    let rows = methods.into_iter().zip(hindrances);
    Ok(Answer::Auth(AuthView {
        method: settings.auth,
        learns_from: settings.auth_learn,
        without_password: if settings.auth == Method::File { without as u32 } else { 0 },
        joined: joined.into_iter().map(String::from).collect(),
        methods: rows.map(|(method, it)| MethodRow { method, hindrance: it.flatten() }).collect(),
        mechanisms: mechanisms::with(settings.auth, &settings, relays_ntlm(context)),
    }))
}

/// Chooses the method while no domain is here, or gives the directory's account its password. Errs with
/// [`Failure::Refused`] if a domain is here or the method can't be used; `is_forced` has it chosen without a look
/// whether it can be used.
pub(super) async fn choose(
    context: &Context,
    method: Method,
    password: Option<Secret>,
    is_forced: bool,
) -> Result<Answer, AdminError> {
    let before = context.store.settings().auth;
    if method != before {
        must_have_no_domain(context, before, method).await?;
    }
    if method == before && password.is_none() {
        return Ok(Answer::AuthChosen { before, notes: Vec::new() });
    }
    let has_typed = password.is_some();
    let tried = match make_ready(context, method, password, is_forced).await? {
        Ready::Wants(answer) => return Ok(answer),
        Ready::Yes(tried) => tried,
    };
    let record = tried.as_ref().map(Tried::record);
    if method != before {
        let switch = Switch { from: before, to: method, learn: None, users: None, record };
        context.store.switch_method(switch).await?;
    } else if let Some((name, sealed)) = record {
        context.store.put_record(name, sealed).await?;
    }
    Ok(Answer::AuthChosen { before, notes: notes(context, method, has_typed) })
}

/// Whether a method can be used.
pub(super) enum Ready {
    /// The directory account's password is missing: the answer that asks for it.
    Wants(Answer),
    /// It can, with the password that was given.
    Yes(Option<Tried>),
}

/// A password of the directory's account that is searched with and not kept yet: whoever does keep it does so together
/// with what it is for, and what comes between leaves nothing behind.
pub(super) struct Tried {
    sealed: Vec<u8>,
    outside: Option<Arc<dyn Outside>>,
}

impl Tried {
    fn new(context: &Context, password: &Secret) -> Tried {
        let sealed = context.gatekeeper.seal(DIRECTORY_PASSWORD, password.expose());
        let outside = context.gatekeeper.outside().cloned();
        outside.iter().for_each(|outside| outside.search_with(Some(sealed.clone())));
        Tried { sealed, outside }
    }

    /// The record that keeps it.
    pub fn record(&self) -> (&'static str, Vec<u8>) {
        (DIRECTORY_PASSWORD, self.sealed.clone())
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        self.outside.iter().for_each(|outside| outside.search_with(None));
    }
}

/// Looks whether a method can be used, with the directory account's password if one is given. Errs with
/// [`Failure::Refused`] if not, unless it is forced.
pub(super) async fn make_ready(
    context: &Context,
    method: Method,
    password: Option<Secret>,
    is_forced: bool,
) -> Result<Ready, AdminError> {
    let settings = context.store.settings();
    if method != Method::Directory && password.is_some() {
        let text = format!("only a directory's account has a password here: leave it out for {method}");
        return Err(AdminError::usage(text));
    }
    if method == Method::Directory {
        must_have_servers(&settings)?;
        let has_account = !settings.directory.account.is_empty();
        if password.is_some() && !has_account {
            let text = "the password of which account? Say \"poppet set directory_account NAME\" first";
            return Err(AdminError::new(Failure::Refused, text));
        }
        let is_missing = has_account && password.is_none() && !has_password(context).await?;
        if is_missing && !is_forced {
            let account = settings.directory.account.clone();
            return Ok(Ready::Wants(Answer::DirectoryPasswordWanted { account }));
        }
    }
    let tried = password.map(|password| Tried::new(context, &password));
    let hindrance = if is_forced { None } else { hindrance(context, method).await };
    let Some(why) = hindrance else { return Ok(Ready::Yes(tried)) };
    let text = format!("{method} can't be used now: {why}; nothing was changed, --force does not look");
    Err(AdminError::new(Failure::Refused, text))
}

/// What is to be known of a method as things are set, in lines for people; `has_typed` where the password of the
/// directory's account was given.
pub(super) fn notes(context: &Context, method: Method, has_typed: bool) -> Vec<String> {
    let settings = context.store.settings();
    let mut notes = Vec::new();
    if method == Method::Local {
        let signs = joined::signs();
        if !signs.is_empty() {
            notes.push(format!(
                "This machine is a member of a domain ({}): users of the domain are known by \"poppet auth directory\", \
                 and only the machine's own by local.",
                signs.join(", ")
            ));
        }
        notes.push(
            "Mail clients send the system's passwords themselves, by USER and PASS, PLAIN or LOGIN: inside TLS only, \
             unless \"plaintext\" is set otherwise."
                .into(),
        );
    }
    if method == Method::Directory && settings.directory.is_clear {
        notes.push(
            "Passwords may go to the directory without TLS (directory_clear): whoever listens in between can read them."
                .into(),
        );
    }
    if method == Method::Directory
        && let Some(unseen) = unseen(&settings)
    {
        notes.push(unseen);
        notes.extend(has_typed.then(|| {
            "The password of directory_account was not tried, for nobody is searched with it as things are set.".into()
        }));
    }
    if method == Method::Directory {
        notes.extend(late::of_directory(context, &settings));
    }
    notes.extend(late::of_helper(context, method, &settings));
    let rows = mechanisms::with(method, &settings, relays_ntlm(context));
    if !mechanisms::lets_in(&rows, &settings) {
        notes.push(
            "Warning: nobody can log on without a certificate as things are set: \"poppet auth\" shows why."
                .into(),
        );
    }
    notes
}

/// What it means that users are not searched in the directory, in a line for people; none if they are.
pub(super) fn unseen(settings: &Settings) -> Option<String> {
    let directory = &settings.directory;
    let lacking = directory.lacks_for_search()?;
    let meanwhile = match directory.bind {
        Bind::Upn { .. } if directory.base.is_empty() => "a mailbox is of whoever has its account's name",
        _ => "each mailbox is bound to its account at the user's first logon",
    };
    Some(format!(
        "Nobody has looked whether accounts are there, for users are searched only with {lacking} set; until then \
         {meanwhile}."
    ))
}

/// Whether NTLM can be passed on.
pub(super) fn relays_ntlm(context: &Context) -> bool {
    context.gatekeeper.outside().is_some_and(|outside| outside.relays_ntlm())
}

/// Why a method can't be used now; none if it can.
async fn hindrance(context: &Context, method: Method) -> Option<String> {
    if method == Method::File {
        return None;
    }
    if method == Method::Directory
        && let Err(error) = must_have_servers(&context.store.settings())
    {
        return Some(error.text);
    }
    match context.gatekeeper.outside() {
        Some(outside) => outside.probe(method).await.err(),
        None => Some("nobody here can ask for them".into()),
    }
}

fn must_have_servers(settings: &Settings) -> Result<(), AdminError> {
    if !settings.directory.servers.is_empty() {
        return Ok(());
    }
    let text = "no server of the directory is known: say \"poppet set directory_servers ldaps://HOST\" first; then \"poppet set \
                directory_bind upn\" for Active Directory, or directory_base and directory_account where users are \
                searched; then \"poppet auth directory\", with --migrate if there are domains";
    Err(AdminError::new(Failure::Refused, text))
}

async fn must_have_no_domain(context: &Context, before: Method, method: Method) -> Result<(), AdminError> {
    let domains: Vec<_> = context.store.domains().await?.into_iter().map(|row| row.domain).collect();
    if domains.is_empty() {
        return Ok(());
    }
    let text = format!(
        "users are known by {before} as long as domains are here ({}): \"poppet auth {method} --migrate\" moves every \
         mailbox and keeps its mail, with --dry-run it only shows what would not fit",
        names(&domains)
    );
    Err(AdminError::new(Failure::Refused, text))
}

fn names(domains: &[Domain]) -> String {
    let shown: Vec<_> = domains.iter().take(SHOWN).map(Domain::as_str).collect();
    match domains.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

async fn has_password(context: &Context) -> Result<bool, AdminError> {
    Ok(context.store.record(DIRECTORY_PASSWORD).await?.is_some())
}

/// Domains in a sentence.
const SHOWN: usize = 10;
