//! The mail that tells a user how full his mailbox is, in the languages of the house (M8).

use super::Now;
use super::letter::{Letter, put_line};
use crate::mail::{Address, Language};

/// How full a mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// Messages in it.
    pub messages: u32,
    /// Messages that it may have; none for any number.
    pub most_messages: Option<u32>,
    /// Their octets.
    pub octets: u64,
    /// Octets that it may have; none for any number.
    pub most_octets: Option<u64>,
    /// Whether mail for a full mailbox goes back to its sender at once.
    pub is_final: bool,
}

/// The warning for a user: how full his mailbox is, what becomes of his mail, what he can do. `hostname` is our name,
/// `mail_number` is fresh. The mail goes from nobody to him, and under SMTPUTF8 if his address is beyond ASCII.
pub fn warning(
    hostname: &str,
    now: Now,
    mail_number: u64,
    user: &Address,
    filling: Filling,
    language: Language,
) -> Vec<u8> {
    let (subject, lines) = match language {
        Language::English => english(user, filling),
        Language::German => german(user, filling),
        Language::French => french(user, filling),
    };
    let letter = Letter {
        hostname,
        now,
        mail_number,
        to: user.as_str(),
        domain: None,
        answers: None,
        subject: &subject,
        automatic: "auto-generated",
        content_type: "text/plain; charset=utf-8",
        is_8bit: lines.iter().any(|line| !line.is_ascii()),
    };
    let mut out = letter.begin();
    for line in lines {
        put_line(&mut out, line.as_bytes());
    }
    out
}

impl Filling {
    /// Of what it may have, in whole percent: of octets or of messages, whichever is nearer to its end.
    fn percent(self) -> u64 {
        let percent = |have: u64, most: u64| {
            u64::try_from(u128::from(have) * 100 / u128::from(most.max(1))).unwrap_or(u64::MAX)
        };
        let octets = self.most_octets.map(|most| percent(self.octets, most));
        let messages = self.most_messages.map(|most| percent(self.messages.into(), most.into()));
        octets.max(messages).unwrap_or(0)
    }

    /// What it has, and what it may have, for what has a limit; in one unit each, so that they can be compared.
    fn amounts(self, of: &str, messages: &str) -> Vec<String> {
        let mut amounts = Vec::new();
        if let Some(most) = self.most_octets {
            let (unit, octets) =
                UNITS.into_iter().find(|(_, octets)| most >= 10 * octets).unwrap_or(("B", 1));
            amounts.push(format!("    {} {of} {} {unit}", self.octets.div_ceil(octets), most / octets));
        }
        if let Some(most) = self.most_messages {
            amounts.push(format!("    {} {of} {most} {messages}", self.messages));
        }
        amounts
    }
}

/// A subject and the lines of a text; subjects are in ASCII, for the oldest of clients.
type Text = (String, Vec<String>);

fn text(head: [String; 2], amounts: Vec<String>, rest: &[&str]) -> Vec<String> {
    let [greeting, line] = head;
    let front = [greeting, String::new(), line, String::new()];
    front.into_iter().chain(amounts).chain(rest.iter().map(|&line| line.to_owned())).collect()
}

fn english(user: &Address, filling: Filling) -> Text {
    let percent = filling.percent();
    let head = ["Hello,".to_owned(), format!("your mailbox {user} is {percent} % full:")];
    let fate = match filling.is_final {
        true => "When it is full, new mail for you goes back to those who sent it.",
        false => "When it is full, new mail for you waits with those who sent it, for some days.",
    };
    let rest = [
        "",
        fate,
        "",
        "What you can do: remove mail that you don't need any more. If your mail program",
        "leaves copies on the server, let it remove them after some days. Or ask the",
        "postmaster for more room: answer this mail.",
    ];
    (format!("Your mailbox is {percent} % full"), text(head, filling.amounts("of", "messages"), &rest))
}

fn german(user: &Address, filling: Filling) -> Text {
    let percent = filling.percent();
    let head = ["Guten Tag,".to_owned(), format!("Ihr Postfach {user} ist zu {percent} % voll:")];
    let fate = match filling.is_final {
        true => "Ist es ganz voll, geht neue Post für Sie an ihre Absender zurück.",
        false => "Ist es ganz voll, wartet neue Post für Sie einige Tage bei ihren Absendern.",
    };
    let rest = [
        "",
        fate,
        "",
        "Was Sie tun können: Löschen Sie Post, die Sie nicht mehr brauchen. Wenn Ihr",
        "Mailprogramm Kopien auf dem Server lässt, stellen Sie ein, dass es sie nach",
        "einigen Tagen entfernt. Oder bitten Sie den Postmaster um mehr Platz: Antworten",
        "Sie auf diese Mail.",
    ];
    (
        format!("Ihr Postfach ist zu {percent} % voll"),
        text(head, filling.amounts("von", "Nachrichten"), &rest),
    )
}

