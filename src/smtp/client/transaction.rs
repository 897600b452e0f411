//! One mail on its way: MAIL, RCPT and DATA or BDAT, and what became of each recipient. RFC 5321 §3.3, RFC 2033 §4.2.
//!
//! ```text
//!   Commands: [RSET] MAIL RCPT.. [DATA], in groups where PIPELINING is offered
//!       |  354, or all answered and BDAT         |  354 and nobody taken
//!       v                                        v
//!   Body --the body's last octet--> End       Dot, an empty message --> settled
//!       |  a refusal before that     |  a reply, or by LMTP one for each that was taken
//!       +----------> settled <-------+
//! ```

use std::collections::VecDeque;

use super::command;
use super::event::{Framing, OutgoingMail};
use super::offer::Offer;
use super::outcome::{Answer, Reply, Stage, Verdict};
use crate::limits;
use crate::mail::RemoteAddress;

/// A mail on its way.
#[derive(Debug)]
pub(super) struct Transaction {
    mail: OutgoingMail,
    is_lmtp: bool,
    /// Whether SMTPUTF8 is said.
    is_utf8: bool,
    recipients: Vec<Standing>,
    /// Commands to be sent.
    unsent: VecDeque<Step>,
    /// Commands sent, whose replies are awaited in that order.
    awaited: VecDeque<Step>,
    phase: Phase,
    /// Whether the server holds a mail that isn't ended, so that RSET must come before the next one.
    is_begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reset,
    Mail,
    Recipient(usize),
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Commands,
    Body(Framing),
    Dot,
    End,
}

