//! A question to the helper for local accounts: it has one spelling, and its name can't mean two lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::local::{Answer, HEADER_OCTETS, Question, length};

fuzz_target!(|input: &[u8]| {
    if let Some(answer) = Answer::decode(input) {
        assert_eq!(answer.encode()[HEADER_OCTETS..], *input, "an answer has another spelling");
    }
    let announced = input.first_chunk().and_then(length);
    assert!(announced.is_none_or(|length| length <= 8 + limits::ACCOUNT_OCTETS + limits::PASSWORD_OCTETS));
    let Some(question) = Question::decode(input) else { return };
    let again = question.encode().expect("what was read can be written");
    assert_eq!(again[HEADER_OCTETS..], *input, "a question has another spelling");
    assert_eq!(again.first_chunk().and_then(length), Some(input.len()), "a question has another length");
    assert!(
        !question.name.is_empty() && question.name.len() <= limits::ACCOUNT_OCTETS,
        "a name without measure"
    );
    let parts_lines = question.name.contains([':', '\n', '\0']);
    assert!(!parts_lines, "a name parts fields or lines");
    let password = question.proof.and_then(|claim| claim.password);
    assert!(password.is_none_or(|password| !password.expose().is_empty()), "nothing proves something");
    let is_proved = input.len() > 8 + question.name.len();
    assert_eq!(input[0] == 1, is_proved, "a password belongs to another kind of question");
});
