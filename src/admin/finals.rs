//! Settings that are final (C8): what is set below them is kept and doesn't count.

use super::{AdminError, Context, Failure, Origin, Target};
use crate::settings::Key;
use crate::store::Level;

/// Whose own values count no more since a value above them is final, or count again since it is not, if those in
/// `before` counted until then.
pub(super) async fn changed_below(
    context: &Context,
    level: Option<&Level>,
    key: &Key,
    is_final: bool,
    before: Vec<Target>,
) -> Result<Vec<Target>, AdminError> {
    let after = own_below(context, level, key).await?;
    let (changed, others) = if is_final { (before, after) } else { (after, before) };
    Ok(changed.into_iter().filter(|target| !others.contains(target)).collect())
}

/// Errs if the setting can't be final at that level.
pub(super) fn may_be_final(key: &Key, value: Option<&str>, level: Option<&Level>) -> Result<(), AdminError> {
    let name = key.name;
    match (key.has_levels(), value, level) {
        (false, ..) => Err(AdminError::new(
            Failure::Refused,
            format!("{name} has one value for all and can't be overruled: leave out --final"),
        )),
        (_, _, Some(Level::Mailbox(address))) => Err(AdminError::usage(format!(
            "nothing stands below {address} that could overrule it: leave out --final"
        ))),
        (_, None, _) => Err(AdminError::usage(format!(
            "--final needs a value, as in \"poppet set {name} VALUE --final\": --default takes finality back"
        ))),
        _ => Ok(()),
    }
}

/// Errs if a value of that level would not count, because one above is final.
pub(super) fn must_count(context: &Context, level: &Level, key: &Key) -> Result<(), AdminError> {
    let name = key.name;
    let refused = |whom: &str, value: String, option: &str| {
        Err(AdminError::new(
            Failure::Refused,
            format!(
                "{name} is final for {whom}: \"poppet set {name} {value}{option}\", without --final, lets others \
                 have their own"
            ),
        ))
    };
    if context.store.is_final(None, name) {
        return refused("all", key.value(&context.store.settings()), "");
    }
    if let Level::Mailbox(address) = level {
        let domain = address.domain();
        let above = Level::Domain(domain.clone());
        if context.store.is_final(Some(&above), name) {
            let value = key.value(&context.store.settings_of(&above));
            return refused(domain.as_str(), value, &format!(" --for {domain}"));
        }
    }
    Ok(())
}

/// Whether the value that counts for a level is a final one.
pub(super) fn is_from_final(context: &Context, level: Option<&Level>, key: &Key, origin: Origin) -> bool {
    let is_final = |level: Option<&Level>| context.store.is_final(level, key.name);
    match (origin, level) {
        (Origin::Domain, Some(Level::Mailbox(address))) => is_final(Some(&Level::Domain(address.domain()))),
        (Origin::Domain, Some(domain)) => is_final(Some(domain)),
        (Origin::Global | Origin::Default, _) => is_final(None),
        _ => false,
    }
}

/// Who below that level has a value of his own that counts.
pub(super) async fn own_below(
    context: &Context,
    level: Option<&Level>,
    key: &Key,
) -> Result<Vec<Target>, AdminError> {
    let mut own = Vec::new();
    let domain = match level {
        Some(Level::Domain(domain)) => Some(domain.clone()),
        Some(Level::Mailbox(_)) => return Ok(own),
        None if !key.has_levels() => return Ok(own),
        None => None,
    };
    if domain.is_none() {
        for row in context.store.domains().await? {
            let level = Level::Domain(row.domain.clone());
            if context.store.origin(Some(&level), key.name) == Origin::Domain {
                own.push(Target::Domain(row.domain));
            }
        }
    }
    for row in context.store.mailboxes(domain).await? {
        let level = Level::Mailbox(row.address.clone());
        if context.store.origin(Some(&level), key.name) == Origin::Mailbox {
            own.push(Target::Mailbox(row.address));
        }
    }
    Ok(own)
}
