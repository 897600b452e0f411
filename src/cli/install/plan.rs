//! From what stands to what is to be done, or to the one line that says why nothing is. Nothing here touches anything.

use super::Serving;
use super::facts::{Facts, Folder};
use super::ports;
use super::site::{Manager, Site};
use super::units::{SOCKET, Standing, Unit};
use crate::admin::{self, AdminError, Failure};
use crate::cli::table::{Cell, Report};
use crate::mail::printable;

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether something of a poppet that stands is replaced, so that there is something to go back to.
    pub is_upgrade: bool,
}

/// One thing to do; each can be done twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Step {
    /// Make the system's user and group.
    MakeUser {
        /// Whether the group is there.
        has_group: bool,
    },
    /// Make the database's folder.
    MakeFolder,
    /// End the service, which fails or does not answer, and close its ports.
    Stop,
    /// Make what is missing of the database.
    Found,
    /// Give the folder and its files to the user.
    Own,
    /// Put this program in its place; keep the one before.
    PutProgram {
        /// Whether there is one before.
        has_former: bool,
    },
    /// Put a file of the manager in its place.
    PutUnit(Unit),
    /// Have the manager read its files.
    Reload,
    /// Have it start with the machine.
    Enable,
    /// Start it.
    Start,
    /// Start it again; its ports stay open.
    Restart,
    /// Close its ports, open the new ones.
    MovePorts,
    /// Wait until a mail client can use it.
    Prove,
}

/// What is to be done about these facts, or the one line that says why nothing is.
pub(in crate::cli) fn plan(site: &Site, facts: &Facts, is_named: bool) -> Result<Plan, AdminError> {
    if let Some(refusal) = refusal(site, facts, is_named) {
        return Err(refusal);
    }
    let mut steps = Vec::new();
    if !facts.has_user {
        steps.push(Step::MakeUser { has_group: facts.has_group });
    }
    if facts.folder == Folder::Missing {
        steps.push(Step::MakeFolder);
    }
    let is_served = facts.server != Serving::Nobody;
    // The next connection would start it again.
    let is_stuck = (facts.service.is_active || facts.service.has_ports) && !is_served;
    if is_stuck {
        steps.push(Step::Stop);
    }
    if is_named && !is_served {
        steps.push(Step::Found);
    }
    // What has just been made is root's.
    if facts.foreign_files || !facts.has_user || steps.last() == Some(&Step::Found) {
        steps.push(Step::Own);
    }
    if facts.program != Standing::Same {
        steps.push(Step::PutProgram { has_former: facts.program != Standing::Absent });
    }
    let changed: Vec<&Unit> = facts
        .units
        .iter()
        .filter(|(_, standing)| *standing != Standing::Same)
        .map(|(unit, _)| unit)
        .collect();
    steps.extend(changed.iter().map(|unit| Step::PutUnit((*unit).clone())));
    // Always: an attempt may have been killed between the file and this.
    if site.manager == Manager::Systemd {
        steps.push(Step::Reload);
    }
    if !facts.service.is_enabled {
        steps.push(Step::Enable);
    }
    let is_new = facts.program != Standing::Same || !changed.is_empty() || !facts.service.is_current;
    if !facts.service.is_active || is_stuck {
        steps.push(Step::Start);
    } else if changed.iter().any(|unit| unit.path == SOCKET) {
        steps.push(Step::MovePorts);
    } else if is_new {
        steps.push(Step::Restart);
    }
    steps.push(Step::Prove);
    let is_former = |standing: &Standing| *standing == Standing::Former;
    let is_replaced =
        is_former(&facts.program) || facts.units.iter().any(|(_, standing)| is_former(standing));
    let is_upgrade = is_replaced && (facts.service.is_active || facts.service.is_enabled);
    Ok(Plan { steps, is_upgrade })
}

