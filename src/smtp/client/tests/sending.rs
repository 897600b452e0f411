//! Mails: each code at each step, by both protocols, with and without PIPELINING and CHUNKING (S-130, S-131).

use super::*;

const OFFERS: [&[&str]; 4] = [&[], &["PIPELINING"], &["CHUNKING"], &["PIPELINING", "CHUNKING", "SIZE 1000"]];

/// What three recipients come to where that is said at that step, the second time where there are several. Told from
/// the RFCs alone.
fn expected(stage: Stage, code: Option<u16>, is_lmtp: bool) -> [Verdict; 3] {
    use Verdict::*;
    let of = |code: Option<u16>| match code {
        Some(530 | 538) => Later,
        Some(code) if code / 100 == 5 => Never,
        _ => Later,
    };
    match (stage, code) {
        (Stage::Mail | Stage::Recipient | Stage::End, Some(code)) if code / 100 == 2 => [TAKEN; 3],
        (Stage::Data, Some(354)) => [TAKEN; 3],
        (Stage::Recipient, Some(421) | None) => [Later; 3],
        // Before 552 a recipient was taken: there are too many.
        (Stage::Recipient, Some(552)) => [TAKEN, Later, TAKEN],
        (Stage::Recipient, Some(code)) if code >= 400 => [TAKEN, of(Some(code)), TAKEN],
        (Stage::Mail | Stage::Data, Some(code)) if code >= 400 => [of(Some(code)); 3],
        (Stage::End, Some(421)) if is_lmtp => [TAKEN, Later, Unsure],
        (Stage::End, Some(code)) if code >= 400 && is_lmtp => [TAKEN, of(Some(code)), TAKEN],
        (Stage::End, Some(code)) if code >= 400 => [of(Some(code)); 3],
        (Stage::End, _) if is_lmtp => [TAKEN, Unsure, Unsure],
        (Stage::End, _) => [Unsure; 3],
        _ => [Later; 3],
    }
}

#[test]
fn each_code_at_each_step_comes_to_what_the_rfcs_say_s_130_s_131() {
    let codes = [
        "250", "251", "252", "200", "220", "221", "235", "299", "334", "354", "399", "421", "450", "451",
        "452", "499", "500", "501", "503", "530", "538", "550", "552", "554", "599", "100", "600", "000", "",
        "x",
    ];
    for stage in [Stage::Mail, Stage::Recipient, Stage::Data, Stage::End] {
        for (offers, is_lmtp) in OFFERS.iter().flat_map(|offers| [(offers, false), (offers, true)]) {
            if stage == Stage::Data && offers.contains(&"CHUNKING") {
                continue;
            }
            for says in codes.iter().map(|code| Some(*code)).chain([None]) {
                let time = if stage == Stage::Recipient || stage == Stage::End && is_lmtp { 2 } else { 1 };
                let fake = Fake::new(is_lmtp, offers).odd(
                    stage,
                    time,
                    says.map(|code| format!("{code} x")).as_deref(),
                );
                let course =
                    fake.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test", "c@b.test", "d@b.test"])]);
                let code = says.and_then(|code| code.parse().ok()).filter(|code| (200..600).contains(code));
                let case = format!("{stage:?} {says:?} {offers:?} lmtp {is_lmtp}: {course:?}");
                assert_eq!(course.failure, None, "{case}");
                let [(verdicts, is_reusable)] = course.settled.as_slice() else { panic!("{case}") };
                assert_eq!(verdicts[..], expected(stage, code, is_lmtp), "{case}");
                let is_followed = match (stage, code) {
                    (Stage::Data, Some(code)) => code == 354 || code >= 400,
                    (_, Some(code)) => code / 100 != 3,
                    _ => false,
                };
                assert_eq!(*is_reusable, is_followed && code != Some(421), "{case}");
                assert_eq!(course.sent.ends_with("QUIT\r\n"), *is_reusable, "{case}");
            }
        }
    }
}
