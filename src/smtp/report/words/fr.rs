//! Les textes des rapports en français : the reports' texts in French.

use super::{About, Cause, Text};

/// The text.
pub fn say(text: Text<'_>) -> String {
    match text {
        Text::DeliveredSubject => "Votre message est bien parvenu".into(),
        Text::Delivered => {
            "Votre message est arrivé. Ces destinataires l'ont maintenant dans leur boîte aux lettres :"
                .into()
        }
        Text::IsList => "une liste : il est allé à tous ceux qui y figurent".into(),
        Text::AskedFor => "Votre logiciel a demandé ce rapport. Vous n'avez rien à faire.".into(),
        Text::Subject(About::Failure) => "Impossible de remettre votre message".into(),
        Text::Subject(About::Delay) => "Votre message est en attente".into(),
        Text::Subject(About::Relayed) => "Votre message est transmis".into(),
        Text::Opening(about, date) => opening(about, &date.map(|at| format!(" du {at}")).unwrap_or_default()),
        Text::TriedFor(1) => "L'envoi a été tenté à plusieurs reprises pendant un jour.".into(),
        Text::TriedFor(days) => {
            format!("L'envoi a été tenté à plusieurs reprises pendant {days} jours.")
        }
        Text::TriedUntil(until) => format!("L'envoi sera tenté jusqu'au {until}."),
        Text::Cause(cause) => why(cause).into(),
        Text::Advice(cause) => format!("Ce que vous pouvez faire : {}", advice(cause)),
        Text::Meant(address) => format!("envoyé à {address}"),
        Text::WhatWasSaid => "Pour qui veut le savoir exactement :".into(),
        Text::SaidBy(host, address) => format!("Pour {address}, le serveur {host} a dit :"),
        Text::Found(address) => format!("Pour {address}, notre propre serveur a constaté :"),
        Text::HeaderReturned => "L'en-tête de votre message est joint.".into(),
        Text::MailReturned => "Votre message est joint.".into(),
        Text::Signature(hostname) => {
            format!("Ceci a été écrit par le serveur {hostname}. Une réponse ira à son postmaster.")
        }
    }
}

fn opening(about: About, of: &str) -> String {
    match about {
        About::Failure => format!(
            "Votre message{of} n'a pas pu être remis. Ces destinataires ne l'ont pas reçu, et il n'y aura pas d'autre tentative."
        ),
        About::Delay => format!(
            "Votre message{of} n'est pas encore parvenu à ces destinataires. Il est conservé et l'envoi sera tenté de nouveau ; il est inutile de le renvoyer."
        ),
        About::Relayed => format!(
            "Votre message{of} a été transmis aux serveurs de ces destinataires. Ils n'envoient pas de rapports eux-mêmes ; vous n'en saurez pas plus, sauf en cas d'échec :"
        ),
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => {
            "Cette boîte aux lettres n'existe pas : l'adresse est mal écrite, ou n'est plus utilisée."
        }
        Cause::NoSuchDomain => {
            "Ce domaine n'existe pas, ou n'accepte pas de messages : ce qui suit le @ est mal écrit, ou n'est plus utilisé."
        }
        Cause::Closed => "La boîte aux lettres est fermée et n'accepte pas de messages.",
        Cause::MailboxFull => "La boîte aux lettres est pleine.",
        Cause::TooLarge => "Le message est trop volumineux pour le serveur du destinataire.",
        Cause::NoRoom => {
            "Le serveur du destinataire n'a pas de place : le message est trop volumineux, ou la boîte aux lettres est pleine."
        }
        Cause::Refused => {
            "Le serveur du destinataire refuse le message, par une règle qui lui est propre ou parce qu'il le prend pour du spam."
        }
        Cause::NotAllowed => {
            "Le serveur suivant ne laisse pas le nôtre envoyer : quelque chose ne va pas entre les deux."
        }
        Cause::BadSender => "Le serveur du destinataire n'accepte pas votre adresse comme expéditeur.",
        Cause::NeedsUtf8 => {
            "Une adresse ou l'en-tête contient des lettres accentuées ou particulières que le serveur du destinataire ne sait pas traiter."
        }
        Cause::EightBit => {
            "Le message est écrit dans un codage (8 bits) que le serveur du destinataire n'accepte pas."
        }
        Cause::Loop => "Le message a tourné en rond entre des serveurs.",
        Cause::TooMany => "Le serveur n'accepte pas de message pour autant de destinataires à la fois.",
        Cause::Unreachable => "Le serveur du destinataire n'a pas pu être joint.",
        Cause::Busy => "Le serveur du destinataire n'accepte pas le message pour le moment.",
        Cause::Unsure => {
            "La connexion a été coupée chaque fois avant que le serveur ne confirme le message. Il est peut-être arrivé malgré tout."
        }
    }
}

fn advice(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => "vérifiez l'adresse lettre par lettre, puis renvoyez le message.",
        Cause::NoSuchDomain => "vérifiez lettre par lettre ce qui suit le @, puis renvoyez le message.",
        Cause::Closed => "joignez le destinataire autrement.",
        Cause::MailboxFull => {
            "prévenez le destinataire autrement, ou renvoyez le message dans quelques jours."
        }
        Cause::TooLarge => {
            "envoyez-le avec des pièces jointes moins nombreuses ou plus petites, ou en plusieurs messages."
        }
        Cause::NoRoom => {
            "envoyez-le avec des pièces jointes plus petites, ou de nouveau dans quelques jours."
        }
        Cause::Refused => {
            "lisez plus bas ce que le serveur a dit ; le destinataire peut demander à ceux qui le gèrent d'accepter vos messages."
        }
        Cause::NotAllowed => "montrez ceci à la personne qui gère notre serveur : répondez à ce message.",
        Cause::BadSender => "vérifiez votre propre adresse dans les réglages de votre logiciel.",
        Cause::NeedsUtf8 => "utilisez une adresse sans de telles lettres, s'il y en a une.",
        Cause::EightBit => {
            "réglez votre logiciel pour qu'il écrive en quoted-printable ou en base64, si c'est possible."
        }
        Cause::Loop => "montrez ceci à la personne qui gère notre serveur : répondez à ce message.",
        Cause::TooMany => "envoyez-le à moins de destinataires à la fois.",
        Cause::Unreachable => {
            "vérifiez ce qui suit le @. Si c'est juste, renvoyez le message plus tard, ou joignez le destinataire autrement."
        }
        Cause::Busy => "renvoyez le message plus tard, ou joignez le destinataire autrement.",
        Cause::Unsure => "demandez au destinataire avant de le renvoyer.",
    }
}
