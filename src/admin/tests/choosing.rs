//! The method is shown and chosen, by the rules of Windows' POP3 service.

use super::*;

fn choose(method: Method) -> Command {
    Command::ChooseAuth { method, directory_password: None, is_forced: false }
}

fn with_password(password: &str) -> Command {
    let directory_password = Some(Secret::new(password));
    Command::ChooseAuth { method: Method::Directory, directory_password, is_forced: false }
}

fn view(house: &House) -> AuthView {
    match house.act(Command::Auth).unwrap() {
        Answer::Auth(view) => view,
        other => panic!("{other:?}"),
    }
}

fn kept_password(house: &House) -> Option<Secret> {
    let sealed = house.context.store.record(auth::DIRECTORY_PASSWORD).wait().unwrap()?;
    house.context.gatekeeper.unseal(auth::DIRECTORY_PASSWORD, &sealed)
}

/// method before × domains present × method chosen: what becomes of it.
#[test]
fn a_method_is_chosen_only_while_no_domain_is_here_a2() {
    for before in Method::ALL {
        for chosen in Method::ALL {
            for (domains, mailboxes) in [(0, 0), (1, 0), (2, 0), (1, 1)] {
                let house = House::empty();
                house.choose(before);
                (0..domains).for_each(|number| house.domain(&format!("home{number}.lan")));
                house.crowd.know("alice@home0.lan", "alice", "1");
                (0..mailboxes).for_each(|_| drop(house.act(add("alice@home0.lan")).unwrap()));
                let what = format!("{before} {chosen} {domains} {mailboxes}");
                let result = house.act(choose(chosen));
                if before == chosen || domains == 0 {
                    assert!(
                        matches!(result, Ok(Answer::AuthChosen { before: it, .. }) if it == before),
                        "{what}"
                    );
                    assert_eq!(house.method(), chosen, "{what}");
                    continue;
                }
                let error = result.unwrap_err();
                assert_eq!((error.kind, house.method()), (Failure::Refused, before), "{what}");
                assert!(
                    error.text.contains("home0.lan") && error.text.contains("--migrate"),
                    "{}",
                    error.text
                );
                assert_eq!(error.text.contains("home1.lan"), domains == 2, "{}", error.text);
            }
        }
    }
}

#[test]
fn many_domains_are_not_all_named() {
    let house = House::empty();
    for number in 0..11 {
        house.domain(&format!("home{number:02}.lan"));
    }
    let text = house.refused(choose(Method::Local));
    assert!(text.contains("home09.lan and 1 more)"), "{text}");
}

#[test]
fn a_method_that_can_not_be_used_is_refused_with_its_reason_unless_forced_a1() {
    let house = House::empty();
    house.crowd.fall_silent(Some("the helper does not answer: start poppet-shadow.socket"));
    let text = house.refused(choose(Method::Local));
    assert!(text.contains("start poppet-shadow.socket") && text.contains("--force"), "{text}");
    assert_eq!(house.method(), Method::File);
    house
        .act(Command::ChooseAuth { method: Method::Local, directory_password: None, is_forced: true })
        .unwrap();
    assert_eq!(house.method(), Method::Local);
}

#[test]
fn a_directory_needs_servers_and_its_account_a_password_that_works_a6() {
    let house = House::empty();
    let text = house.refused(choose(Method::Directory));
    assert!(text.contains("directory_servers") && text.contains("directory_bind"), "{text}");
    house.set("directory_servers", "ldaps://dc1.home.lan");
    let text = house.refused(with_password("x"));
    assert!(text.contains("directory_account"), "{text}");
    house.set("directory_account", "cn=poppet");
    let wanted = Answer::DirectoryPasswordWanted { account: "cn=poppet".into() };
    assert_eq!(house.act(choose(Method::Directory)), Ok(wanted));

    house.crowd.fall_silent(Some("its account's password is wrong"));
    house.refused(with_password("wrong"));
    assert_eq!((house.method(), kept_password(&house)), (Method::File, None));
    house.crowd.fall_silent(None);
    house.act(with_password("right")).unwrap();
    assert_eq!((house.method(), kept_password(&house)), (Method::Directory, Some(Secret::new("right"))));

    // Renewed while domains are here; a wrong one takes nothing away.
    house.domain("home.lan");
    house.act(with_password("newer")).unwrap();
    house.crowd.fall_silent(Some("its account's password is wrong"));
    house.refused(with_password("wrong"));
    assert_eq!(kept_password(&house), Some(Secret::new("newer")));
}

#[test]
fn only_a_directory_takes_a_password() {
    let house = House::empty();
    for method in [Method::File, Method::Local] {
        let directory_password = Some(Secret::new("x"));
        house.choose(Method::Directory);
        let command = Command::ChooseAuth { method, directory_password, is_forced: true };
        assert_eq!(house.act(command).unwrap_err().kind, Failure::Usage, "{method}");
    }
}

