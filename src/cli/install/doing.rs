//! The plan carried out; an upgrade that does not come up is taken back (S-345).

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::facts::{layout_of, says_poppet, user_number};
use super::files::{self, Ready};
use super::plan::{Plan, Step};
use super::site::{Manager, Site};
use super::tools::{Act, ToolError, Tools};
use super::{Hands, Serving};
use crate::admin::{self, AdminError, Failure};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::printable;

/// Who carries a plan out, and with what.
pub(in crate::cli) struct Doing<'a> {
    /// Where.
    pub site: &'a Site,
    /// This program.
    pub own: &'a [u8],
    /// The database and the server.
    pub hands: &'a dyn Hands,
    /// How long a service may take until a mail client can use it.
    pub patience: Duration,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Outcome {
    /// Whether another version was replaced, and is kept.
    pub is_former_kept: bool,
}

/// What stood in the place of files that a plan replaces, and when that was.
struct Before {
    /// What the log says of earlier attempts is no news.
    began: UnixTime,
    units: Vec<(&'static str, u32, Option<Vec<u8>>)>,
    program: Option<Vec<u8>>,
    /// The layout of databases that this program uses, if it says so.
    layout: Option<u32>,
}

/// Which version is left where an upgrade did not come up.
enum Left {
    /// The one before.
    Former,
    /// The new one: the one before can't read what the database has become.
    New,
}

impl Doing<'_> {
    /// Carries the plan out. On an error the former poppet serves as before, if there was one and it can.
    pub fn carry_out(&self, plan: &Plan) -> Result<Outcome, AdminError> {
        let before = Before::of(self.site, plan);
        let mut is_service_touched = false;
        for step in &plan.steps {
            let is_own = matches!(step, Step::Stop | Step::Start | Step::Restart | Step::MovePorts);
            is_service_touched |= is_own;
            if let Err(why) = self.step(step) {
                return Err(match (plan.is_upgrade, is_service_touched) {
                    (true, _) => self.take_back(&before, is_service_touched, &why),
                    (false, true) => self.not_coming_up(&before, &why),
                    (false, false) => {
                        AdminError::new(Failure::Failed, format!("{why}; then run setup again"))
                    }
                });
            }
        }
        let is_former_kept =
            plan.steps.iter().any(|step| matches!(step, Step::PutProgram { has_former: true }));
        Ok(Outcome { is_former_kept })
    }

    fn step(&self, step: &Step) -> Result<(), String> {
        let tools = Tools::of(self.site);
        let ask = |act| tools.ask(act).map_err(|ToolError(why)| why);
        match step {
            Step::MakeUser { has_group } => tools.make_user(*has_group).map_err(|ToolError(why)| why),
            Step::MakeFolder => {
                let folder = self.site.folder();
                files::make_folder(&self.site.at(folder)).map_err(|error| cannot("make", folder, &error))
            }
            Step::Found => self.hands.found().map_err(|error| error.text),
            Step::Own => self.own(),
            Step::PutProgram { has_former } => self.put_program(*has_former),
            Step::PutUnit(unit) => files::put(&self.site.at(unit.path), unit.text.as_bytes(), unit.mode)
                .map_err(|error| cannot("write", Path::new(unit.path), &error)),
            Step::Reload => ask(Act::Reload),
            Step::Enable => ask(Act::Enable),
            Step::Start => ask(Act::Start),
            Step::Stop => ask(Act::Stop).map(|()| self.wait_until_closed()),
            Step::Restart => ask(Act::Restart),
            Step::MovePorts => ask(Act::Stop).and_then(|()| ask(Act::Start)),
            Step::Prove => self.wait_until_proven(),
        }
    }

    fn own(&self) -> Result<(), String> {
        let folder = self.site.folder();
        let user =
            user_number(self.site).ok_or("the system user poppet was made, and is not in /etc/passwd")?;
        let database = self.site.at(&self.site.database);
        let is_served = self.hands.server() != Serving::Nobody;
        let cleared = if is_served { Ok(()) } else { files::remove_dead_sockets(&database, user.0) };
        cleared
            .and_then(|()| files::own(&database, user))
            .map_err(|error| cannot("give away", folder, &error))
    }

    /// The one before is kept first, so that at every moment there is a whole program in its place.
    fn put_program(&self, has_former: bool) -> Result<(), String> {
        let program = Path::new(self.site.program());
        let failed = |error: io::Error| cannot("write", program, &error);
        let path = self.site.at(program);
        let ready = Ready::write(&path, self.own, 0o755).map_err(failed)?;
        if !says_poppet(&ready.temporary) {
            ready.discard();
            return Err(format!(
                "this program does not run as {}: its disk is mounted noexec, or a library is missing there; use the \
                 static binary",
                program.display()
            ));
        }
        if has_former {
            let former = Path::new(self.site.former());
            let kept = fs::read(&path).and_then(|octets| files::put(&self.site.at(former), &octets, 0o755));
            if let Err(error) = kept {
                ready.discard();
                return Err(cannot("write", former, &error));
            }
        }
        ready.put().map_err(failed)
    }

