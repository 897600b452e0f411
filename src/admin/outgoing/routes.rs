//! Routes: made, replaced, taken away, with what that means for mail (O3, O4).

use super::ourselves::{Taker, must_lead_elsewhere};
use super::{OutgoingTold, relay_changed};
use crate::admin::options::level;
use crate::admin::{AdminError, Context, Failure, Route, Target, late, quoted};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Address, AddressSpace, Domain, NextHop};
use crate::store::StoreError;

/// Makes a route, or replaces the one that is there for its addresses.
pub(super) async fn set(context: &Context, mut route: Route) -> Result<OutgoingTold, AdminError> {
    each_once(&mut route.hops);
    check(&route)?;
    if let (true, AddressSpace::Domain(domain)) = (route.is_share, &route.space) {
        level(context, &Target::Domain(domain.clone())).await?;
    }
    let tls = route.tls.unwrap_or(context.store.settings().outgoing.route_tls);
    must_lead_elsewhere(context, &route.hops, tls, Taker::Route)?;
    let before = find(context, &route.space);
    route.created = match &before {
        Some(before) => before.created,
        None => Clock::system(UnixTime(0)).now(),
    };
    context.store.set_route(route.clone()).await?;
    relay_changed(context);
    let mut notes: Vec<String> =
        before.filter(|it| !is_same(it, &route)).map(|it| was(&it)).into_iter().collect();
    notes.extend(meaning(context, &route).await?);
    notes.extend(late::of_hops(context, &route.hops));
    let routes = context.store.routes().iter().filter(|kept| kept.space == route.space).cloned().collect();
    Ok(OutgoingTold::Routes(routes, notes))
}

/// Takes a route away.
pub(super) async fn remove(context: &Context, space: AddressSpace) -> Result<OutgoingTold, AdminError> {
    let Some(route) = find(context, &space) else { return Err(no_route(context, &space)) };
    match context.store.remove_route(space.clone()).await {
        // Another administrator was faster.
        Err(StoreError::NotFound(_)) => return Err(no_route(context, &space)),
        result => result?,
    }
    relay_changed(context);
    Ok(OutgoingTold::Done(1, vec![was(&route)]))
}

fn find(context: &Context, space: &AddressSpace) -> Option<Route> {
    context.store.routes().iter().find(|route| route.space == *space).cloned()
}

fn no_route(context: &Context, space: &AddressSpace) -> AdminError {
    let text = match context.store.routes().iter().find(|route| covers(&route.space, space)) {
        Some(wider) => {
            format!("there is no route for {space} alone: the one for {} takes its mail", wider.space)
        }
        None => format!("there is no route for {space}: \"poppet route\" shows those there are"),
    };
    AdminError::new(Failure::NotFound, text)
}

fn check(route: &Route) -> Result<(), AdminError> {
    let space = &route.space;
    if route.hops.is_empty() {
        return Err(AdminError::usage(format!("say to which server the mail for {space} goes")));
    }
    if route.hops.len() > limits::HOPS {
        return Err(AdminError::usage(format!(
            "a route has {} servers at most, of which the first that answers takes the mail",
            limits::HOPS
        )));
    }
    if route.is_share && !matches!(space, AddressSpace::Domain(_)) {
        return Err(AdminError::usage(format!(
            "{} can't be shared, for only a domain can: \"poppet route '{space}' HOST\" sends all of its mail there",
            quoted(&space.to_string())
        )));
    }
    Ok(())
}

/// What the route means for mailboxes here, and for other ways, in lines for people.
async fn meaning(context: &Context, route: &Route) -> Result<Vec<String>, AdminError> {
    let mut notes = Vec::new();
    match &route.space {
        AddressSpace::Domain(domain) if !route.is_share => {
            let row = context.store.domains().await?.into_iter().find(|row| row.domain == *domain);
            notes.extend(row.and_then(|row| handed_over(domain, row.mailboxes)));
        }
        AddressSpace::Address(address) => notes.extend(taken_from(context, address).await?),
        AddressSpace::All if !context.store.settings().outgoing.smarthosts.is_empty() => notes.push(
            "Mail that no other route takes goes there now and no more to the smart host of all; users and domains with \
             one of their own keep it."
                .into(),
        ),
        AddressSpace::Domain(_) | AddressSpace::Below(_) | AddressSpace::All => {}
    }
    Ok(notes)
}

/// None if nobody is there who could miss his mail.
fn handed_over(domain: &Domain, mailboxes: u32) -> Option<String> {
    let (have, they) = match mailboxes {
        0 => return None,
        1 => ("1 mailbox".to_owned(), "it gets"),
        count => (format!("{count} mailboxes"), "they get"),
    };
    Some(format!(
        "Warning: {domain} has {have} here: {they} no new mail from now on. \"poppet share {domain} HOST\" would send \
         only mail for unknown users there."
    ))
}