/// Everything is looked at before the first step: what can't be finished is not begun.
fn refusal(site: &Site, facts: &Facts, is_named: bool) -> Option<AdminError> {
    let unnamed = || {
        let text = "there is nothing to upgrade yet: say \"poppet setup DOMAIN USER\", as in poppet setup home.lan alice";
        (!is_named && !facts.has_database).then(|| AdminError::usage(text))
    };
    refusal_of_place(site, facts)
        .or_else(unnamed)
        .or_else(|| refusal_of_server(facts))
        .or_else(|| refusal_of_files(site, facts))
        .or_else(|| refusal_of_ports(facts))
}

fn failed(kind: Failure, text: String) -> Option<AdminError> {
    Some(AdminError::new(kind, text))
}

/// Where the database is to be.
fn refusal_of_place(site: &Site, facts: &Facts) -> Option<AdminError> {
    let folder = printable(site.folder().as_os_str().as_encoded_bytes());
    if site.manager == Manager::Procd && MEMORY.iter().any(|memory| site.database.starts_with(memory)) {
        return failed(
            Failure::Refused,
            format!(
                "{folder} is in memory on OpenWrt, and the mail would be gone with the power: name a place on a disk, as in \
                 poppet setup DOMAIN USER --db /mnt/disk/poppet/poppet.redb"
            ),
        );
    }
    // Only there its place is not poppet's by its name.
    if site.manager == Manager::Procd && facts.is_folder_shared {
        return failed(
            Failure::Refused,
            format!(
                "{folder} has other files than poppet's, and would become its own: name a folder for it alone, as in poppet \
                 setup DOMAIN USER --db /mnt/disk/poppet/poppet.redb"
            ),
        );
    }
    if let Some(other) = facts.service_database.as_ref().filter(|stands| **stands != site.database) {
        let other = printable(other.as_os_str().as_encoded_bytes());
        return failed(
            Failure::Exists,
            format!(
                "the service has its database at {other}: say --db {other}; to have another, say \
                 \"poppet setup --remove\" first"
            ),
        );
    }
    if facts.folder == Folder::Other {
        return failed(
            Failure::Refused,
            format!(
                "{folder} is no folder of its own (a link, or a file): move it away, then run setup again"
            ),
        );
    }
    None
}

/// Who has it open.
fn refusal_of_server(facts: &Facts) -> Option<AdminError> {
    if let Serving::Process(pid) = facts.server
        && (!facts.service.is_active || facts.service.pid.is_some_and(|own| own != pid))
    {
        return failed(
            Failure::Exists,
            format!(
                "process {pid} serves this database, and is not the service: end it, then run setup again"
            ),
        );
    }
    if facts.server == Serving::Stranger && !facts.service.is_active {
        return failed(
            Failure::Exists,
            "another version of poppet serves this database, and is not the service: end it, then run setup again".into(),
        );
    }
    if facts.is_busy && !facts.service.is_active {
        return failed(
            Failure::Unreachable,
            admin::in_use("the database", facts.holder.clone(), "run setup again"),
        );
    }
    None
}

/// What stands where something is to be put.
fn refusal_of_files(site: &Site, facts: &Facts) -> Option<AdminError> {
    if let Some(fault) = &facts.program_fault {
        return failed(Failure::Refused, fault.clone());
    }
    if let Some(newer) = facts.program_layout.filter(|layout| *layout > admin::LAYOUT) {
        return failed(
            Failure::Refused,
            format!(
                "{} is a newer poppet, whose database this one can't read (layout {newer}, this one knows {}): run setup \
                 of that one, or of a newer one",
                site.program(),
                admin::LAYOUT
            ),
        );
    }
    if let Some(masked) = masked(facts) {
        return failed(
            Failure::Refused,
            format!(
                "systemd is to start no {masked} (masked): say \"systemctl unmask {masked}\", then run setup again"
            ),
        );
    }
    if let Some((unit, _)) = facts.units.iter().find(|(_, standing)| *standing == Standing::Edited) {
        return failed(Failure::Refused, edited(site, unit));
    }
    let fault = facts.user_fault.as_ref().filter(|_| !facts.has_user)?;
    failed(Failure::Failed, fault.clone())
}