    fn wait_until_proven(&self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            match self.hands.prove() {
                Ok(()) => return Ok(()),
                Err(why) if begin.elapsed() >= self.patience && !self.is_opening(begin) => return Err(why),
                Err(_) => thread::sleep(limits::PROOF_PAUSE.min(self.patience)),
            }
        }
    }

    /// Whether its process is about to open the database yet, which may have to be repaired or migrated. systemd has
    /// waited for that.
    fn is_opening(&self, begin: Instant) -> bool {
        self.site.manager != Manager::Systemd
            && begin.elapsed() < limits::LONGEST_START
            && self.hands.server() == Serving::Nobody
            && self.hands.is_open()
    }

    /// Puts back what stood before, and has it serve.
    fn take_back(&self, before: &Before, is_service_touched: bool, why: &str) -> AdminError {
        let tools = Tools::of(self.site);
        let said = if is_service_touched { tools.last_words(before.began) } else { None };
        let heard = said.map(|said| format!("; its log says: {said}")).unwrap_or_default();
        let log = self.site.log_command();
        let undone = self.undo(before, is_service_touched);
        let text = match (undone, is_service_touched) {
            (Ok(Left::Former), true) => format!(
                "the new version does not come up ({why}), so the former one serves again as before{heard}; \"{log}\" \
                 tells more"
            ),
            (Ok(Left::New), _) => format!(
                "the new version does not come up ({why}), and the former one can't read the database any more, which has \
                 taken mail or changes since: the new one is left, and started again{heard}; look at \"{log}\", mend that, \
                 then run setup again"
            ),
            (Ok(Left::Former), false) => {
                format!("{why}; all is as it was, and the former version serves; then run setup again")
            }
            (Err(trouble), _) => format!(
                "the new version does not come up ({why}), and the former one can't be put back ({trouble}){heard}; look \
                 at \"{log}\", mend that, then run setup again"
            ),
        };
        AdminError::new(Failure::Failed, text)
    }

    /// What fails on the way does not keep the service from being started again: it is told if nobody serves then.
    fn undo(&self, before: &Before, is_service_touched: bool) -> Result<Left, String> {
        let tools = Tools::of(self.site);
        let ask = |act| tools.ask(act).map_err(|ToolError(why)| why);
        if !is_service_touched {
            return before.put_back(self.site).and_then(|()| ask(Act::Reload)).map(|()| Left::Former);
        }
        let stopped = ask(Act::Stop);
        self.wait_until_closed();
        let database = self.hands.take_back(&self.site.at(&self.site.database)).map_err(|error| error.text);
        if database == Ok(false) && before.layout.is_some_and(|layout| layout < admin::LAYOUT) {
            return ask(Act::Start).map(|()| Left::New);
        }
        let put = before.put_back(self.site);
        let reloaded = ask(Act::Reload);
        let started = ask(Act::Start);
        put?;
        self.wait_until_proven().map_err(|unproven| {
            let troubles = [stopped.err(), database.err(), reloaded.err(), started.err()];
            troubles.into_iter().flatten().next().unwrap_or(unproven)
        })?;
        Ok(Left::Former)
    }

    /// Some managers say that a service has ended while its process is about to.
    fn wait_until_closed(&self) {
        let end = Instant::now() + self.patience;
        while self.hands.is_open() && Instant::now() < end {
            thread::sleep(limits::PROOF_PAUSE.min(self.patience));
        }
    }

    fn not_coming_up(&self, before: &Before, why: &str) -> AdminError {
        let said = Tools::of(self.site).last_words(before.began);
        let heard = said.map(|said| format!("; its log says: {said}")).unwrap_or_default();
        let former = self.site.former();
        let kept = match self.site.at(former).is_file() {
            true => format!("; the version before is kept as {former}"),
            false => String::new(),
        };
        let text = format!(
            "poppet is installed, but does not come up: {why}{heard}; mend that (\"{}\" tells more), then run setup \
             again{kept}",
            self.site.log_command()
        );
        AdminError::new(Failure::Failed, text)
    }
}

impl Before {
    fn of(site: &Site, plan: &Plan) -> Before {
        let mut before = Before {
            began: Clock::system(UnixTime(0)).now(),
            units: Vec::new(),
            program: None,
            layout: None,
        };
        for step in &plan.steps {
            match step {
                Step::PutUnit(unit) => {
                    before.units.push((unit.path, unit.mode, fs::read(site.at(unit.path)).ok()));
                }
                Step::PutProgram { .. } => {
                    let path = site.at(site.program());
                    before.layout = layout_of(&path);
                    before.program = fs::read(path).ok();
                }
                _ => {}
            }
        }
        before
    }

    fn put_back(&self, site: &Site) -> Result<(), String> {
        let failed = |path: &str, error: &io::Error| cannot("put back", Path::new(path), error);
        for (path, mode, octets) in &self.units {
            let put = match octets {
                Some(octets) => files::put(&site.at(path), octets, *mode),
                None => files::remove(&site.at(path)).map(drop),
            };
            put.map_err(|error| failed(path, &error))?;
        }
        if let Some(octets) = &self.program {
            let path = site.program();
            files::put(&site.at(path), octets, 0o755).map_err(|error| failed(path, &error))?;
        }
        Ok(())
    }
}

fn cannot(act: &str, path: &Path, error: &io::Error) -> String {
    let shown = printable(path.as_os_str().as_encoded_bytes());
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("can't {act} {shown}: its disk is read-only; make it writable (mount -o remount,rw)")
        }
        io::ErrorKind::StorageFull => format!("can't {act} {shown}: its disk is full; make some room"),
        _ => format!("can't {act} {shown}: {error}; look at its disk and rights"),
    }
}
