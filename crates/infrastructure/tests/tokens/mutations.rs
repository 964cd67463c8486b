//! Whatever is not a token to the letter opens nothing, and ends nothing but its own request.

use std::sync::OnceLock;

use metricd_infrastructure::auth::Verifier;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::support::{Draft, Fate, ec, encode, fate, fixed_keys, oidc, verifier};

fn stage() -> &'static (Verifier, String) {
    static STAGE: OnceLock<(Verifier, String)> = OnceLock::new();
    STAGE.get_or_init(|| {
        let draft = Draft::oidc().head("alg", "ES256").head("kid", "ec");
        (verifier(vec![oidc(fixed_keys())]), draft.signed_by(ec()))
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// One small change somewhere in a text.
#[derive(Debug, Clone)]
enum Change {
    Replace(usize, char),
    Insert(usize, char),
    Remove(usize),
    Swap(usize, usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let letter = prop_oneof![
        prop::char::range('A', 'Z'),
        prop::char::range('a', 'z'),
        prop::char::range('0', '9'),
        prop::sample::select(vec!['-', '_', '.', '=', '+', '/', ' ', '\n', '\0']),
        any::<char>(),
    ];
    let place = any::<usize>();
    prop_oneof![
        (place, letter.clone()).prop_map(|(at, letter)| Change::Replace(at, letter)),
        (place, letter).prop_map(|(at, letter)| Change::Insert(at, letter)),
        place.prop_map(Change::Remove),
        (place, place).prop_map(|(one, other)| Change::Swap(one, other)),
        place.prop_map(Change::Cut),
    ]
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for change in changes {
        let count = letters.len();
        if count == 0 {
            break;
        }
        match *change {
            Change::Replace(at, letter) => letters[at % count] = letter,
            Change::Insert(at, letter) => letters.insert(at % count, letter),
            Change::Remove(at) => drop(letters.remove(at % count)),
            Change::Swap(one, other) => letters.swap(one % count, other % count),
            Change::Cut(at) => letters.truncate(at % count),
        }
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_token_that_was_changed_is_none(changes in prop::collection::vec(change(), 0..4)) {
        let (verifier, token) = stage();
        let changed = apply(token, &changes);
        let outcome = runtime().block_on(fate(verifier, &changed));
        prop_assert_eq!(outcome == Fate::Passed, changed == *token);
    }

    #[test]
    fn any_text_is_looked_at_in_peace(text in "\\PC*|[a-zA-Z0-9_.-]{0,200}") {
        prop_assert_ne!(runtime().block_on(fate(&stage().0, &text)), Fate::Passed);
    }

    #[test]
    fn any_bytes_in_three_parts_are_looked_at_in_peace(
        header in prop_oneof![
            any::<Vec<u8>>(),
            Just(br#"{"alg":"ES256","kid":"ec"}"#.to_vec()),
        ],
        payload in prop_oneof![
            any::<Vec<u8>>(),
            Just(br#"{"iss":"https://issuer.example"}"#.to_vec()),
        ],
        signature in prop_oneof![any::<Vec<u8>>(), any::<[u8; 64]>().prop_map(Vec::from)],
    ) {
        let token = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        prop_assert_ne!(runtime().block_on(fate(&stage().0, &token)), Fate::Passed);
    }
}
