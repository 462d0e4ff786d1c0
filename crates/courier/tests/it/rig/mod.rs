//! What the domain tests stand on: a clock that follows paused time, a whole node on any ports, a store that goes away
//! on command, a WeChat that is told what to answer. Which trouble there is, is for the tests to say.

pub(crate) mod clock;
pub(crate) mod node;
pub(crate) mod stage;
pub(crate) mod store;
pub(crate) mod upstream;

use std::time::Duration;

use hongyan_courier::delivery::Policy;
use hongyan_courier::message::{Content, Kind, MessageId, Priority};
use hongyan_courier::port::{Accept, NewMessage};

use clock::NOW;

/// The account of most messages.
pub(crate) const ACCOUNT: &str = "clinic";

/// Settings of an account that gets no receipts.
pub(crate) const WITHOUT_RECEIPTS: Policy = Policy {
    max_retries: 3,
    receipt_timeout: None,
    receipt_retries: 0,
};

/// A moment as a duration after the beginning.
pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An openid as WeChat makes them, for somebody of this number.
pub(crate) fn openid(n: usize) -> String {
    format!("o{n:0>27}")
}

/// A message to somebody, of an account.
pub(crate) fn content(account: &str, n: usize) -> Content {
    Content {
        account: account.into(),
        client: "his".into(),
        kind: Kind::Template,
        priority: Priority::Normal,
        touser: openid(n),
        template_id: "appointment".into(),
        url: None,
        miniprogram: None,
        data: format!(r#"{{"thing1":{{"value":"m{n}"}}}}"#),
        extras: None,
        reference: None,
        trace_id: None,
        send_at: None,
        broadcast: None,
    }
}

/// One call that hands over messages.
pub(crate) fn call(contents: impl IntoIterator<Item = Content>) -> Accept {
    let messages = contents.into_iter().map(|content| NewMessage {
        not_before: None,
        id: MessageId::new(NOW),
        content: content.into(),
        expires_at: None,
        dedupe: None,
        permit: None,
    });
    Accept {
        nonce: None,
        idempotency: None,
        messages: messages.collect(),
        broadcast: None,
    }
}

/// So many messages of an account, each to somebody else.
pub(crate) fn calls(account: &str, numbers: std::ops::Range<usize>) -> Accept {
    call(numbers.map(|n| content(account, n)))
}
