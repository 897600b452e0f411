//! Whether the clock is right, and an administrator's word that it is.

use super::{AdminError, Answer, ClockState, Context, Failure};

/// Takes the administrator's word: [`Answer::Clock`], as it is then. A clock that is believed needs none. Errs with
/// [`Failure::Refused`] if it can't be right.
pub(super) async fn trust(context: &Context) -> Result<Answer, AdminError> {
    let before = context.store.clock_state();
    if let Some(refusal) = refusal(&before) {
        return Err(refusal);
    }
    if !before.is_believed {
        context.store.trust_clock().await?;
        log::warn!(
            "an administrator says that the clock is right: it is {}, and {} has not been",
            before.now.rfc3339(),
            before.newest.rfc3339()
        );
        if let Some(live) = &context.live {
            live.relay_changed();
            live.names_changed();
        }
    }
    Ok(Answer::Clock(context.store.clock_state()))
}

/// None if the clock can be right.
fn refusal(state: &ClockState) -> Option<AdminError> {
    let trouble = trouble(state).filter(|_| !state.can_be_right)?;
    Some(AdminError::new(Failure::Refused, format!("the clock can't be right: {trouble}")))
}

/// What is wrong with the clock, what that means, and what to do, in one line; none if it is believed (S-308, S-309).
pub fn trouble(state: &ClockState) -> Option<String> {
    let ClockState { now, newest, is_suspect, is_believed, can_be_right } = *state;
    let gap = newest.0.abs_diff(now.0);
    let (now, newest) = (now.rfc3339(), newest.rfc3339());
    if is_believed && can_be_right {
        return None;
    }
    Some(match (can_be_right, is_suspect) {
        (false, _) => {
            format!(
                "it says {now}, which is in the past: set it, best by a time service; until then {NOTHING_GOES}"
            )
        }
        (true, true) if gap <= DAY => format!(
            "it says {now}, but the database has seen {newest}: set it if it is wrong, else wait; until then {NOTHING_GOES}"
        ),
        (true, true) => format!(
            "it says {now}, but the database has seen {newest}: set it if it is wrong; if it is right now and was ahead \
             then, say \"poppet clock trust\"; until then {NOTHING_GOES}"
        ),
        (true, false) if gap <= DAY => {
            format!(
                "it says {now}, and has not run for a day in all since it was set: until then {NOTHING_GOES}"
            )
        }
        (true, false) => format!(
            "it says {now}, far ahead of {newest}, the last that the database has seen: set it if it is wrong; if it is \
             right, {NOTHING_GOES} before it has run for a day in all, or before the next start after \"poppet clock trust\""
        ),
    })
}

const NOTHING_GOES: &str = "nothing is removed or given up for its age";
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;

    const NOW: u64 = 1_800_000_000;

    fn state(newest: u64, is_believed: bool) -> ClockState {
        let is_suspect = NOW < newest;
        ClockState {
            now: UnixTime(NOW),
            newest: UnixTime(newest),
            is_suspect,
            is_believed: is_believed && !is_suspect,
            can_be_right: true,
        }
    }

    /// "It says 1970-01-01" was all of an error, and nothing before it said what does.
    #[test]
    fn a_refusal_says_that_it_is_about_the_clock_s_308() {
        let in_the_past = ClockState { can_be_right: false, ..state(NOW + 1, false) };
        let text = refusal(&in_the_past).unwrap().text;
        assert!(text.starts_with("the clock can't be right: it says 2027-01-15 08:00:00Z"), "{text}");
        for right in [state(NOW, true), state(NOW + 3650 * DAY, false), state(NOW - 60 * DAY, false)] {
            assert_eq!(refusal(&right), None, "{right:?}");
        }
    }

    #[test]
    fn the_command_is_named_where_an_administrator_s_word_helps_and_nowhere_else_s_309() {
        let in_the_past = ClockState { can_be_right: false, ..state(NOW + 1, false) };
        for (state, wanted) in [
            (state(NOW + DAY, false), Some((false, "set it if it is wrong, else wait"))),
            (state(NOW + DAY + 1, false), Some((true, "if it is right now and was ahead then"))),
            (state(NOW + 3650 * DAY, false), Some((true, "if it is right now and was ahead then"))),
            (state(NOW - DAY, false), Some((false, "has not run for a day in all since it was set"))),
            (state(NOW - 60 * DAY, false), Some((true, "far ahead of"))),
            (state(NOW - 60 * DAY, true), None),
            (state(NOW, true), None),
            (in_the_past, Some((false, "set it, best by a time service"))),
        ] {
            let found = trouble(&state);
            let is_as_wanted = match (&found, wanted) {
                (Some(text), Some((names_command, words))) => {
                    text.contains("poppet clock trust") == names_command
                        && text.contains(words)
                        && text.contains(": ")
                        && text.contains(NOTHING_GOES)
                        && text.lines().count() == 1
                }
                (found, wanted) => found.is_none() && wanted.is_none(),
            };
            assert!(is_as_wanted, "{state:?} {found:?}");
        }
    }
}
