//! Whatever is posted is answered: by a draft that is whole, or by a problem that names what is wrong.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::written::KNOWN;
use super::*;
use crate::api::accounts::{Accounts, Known};
use crate::config::accounts::{CallbackMode, Receipts};

const NOW: UnixMs = UnixMs(1_795_400_000_000);

fn read(body: &[u8]) -> Result<Draft, Problem> {
    let accounts = Accounts::new(vec![Known {
        name: "clinic".into(),
        appid: "wx0000000000000001".to_owned(),
        receipts: Receipts::None,
        callback_mode: CallbackMode::Plain,
        on_violation: OnViolation::Reject,
    }]);
    let around = Surroundings {
        accounts: accounts.seen_by_all(),
        client: "orders",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
        now: NOW,
        lists: &(),
        asked: false,
        counting: Counting::Scalars,
        may_override: false,
    };
    Draft::from_body(body, around).map_err(|refusal| refusal.problem)
}

fn whole() -> Value {
    json!({
        "touser": "oDraft0000000000000000000001",
        "template_id": "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
        "data": {"thing1": {"value": "你好", "color": "#173177"}, "time2": {"value": "08:00"}},
        "url": "https://example.com/order?id=42",
        "miniprogram": {"appid": "wx0000000000000002", "pagepath": "pages/order?id=42"},
        "client_msg_id": "order-42",
        "account": "clinic",
        "kind": "template",
        "priority": "high",
        "send_at": "2026-11-23T06:00:00Z",
        "expires_at": "2026-12-01T08:00:00+08:00",
        "reference": "order-42",
    })
}

/// Checks that the answer is one that a caller can go by.
fn check(body: &[u8]) -> Result<(), TestCaseError> {
    let problem = match read(body) {
        Ok(draft) => {
            let data: Value = serde_json::from_str(&draft.content.data).unwrap();
            prop_assert!(data.is_object());
            prop_assert_eq!(draft.content.account.as_str(), "clinic");
            prop_assert!(!draft.content.touser.is_empty());
            prop_assert!(!draft.content.template_id.is_empty());
            return Ok(());
        }
        Err(problem) => problem,
    };
    prop_assert!(!problem.detail.is_empty());
    if problem.status == 400 {
        prop_assert_eq!(problem.code, "malformed");
        return Ok(());
    }
    prop_assert_eq!((problem.status, problem.code), (422, "invalid_message"));
    prop_assert!(!problem.errors.is_empty());
    // A caller may have written an empty name.
    let nameless = body.windows(2).any(|two| two == b"\"\"");
    for error in &problem.errors {
        prop_assert!(!error.problem.is_empty());
        prop_assert!(nameless || !error.field.is_empty(), "{:?}", problem.errors);
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,80}".prop_map(Value::from),
        select(vec!["clinic", "template", "bulk", "2027-01-01T00:00:00Z"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any_name(), inner, 0..6)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    let told = ["value", "color", "appid", "pagepath", "thing1", "first"];
    let known: Vec<&str> = KNOWN.into_iter().chain(told).collect();
    prop_oneof![
        4 => select(known).prop_map(str::to_owned),
        1 => "\\PC{1,12}",
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, u8),
    Drop(Index),
    Cut(Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let byte = || prop_oneof![any::<u8>(), select(b"{}[]\",:\\u0-9e.nt".to_vec())];
        prop_oneof![
            4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Self::Put(at, byte)),
            4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Self::Insert(at, byte)),
            4 => any::<Index>().prop_map(Self::Drop),
            1 => any::<Index>().prop_map(Self::Cut),
        ]
    }

    fn apply(&self, body: &mut Vec<u8>) {
        let Some(length) = Some(body.len()).filter(|length| *length > 0) else {
            return;
        };
        match self {
            Self::Put(at, byte) => body[at.index(length)] = *byte,
            Self::Insert(at, byte) => body.insert(at.index(length), *byte),
            Self::Drop(at) => drop(body.remove(at.index(length))),
            Self::Cut(at) => body.truncate(at.index(length)),
        }
    }
}

#[test]
fn a_whole_message_is_a_draft() {
    let draft = read(whole().to_string().as_bytes()).unwrap();
    assert_eq!(draft.client_msg_id.as_deref(), Some("order-42"));
    assert_eq!(draft.warnings, Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..256)) {
        check(&body)?;
    }

    #[test]
    fn anything_like_json_is_answered(body in "[{\\[][{}\\[\\]\":,a-e0-9\\\\u .-]{0,128}[}\\]]") {
        check(body.as_bytes())?;
    }

    #[test]
    fn any_value_is_answered(value in any_json()) {
        check(value.to_string().as_bytes())?;
    }

    #[test]
    fn any_value_in_a_field_is_answered(name in any_name(), value in any_json()) {
        let mut message = whole();
        message[name] = value;
        check(message.to_string().as_bytes())?;
    }

    #[test]
    fn a_message_with_some_bytes_changed_is_answered(changes in prop::collection::vec(Change::any(), 1..6)) {
        let mut body = whole().to_string().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut body));
        check(&body)?;
    }
}
