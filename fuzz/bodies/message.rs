//! Whatever is posted as a message: it becomes a draft, or is refused with words that say which field is wrong.

use hongyan_courier::template::check::OnViolation;
use hongyan_courier::template::measure::Counting;
use hongyan_courier::time::UnixMs;
use hongyan_gateway::api::accounts::{Accounts, Known};
use hongyan_gateway::api::messages::draft::{Draft, Surroundings};
use hongyan_gateway::config::accounts::{CallbackMode, Receipts};

pub(crate) fn run(body: &[u8]) {
    let accounts = Accounts::new(vec![Known {
        name: "clinic".into(),
        appid: "wx0000000000000001".into(),
        receipts: Receipts::None,
        callback_mode: CallbackMode::Plain,
        on_violation: OnViolation::Reject,
    }]);
    let around = Surroundings {
        accounts: accounts.seen_by_all(),
        client: "orders",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
        now: UnixMs(1_795_400_000_000),
        lists: &(),
        asked: false,
        counting: Counting::Scalars,
        may_override: true,
    };
    if let Err(refusal) = Draft::from_body(body, around) {
        let problem = refusal.problem;
        assert!(!problem.detail.is_empty());
        match problem.status {
            400 => assert_eq!(problem.code, "malformed"),
            422 => {
                assert!(!problem.errors.is_empty(), "a refusal names its fields");
                assert!(problem.errors.iter().all(|error| !error.problem.is_empty()));
            }
            other => panic!("answered {other}"),
        }
    }
}