fn french(user: &Address, filling: Filling) -> Text {
    let percent = filling.percent();
    let head = ["Bonjour,".to_owned(), format!("votre boîte aux lettres {user} est pleine à {percent} % :")];
    let fate = match filling.is_final {
        true => "Quand elle sera pleine, les nouveaux messages seront renvoyés à leurs expéditeurs.",
        false => {
            "Quand elle sera pleine, les nouveaux messages attendront quelques jours chez leurs expéditeurs."
        }
    };
    let rest = [
        "",
        fate,
        "",
        "Ce que vous pouvez faire : supprimer les messages dont vous n'avez plus besoin.",
        "Si votre logiciel laisse des copies sur le serveur, faites-les supprimer après",
        "quelques jours. Ou demandez plus de place au postmaster : répondez à ce message.",
    ];
    (format!("Messagerie pleine : {percent} %"), text(head, filling.amounts("sur", "messages"), &rest))
}

/// Units of a size, the largest first; of the limit there are ten at least.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::letter::tests::{NOW, assert_travels_whole};

    const FILLING: Filling = Filling {
        messages: 4210,
        most_messages: None,
        octets: 930 << 20,
        most_octets: Some(1000 << 20),
        is_final: false,
    };

    fn warn(user: &str, filling: Filling, language: Language) -> String {
        let message = warning("mail.home.lan", NOW, 7, &user.parse().unwrap(), filling, language);
        assert_travels_whole(&message)
    }

    #[test]
    fn a_warning_says_how_full_and_what_to_do() {
        assert_eq!(
            warn("alice@home.lan", FILLING, Language::English).replace("\r\n", "\n"),
            "Date: Sat, 21 Nov 2026 21:15:00 +0000
From: Mail delivery <postmaster@home.lan>
To: <alice@home.lan>
Subject: Your mailbox is 93 % full
Message-ID: <0000000000000007.1795295700@mail.home.lan>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Type: text/plain; charset=utf-8

Hello,

your mailbox alice@home.lan is 93 % full:

    930 of 1000 MiB

When it is full, new mail for you waits with those who sent it, for some days.

What you can do: remove mail that you don't need any more. If your mail program
leaves copies on the server, let it remove them after some days. Or ask the
postmaster for more room: answer this mail.
"
        );
    }

    #[test]
    fn every_language_tells_the_same() {
        for language in Language::ALL {
            for (most_messages, is_final) in [(None, false), (Some(5000), true)] {
                let told = warn("jörg@home.lan", Filling { most_messages, is_final, ..FILLING }, language);
                let (header, body) = told.split_once("\r\n\r\n").unwrap();
                assert!(
                    header.contains("93 %") && body.contains("93 %") && body.contains("jörg@home.lan"),
                    "{told}"
                );
                assert!(body.contains("    930 ") && body.contains(" 1000 MiB\r\n"), "{told}");
                assert_eq!(body.contains("    4210 "), most_messages.is_some(), "{told}");
                assert!(header.contains("\r\nContent-Transfer-Encoding: 8bit\r\n"), "{told}");
                let subject = header.lines().find(|line| line.starts_with("Subject: ")).unwrap();
                assert!(subject.is_ascii(), "{subject}");
                assert!(body.lines().all(|line| line.chars().count() <= 100), "{told}");
            }
            let fates =
                [true, false].map(|is_final| warn("a@home.lan", Filling { is_final, ..FILLING }, language));
            assert_ne!(fates[0], fates[1]);
        }
    }

    #[test]
    fn the_limit_that_is_nearer_is_the_one_told() {
        let filling = |octets, most_octets, messages, most_messages| Filling {
            octets,
            most_octets,
            messages,
            most_messages,
            is_final: false,
        };
        for (filling, percent) in [
            (filling(50, Some(100), 90, Some(100)), 90),
            (filling(95, Some(100), 90, Some(100)), 95),
            (filling(95, None, 90, Some(100)), 90),
            (filling(99, Some(100), 90, None), 99),
            (filling(999, Some(1000), 0, None), 99),
            (filling(1000, Some(1000), 0, None), 100),
            (filling(1500, Some(1000), 0, None), 150),
            (filling(1, Some(0), 0, None), 100),
            (filling(u64::MAX, Some(u64::MAX), 0, None), 100),
            (filling(9, None, 9, None), 0),
        ] {
            assert_eq!(filling.percent(), percent, "{filling:?}");
        }
    }

    #[test]
    fn sizes_are_told_in_a_unit_that_shows_them() {
        for (octets, most, told) in [
            (5, 9, "5 of 9 B"),
            (1025, (10 << 10) - 1, "1025 of 10239 B"),
            (1025, 10 << 10, "2 of 10 KiB"),
            (9 << 20, 10 << 20, "9 of 10 MiB"),
            (1 << 30, 2 << 30, "1024 of 2048 MiB"),
            (9 << 30, 10 << 30, "9 of 10 GiB"),
            (u64::MAX, u64::MAX, "17179869184 of 17179869183 GiB"),
        ] {
            let filling = Filling { octets, most_octets: Some(most), ..FILLING };
            assert_eq!(filling.amounts("of", ""), [format!("    {told}")]);
        }
    }
}