async fn taken_from(context: &Context, address: &Address) -> Result<Option<String>, AdminError> {
    let mailbox = context.store.mailbox(address.clone()).await?;
    Ok(mailbox.map(|_| {
        format!(
            "{address} has a mailbox here: it gets no new mail from now on. What is in it stays, and can be read."
        )
    }))
}

fn was(route: &Route) -> String {
    let hosts = route.hops.iter().map(NextHop::to_string).collect::<Vec<_>>().join(", ");
    match route.is_share {
        true => format!("Before, mail for unknown users of {} went to {hosts}.", route.space),
        false => format!("Before, mail for {} went to {hosts}.", route.space),
    }
}

fn is_same(one: &Route, other: &Route) -> bool {
    one.hops == other.hops && one.is_share == other.is_share
}

fn each_once(hops: &mut Vec<NextHop>) {
    let mut kept = Vec::with_capacity(hops.len().min(limits::HOPS));
    hops.drain(..).for_each(|hop| {
        if !kept.contains(&hop) {
            kept.push(hop);
        }
    });
    *hops = kept;
}

/// Whether a wider route takes the mail of a narrower address space.
fn covers(wide: &AddressSpace, narrow: &AddressSpace) -> bool {
    let domain = match narrow {
        AddressSpace::Address(address) => address.domain(),
        AddressSpace::Domain(domain) | AddressSpace::Below(domain) => domain.clone(),
        AddressSpace::All => return false,
    };
    match wide {
        AddressSpace::Domain(wide) => matches!(narrow, AddressSpace::Address(_)) && *wide == domain,
        AddressSpace::Below(above) => {
            domain.as_str().strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        AddressSpace::All => true,
        AddressSpace::Address(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(space: &str, hops: &[&str]) -> Route {
        Route {
            space: space.parse().unwrap(),
            hops: hops.iter().map(|hop| hop.parse().unwrap()).collect(),
            tls: None,
            is_share: false,
            created: UnixTime(0),
        }
    }

    #[test]
    fn servers_of_a_route_are_counted_at_their_edges() {
        let most = limits::HOPS;
        for (count, is_taken) in [(0, false), (1, true), (most, true), (most + 1, false)] {
            let hops: Vec<String> = (0..count).map(|number| format!("mail{number}.example")).collect();
            let hops: Vec<&str> = hops.iter().map(String::as_str).collect();
            assert_eq!(check(&route("example.com", &hops)).is_ok(), is_taken, "{count}");
        }
    }

    #[test]
    fn only_a_domain_is_shared_o4() {
        for (space, is_taken) in
            [("home.lan", true), ("*.home.lan", false), ("alice@home.lan", false), ("*", false)]
        {
            let share = Route { is_share: true, ..route(space, &["mail.example"]) };
            let checked = check(&share);
            assert_eq!(checked.is_ok(), is_taken, "{space}");
            if let Err(error) = checked {
                assert!(
                    error.kind == Failure::Usage && error.text.contains("poppet route"),
                    "{}",
                    error.text
                );
            }
        }
    }

    #[test]
    fn a_server_that_is_named_twice_is_tried_once_in_its_first_place() {
        let mut hops = route("a.lan", &["one", "two", "one:25", "two", "one"]).hops;
        each_once(&mut hops);
        assert_eq!(hops, route("a.lan", &["one", "two", "one:25"]).hops);
    }

    #[test]
    fn the_wider_route_is_found_o3() {
        for (wide, narrow, is_covered) in [
            ("example.com", "a@example.com", true),
            ("example.com", "example.com", false),
            ("example.com", "a@sub.example.com", false),
            ("*.example.com", "sub.example.com", true),
            ("*.example.com", "a@b.sub.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*", "example.com", true),
            ("*", "*", false),
            ("a@example.com", "a@example.com", false),
        ] {
            let covered = covers(&wide.parse().unwrap(), &narrow.parse().unwrap());
            assert_eq!(covered, is_covered, "{wide} {narrow}");
        }
    }

    #[test]
    fn whose_mail_is_handed_over_is_counted() {
        let domain = "home.lan".parse().unwrap();
        assert_eq!(handed_over(&domain, 0), None);
        assert!(
            handed_over(&domain, 1).unwrap().contains("home.lan has 1 mailbox here: it gets no new mail")
        );
        assert!(
            handed_over(&domain, 3).unwrap().contains("home.lan has 3 mailboxes here: they get no new mail")
        );
    }
}