#[test]
fn what_a_method_means_is_told() {
    let house = House::empty();
    let notes = |method| match house.act(choose(method)).unwrap() {
        Answer::AuthChosen { notes, .. } => notes.join("\n"),
        other => panic!("{other:?}"),
    };
    assert!(notes(Method::Local).contains("inside TLS only"));
    assert_eq!(notes(Method::File), "");
    house.set("directory_servers", "ldap://dc1.home.lan");
    house.set("directory_clear", "on");
    assert!(notes(Method::Directory).contains("directory_clear"));
    notes(Method::File);
    house.set("directory_bind", "upn");
    let told = notes(Method::Directory);
    assert!(told.contains("with directory_base and directory_account set"), "{told}");
    assert!(told.contains("of whoever has its account's name"), "{told}");
    notes(Method::File);
    house.set("directory_base", "dc=ad");
    let told = notes(Method::Directory);
    assert!(
        told.contains("with directory_account set") && told.contains("at the user's first logon"),
        "{told}"
    );
    notes(Method::File);
    house.set("sparequired", "on");
    assert!(notes(Method::Local).contains("nobody can log on"));
    notes(Method::File);
    house.set("spa", "on");
    *house.crowd.relays_ntlm.lock().unwrap() = true;
    assert!(!notes(Method::Local).contains("nobody can log on"));
    notes(Method::File);
    house.set("clientcert", "required");
    assert!(notes(Method::Local).contains("nobody can log on without a certificate"));
}

/// It was said that the account had a new password, which nobody had tried.
#[test]
fn a_search_password_that_nobody_searches_with_is_told_to_be_untried() {
    for (bind, base, is_tried) in [
        ("upn", "", false),
        ("upn", "dc=ad", true),
        ("dn:uid={user},dc=home", "", true),
        ("search", "", true),
    ] {
        let house = House::empty();
        house.set("directory_servers", "ldaps://dc1.home.lan");
        house.set("directory_bind", bind);
        house.set("directory_account", "svc@ad.lan");
        if !base.is_empty() {
            house.set("directory_base", base);
        }
        for _ in ["chosen", "said again"] {
            let Answer::AuthChosen { notes, .. } = house.act(with_password("x")).unwrap() else { panic!() };
            assert_eq!(notes.iter().any(|note| note.contains("was not tried")), !is_tried, "{bind} {base}");
            assert_eq!(notes.iter().any(|note| note.contains("Nobody has looked")), !is_tried, "{notes:?}");
        }
    }
}

#[test]
fn the_view_tells_what_can_be_used_a1() {
    let house = House::with(&["alice@home.lan"]);
    let hindrances = |view: &AuthView| {
        Method::ALL.map(|method| {
            let row = view.methods.iter().find(|row| row.method == method).unwrap();
            row.hindrance.clone().unwrap_or_default()
        })
    };
    let [file, local, directory] = hindrances(&view(&house));
    assert_eq!((file.as_str(), local.as_str()), ("", ""));
    assert!(directory.contains("directory_servers"), "{directory}");
    house.set("directory_servers", "ldaps://dc1.home.lan");
    house.crowd.fall_silent(Some("it is down"));
    assert_eq!(hindrances(&view(&house)), ["", "it is down", "it is down"]);
}

#[test]
fn when_the_last_password_is_learnt_nothing_more_is() {
    let house = House::with(&["alice@home.lan", "bob@home.lan"]);
    for name in ["alice@home.lan", "bob@home.lan"] {
        house.context.store.set_password(address(name), Vec::new()).wait().unwrap();
    }
    house.set("auth_learn", "directory");
    for (name, left) in [("alice@home.lan", 2), ("bob@home.lan", 1)] {
        let view = view(&house);
        assert_eq!((view.learns_from, view.without_password), (Some(Method::Directory), left));
        house.act(Command::SetPassword { address: address(name), password: None }).unwrap();
    }
    assert_eq!(house.context.store.settings().auth_learn, None, "before anybody looks");
    let view = view(&house);
    assert_eq!((view.learns_from, view.without_password), (None, 0));
}

/// It was taken, and then every logon was answered "try again later".
#[test]
fn what_can_not_be_read_of_the_directory_is_never_set_s_196() {
    let house = House::empty();
    let before = house.context.store.settings().directory.clone();
    for (key, value) in [
        ("directory_filter", "(uid={user}"),
        ("directory_bind", "dn:uid={user},o={company}"),
        ("directory_base", "home.lan"),
    ] {
        let set = Command::Assign { key: key.into(), value: Some(value.into()), is_final: false };
        let error = house.act(set).unwrap_err();
        assert_eq!(error.kind, Failure::Usage, "{key}");
        assert!(error.text.starts_with(&format!("{key} can't be read: ")), "{}", error.text);
        assert_eq!(house.context.store.settings().directory, before, "{key}");
    }
    // What an earlier version took is no reason to refuse anything else.
    house.set("directory_filter", "(uid={user}");
    for (key, value) in
        [("directory_base", Some("dc=home,dc=lan")), ("directory_base", None), ("directory_filter", None)]
    {
        let value = value.map(str::to_owned);
        house.act(Command::Assign { key: key.into(), value, is_final: false }).unwrap();
    }
    assert_eq!(house.context.store.settings().directory, before);
}

#[test]
fn ntlm_that_is_passed_on_tells_whether_the_helper_is_there_s_186() {
    let house = House::empty();
    house.choose(Method::Local);
    for is_there in [false, true] {
        *house.crowd.relays_ntlm.lock().unwrap() = is_there;
        let set = Command::Assign { key: "spa".into(), value: Some("on".into()), is_final: false };
        let Answer::Assigned { consequence, .. } = house.act(set).unwrap() else { panic!("no answer") };
        assert_eq!(consequence, Some(Consequence::RelaysNtlm { is_there }));
    }
}