/// How it stands with a recipient.
#[derive(Debug)]
enum Standing {
    /// Not asked, or not answered.
    Open,
    /// RCPT was taken.
    Taken,
    /// His fate.
    Settled(Answer),
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Turn {
    /// A reply.
    Wait,
    /// The body goes out.
    Body(Framing),
    /// All is answered, and the server in step.
    Settled,
    /// All is answered, but the connection can't be used any more.
    Spent,
    /// What was said can't be followed.
    Confused(&'static str),
}

impl Transaction {
    /// A mail for a server that offers that; recipients whom the offer rules out are settled already. `must_reset` says
    /// that RSET must come first.
    pub(super) fn new(mail: OutgoingMail, is_lmtp: bool, must_reset: bool, offer: &Offer) -> Transaction {
        let mail = if offer.utf8 { mail } else { in_ascii(mail) };
        let is_utf8 = mail.needs_utf8 || !mail.reverse_path.is_ascii();
        let of_all = refusal(&mail, offer);
        let mut asked = 0;
        let mut standing = |path: &str| {
            let own = || recipient_refusal(path, offer, asked);
            match of_all.clone().or_else(own) {
                Some(answer) => Standing::Settled(answer),
                None => {
                    asked += 1;
                    Standing::Open
                }
            }
        };
        let recipients: Vec<_> = mail.recipients.iter().map(|(path, _)| standing(path.as_str())).collect();
        let is_utf8 = is_utf8 || mail.recipients.iter().any(|(path, _)| !path.is_ascii());
        let mut unsent: VecDeque<_> = [Step::Reset].into_iter().filter(|_| must_reset).collect();
        unsent.push_back(Step::Mail);
        let open = |&index: &usize| matches!(recipients.get(index), Some(Standing::Open));
        unsent.extend((0..recipients.len()).filter(open).map(Step::Recipient));
        if !offer.chunking {
            unsent.push_back(Step::Data);
        }
        if asked == 0 {
            unsent.clear();
        }
        let phase = Phase::Commands;
        Transaction {
            mail,
            is_lmtp,
            is_utf8,
            recipients,
            unsent,
            awaited: VecDeque::new(),
            phase,
            is_begun: must_reset,
        }
    }

    /// Appends the commands that may go now, if no reply is awaited.
    pub(super) fn advance(&mut self, offer: &Offer, out: &mut Vec<u8>) -> Turn {
        if !self.awaited.is_empty() {
            return Turn::Wait;
        }
        let most = if offer.pipelining { GROUP } else { 1 };
        while self.awaited.len() < most
            && let Some(step) = self.unsent.pop_front()
        {
            // With the RCPTs in one group, DATA goes before it is known whether one of them is taken. RFC 2920 §3.1.
            let asks = self.awaited.iter().any(|step| matches!(step, Step::Recipient(_)));
            if step == Step::Data && !asks && !self.has_taken() {
                break;
            }
            self.say(step, offer, out);
            self.awaited.push_back(step);
        }
        match self.awaited.is_empty() {
            false => Turn::Wait,
            // DATA would have led elsewhere. The body isn't sent for nobody.
            true if offer.chunking && self.has_taken() => {
                command::say(&format!("BDAT {} LAST", self.mail.octets), out);
                self.phase = Phase::Body(Framing::Chunk);
                Turn::Body(Framing::Chunk)
            }
            true => Turn::Settled,
        }
    }

    /// The body is sent to its end; false if none was being sent.
    pub(super) fn body_sent(&mut self) -> bool {
        let is_sending = matches!(self.phase, Phase::Body(_));
        if is_sending {
            (self.phase, self.is_begun) = (Phase::End, false);
        }
        is_sending
    }

    /// How the body is being sent, if it is.
    pub(super) fn framing(&self) -> Option<Framing> {
        match self.phase {
            Phase::Body(framing) => Some(framing),
            _ => None,
        }
    }

    /// What is awaited.
    pub(super) fn stage(&self) -> Stage {
        match (self.phase, self.awaited.front()) {
            (Phase::Body(_), _) => Stage::Body,
            (Phase::Dot | Phase::End, _) => Stage::End,
            (Phase::Commands, Some(Step::Mail)) => Stage::Mail,
            (Phase::Commands, Some(Step::Recipient(_))) => Stage::Recipient,
            (Phase::Commands, Some(Step::Data)) => Stage::Data,
            (Phase::Commands, Some(Step::Reset) | None) => Stage::Ready,
        }
    }

    /// Takes a reply, and appends what follows.
    pub(super) fn hear(&mut self, reply: Reply, offer: &Offer, out: &mut Vec<u8>) -> Turn {
        match self.phase {
            Phase::Commands => {
                let Some(step) = self.awaited.pop_front() else {
                    return Turn::Confused("it says what nobody asked");
                };
                match self.hear_step(step, reply, out) {
                    Turn::Wait if self.phase == Phase::Commands => self.advance(offer, out),
                    turn => turn,
                }
            }
            // Sent for nobody: whatever it says, nobody's fate changes.
            Phase::Dot => {
                self.is_begun = false;
                Turn::Settled
            }
            Phase::Body(_) => self.hear_early(&reply),
            Phase::End => self.hear_end(reply, offer),
        }
    }

    /// Takes a reply with more behind it than was asked for. A fate that is told is told; nothing can go on.
    pub(super) fn hear_more_than_asked(&mut self, reply: Reply, offer: &Offer) -> Turn {
        // What would be sent next stays unsent.
        match self.hear(reply, offer, &mut Vec::new()) {
            Turn::Settled | Turn::Spent => Turn::Spent,
            Turn::Wait | Turn::Body(_) => {
                self.phase = Phase::Commands;
                Turn::Confused("more than it was asked for")
            }
            turn @ Turn::Confused(_) => turn,
        }
    }

    /// Whether replies of the server are awaited behind the one that was given last.
    pub(super) fn awaits_more(&self) -> bool {
        let taken = self.recipients.iter().filter(|standing| matches!(standing, Standing::Taken)).count();
        self.awaited.len() > 1 || (self.is_lmtp && self.phase == Phase::End && taken > 1)
    }

    /// Whether RSET must come before the next mail.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The recipients' fates. Whoever has none gets this one: later, or if the message's end was sent, unsure (S-131).
    pub(super) fn into_answers(self, rest: &Reply) -> Vec<Answer> {
        let said = rest.code != 0 && rest.is_refusal();
        let at_end = if said { Verdict::Later } else { Verdict::Unsure };
        let mut ends = self.phase == Phase::End;
        let mut answers = Vec::with_capacity(self.recipients.len());
        for standing in self.recipients {
            answers.push(match standing {
                Standing::Settled(answer) => answer,
                Standing::Taken if ends => {
                    // By LMTP, a reply is one recipient's; of the others nothing is known.
                    ends = !self.is_lmtp || !said;
                    Answer { verdict: at_end, reply: rest.clone() }
                }
                Standing::Taken if self.phase == Phase::End => {
                    Answer { verdict: Verdict::Unsure, reply: rest.clone() }
                }
                Standing::Open | Standing::Taken => Answer { verdict: Verdict::Later, reply: rest.clone() },
            });
        }
        answers
    }

    fn say(&self, step: Step, offer: &Offer, out: &mut Vec<u8>) {
        match step {
            Step::Reset => command::say("RSET", out),
            Step::Mail => command::mail(&self.mail, self.is_utf8, offer, out),
            Step::Recipient(index) => {
                if let Some((path, dsn)) = self.mail.recipients.get(index) {
                    command::recipient(path.as_str(), dsn, offer, out);
                }
            }
            Step::Data => command::say("DATA", out),
        }
    }

    /// `Wait` goes on with the commands, unless the phase is another.
    fn hear_step(&mut self, step: Step, reply: Reply, out: &mut Vec<u8>) -> Turn {
        match (step, reply.class()) {
            (Step::Reset, 2) => self.is_begun = false,
            (Step::Mail, 2) => self.is_begun = true,
            (Step::Mail, 4 | 5) => {
                self.unsent.clear();
                let verdict = verdict(&reply);
                self.settle(|standing| matches!(standing, Standing::Open), verdict, &reply);
            }
            (Step::Recipient(index), 2) => {
                if let Some(standing @ Standing::Open) = self.recipients.get_mut(index) {
                    *standing = Standing::Taken;
                }
            }
            (Step::Recipient(index), 4 | 5) => {
                let verdict = self.recipient_verdict(&reply);
                if let Some(standing @ Standing::Open) = self.recipients.get_mut(index) {
                    *standing = Standing::Settled(Answer { verdict, reply });
                }
            }
            (Step::Data, 3) if reply.code == 354 => return self.send_message(out),
            (Step::Data, 4 | 5) => {
                let verdict = verdict(&reply);
                self.settle(|standing| matches!(standing, Standing::Taken), verdict, &reply);
            }
            (Step::Reset, 4 | 5) => return Turn::Confused("it does not take RSET"),
            _ => return Turn::Confused("its code is none of that command"),
        }
        Turn::Wait
    }

    /// RFC 2920 §3.1: where DATA was taken and no recipient, an empty message ends it. By LMTP no reply would follow.
    fn send_message(&mut self, out: &mut Vec<u8>) -> Turn {
        if self.has_taken() {
            self.phase = Phase::Body(Framing::Dot);
            return Turn::Body(Framing::Dot);
        }
        if self.is_lmtp {
            return Turn::Spent;
        }
        command::say(".", out);
        self.phase = Phase::Dot;
        Turn::Wait
    }

    /// A reply before the body's end: a refusal ends it there, since only closing the connection can. By LMTP it is not
    /// known whose it is.
    fn hear_early(&mut self, reply: &Reply) -> Turn {
        if !reply.is_refusal() {
            return Turn::Confused("it answers the message before its end");
        }
        let verdict = if self.is_lmtp { Verdict::Later } else { verdict(reply) };
        self.settle(|standing| matches!(standing, Standing::Taken), verdict, reply);
        Turn::Spent
    }

    fn hear_end(&mut self, reply: Reply, offer: &Offer) -> Turn {
        let verdict = match reply.class() {
            2 => Verdict::Taken { relays_dsn: offer.dsn },
            4 | 5 => verdict(&reply),
            _ => return Turn::Confused("its code is none of a message's end"),
        };
        // RFC 3030 §2: a chunk that was refused leaves the mail begun.
        self.is_begun |= offer.chunking && !reply.is_positive();
        if !self.is_lmtp {
            self.settle(|standing| matches!(standing, Standing::Taken), verdict, &reply);
            return Turn::Settled;
        }
        let mut taken = self.recipients.iter_mut().filter(|standing| matches!(standing, Standing::Taken));
        if let Some(standing) = taken.next() {
            *standing = Standing::Settled(Answer { verdict, reply });
        }
        if taken.next().is_some() { Turn::Wait } else { Turn::Settled }
    }

    fn settle(&mut self, whom: impl Fn(&Standing) -> bool, verdict: Verdict, reply: &Reply) {
        for standing in self.recipients.iter_mut().filter(|standing| whom(standing)) {
            *standing = Standing::Settled(Answer { verdict, reply: reply.clone() });
        }
    }

    fn has_taken(&self) -> bool {
        self.recipients.iter().any(|standing| matches!(standing, Standing::Taken))
    }

    /// Old servers say 552 where there are too many recipients. RFC 5321 §4.5.3.1.10.
    fn recipient_verdict(&self, reply: &Reply) -> Verdict {
        let is_too_many = match reply.enhanced {
            Some(enhanced) => enhanced == [5, 5, 3],
            None => self.has_taken(),
        };
        if reply.code == 552 && is_too_many { Verdict::Later } else { verdict(reply) }
    }
}

/// What a refusal means. Where a logon or TLS is missing, the way is at fault and not the mail.
fn verdict(reply: &Reply) -> Verdict {
    let is_of_way = matches!(reply.code, 530 | 538);
    if reply.class() == 5 && !is_of_way { Verdict::Never } else { Verdict::Later }
}

/// The mail with those of its addresses in ASCII that can be; the others are refused. RFC 6531 §3.2.
fn in_ascii(mail: OutgoingMail) -> OutgoingMail {
    let told = |path: RemoteAddress| path.in_ascii().unwrap_or(path);
    let sender = told(RemoteAddress::from_path(&mail.reverse_path));
    OutgoingMail {
        reverse_path: sender.as_str().into(),
        recipients: mail.recipients.into_iter().map(|(path, dsn)| (told(path), dsn)).collect(),
        ..mail
    }
}

/// Why the server can't take this mail for anybody.
fn refusal(mail: &OutgoingMail, offer: &Offer) -> Option<Answer> {
    let most = offer.size.filter(|&most| most > 0);
    if let Some(most) = most.filter(|&most| mail.octets > most) {
        let text = format!("The message has {} octets, and the server takes {most} at most", mail.octets);
        return Some(never([5, 3, 4], text));
    }
    if !command::is_path(&mail.reverse_path) {
        return Some(never([5, 1, 7], "The sender's address can't be written in a command of SMTP"));
    }
    if !mail.reverse_path.is_ascii() && !offer.utf8 {
        return Some(never(
            [5, 6, 7],
            "The sender's address goes beyond ASCII, and the server doesn't offer SMTPUTF8",
        ));
    }
    // RFC 6531 §3.5.
    if mail.needs_utf8 && !offer.utf8 {
        let text = "The mail's header goes beyond ASCII, and the server doesn't offer SMTPUTF8";
        return Some(never([5, 6, 9], text));
    }
    if mail.is_8bit && !offer.eight_bit && !mail.forces_8bit {
        return Some(never([5, 6, 3], "The mail has 8-bit text, and the server doesn't offer 8BITMIME"));
    }
    None
}

/// Why the server can't take it for this recipient, `asked` others being asked before.
fn recipient_refusal(path: &str, offer: &Offer, asked: usize) -> Option<Answer> {
    if path.is_empty() || !command::is_path(path) {
        return Some(never([5, 1, 3], "The address can't be written in a command of SMTP"));
    }
    if !path.is_ascii() && !offer.utf8 {
        return Some(never(
            [5, 6, 7],
            "The address goes beyond ASCII, and the server doesn't offer SMTPUTF8",
        ));
    }
    let most = offer.recipients.filter(|&most| asked >= most)?;
    let reply = Reply::found([4, 5, 3], format!("The server takes {most} recipients of one mail"));
    Some(Answer { verdict: Verdict::Later, reply })
}

fn never(enhanced: [u16; 3], text: impl Into<String>) -> Answer {
    Answer { verdict: Verdict::Never, reply: Reply::found(enhanced, text) }
}

/// Commands in one group: replies to so many fit into what a connection buffers, whoever reads later. RFC 2920 §3.1.
const GROUP: usize = limits::HOP_RECIPIENTS + 3;