fn refusal_of_ports(facts: &Facts) -> Option<AdminError> {
    if !facts.has_listener {
        return failed(
            Failure::Refused,
            "no listener is on: say \"poppet set pop3s 0.0.0.0:995\" and the like, then run setup again"
                .into(),
        );
    }
    ports::refusal(&facts.taken, facts.has_database)
}

/// The names of the units that an administrator has masked; none if there is none.
fn masked(facts: &Facts) -> Option<String> {
    let masked = facts.units.iter().filter(|(_, standing)| *standing == Standing::Masked);
    let names: Vec<_> = masked.map(|(unit, _)| unit.name()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn edited(site: &Site, unit: &Unit) -> String {
    let path = unit.path;
    match site.manager {
        Manager::Systemd => format!(
            "{path} is not as poppet wrote it, and is left alone: put your changes into \"systemctl edit {}\", move it \
             away, then run setup again",
            unit.name()
        ),
        // Without its script a service that runs can't be stopped.
        Manager::OpenRc => format!(
            "{path} is not as poppet wrote it, and is left alone: say \"rc-service poppet stop\", put your changes into \
             /etc/conf.d/poppet, move it away, then run setup again"
        ),
        Manager::Procd => format!(
            "{path} is not as poppet wrote it, and is left alone: say \"{path} stop\", move it away, run setup again, then \
             make your changes anew"
        ),
    }
}

impl Plan {
    /// As it is printed.
    pub fn report(&self, site: &Site) -> Report {
        let rows = self.steps.iter().zip(1..).map(|(step, number)| {
            vec![Cell::Number(number), Cell::text(step.name()), Cell::text(step.sentence(site))]
        });
        Report::Rows(&["step", "what", "how"], rows.collect())
    }
}

impl Step {
    /// One word for programs.
    fn name(&self) -> &'static str {
        match self {
            Step::MakeUser { .. } => "user",
            Step::MakeFolder => "folder",
            Step::Stop => "stop",
            Step::Found => "database",
            Step::Own => "owner",
            Step::PutProgram { .. } => "program",
            Step::PutUnit(_) => "unit",
            Step::Reload => "reload",
            Step::Enable => "enable",
            Step::Start => "start",
            Step::Restart => "restart",
            Step::MovePorts => "ports",
            Step::Prove => "prove",
        }
    }

    /// What it does.
    pub fn sentence(&self, site: &Site) -> String {
        let folder = printable(site.folder().as_os_str().as_encoded_bytes());
        match self {
            Step::MakeUser { .. } => "make the system user poppet, who can't log on".into(),
            Step::MakeFolder => format!("make the folder {folder}, for that user alone"),
            Step::Stop => "stop what there is of the service, which does not answer".into(),
            Step::Found => "make what is missing: database, device key, certificates, domain".into(),
            Step::Own => format!("give {folder} and its files to the user poppet"),
            Step::PutProgram { has_former: false } => format!("copy this program to {}", site.program()),
            Step::PutProgram { has_former: true } => {
                format!(
                    "copy this program to {}, and keep the one before as {}",
                    site.program(),
                    site.former()
                )
            }
            Step::PutUnit(unit) => format!("write {}", unit.path),
            Step::Reload => "have systemd read its units".into(),
            Step::Enable => "have the service start with the machine".into(),
            Step::Start => "start the service".into(),
            Step::Restart => "restart the service; what is under way ends first".into(),
            Step::MovePorts => "stop the service and its ports, and start both anew".into(),
            Step::Prove => "wait until a mail client can connect inside TLS".into(),
        }
    }
}

/// What OpenWrt keeps in memory.
const MEMORY: [&str; 3] = ["/var", "/tmp", "/run"];
