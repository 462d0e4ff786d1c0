//! What many rows of one sort cost an operation that is about a few of them. Measured in SQLite's steps, as in `scheduled`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hongyan_courier::conformance::fixture::{
    NODE, NOW, accepted, at, call, claim, content, new, settlement,
};
use hongyan_courier::message::Priority;
use hongyan_courier::port::{Claim, NodeEpoch};
use hongyan_courier::recipient::RecipientLimit;
use tempfile::TempDir;

use super::Op;
use super::accept::AcceptOp;
use super::claim::ClaimOp;
use super::scheduled::counted;
use super::settle::SettleOp;
use crate::sqlite::base::{Base, Node};
use crate::sqlite::{connect, schema};

fn empty() -> (TempDir, Base) {
    let dir = tempfile::tempdir().unwrap();
    let mut conn = connect::for_writing(&dir.path().join("hongyan.db")).unwrap();
    schema::migrate(&mut conn, schema::LATEST).unwrap();
    let mut base = Base::load(conn).unwrap();
    let node = Node {
        epoch: 1,
        beat_at: NOW,
    };
    base.nodes.insert(NODE.to_owned(), node);
    (dir, base)
}

/// The steps of a claim for a recipient who was written to a moment ago, and for whom so many messages wait.
fn steps_of_a_limited_claim(waiting: usize) -> usize {
    let (_dir, mut base) = empty();
    let claim = Claim {
        limits: [RecipientLimit {
            count: 1,
            per: Duration::from_secs(3_600),
            priorities: Priority::ALL.to_vec(),
        }]
        .into(),
        ..claim(
            &NodeEpoch {
                node: NODE.into(),
                epoch: 1,
            },
            8,
        )
    };
    base.conn.execute_batch("BEGIN").unwrap();
    let messages = (0..=waiting).map(|_| new(content("o1"), NOW)).collect();
    let mut accept = AcceptOp {
        call: call(messages),
        now: NOW,
        leased: Vec::new(),
    };
    assert!(accept.run(&mut base).unwrap().is_ok());
    base.store().unwrap();
    let mut first = ClaimOp {
        claim: Claim {
            shares: [1, 0, 0],
            ..claim.clone()
        },
        now: NOW,
    };
    let sent = first.run(&mut base).unwrap().messages.remove(0);
    let mut settle = SettleOp {
        settlement: settlement(&sent, accepted(1), NOW),
        now: NOW,
    };
    settle.run(&mut base).unwrap();
    base.conn.execute_batch("COMMIT").unwrap();
    let steps = counted(&base.conn);
    let mut op = ClaimOp { claim, now: at(90) };
    let claimed = op.run(&mut base).unwrap();
    assert!(claimed.messages.is_empty() && claimed.more);
    steps.load(Ordering::Relaxed)
}

#[test]
fn a_recipient_at_its_limit_is_looked_through_once_a_claim() {
    let [few, many] = [1_000, 3_000].map(steps_of_a_limited_claim);
    let more = many.saturating_sub(few);
    assert!(more < 2_000 * 50, "{few} steps, {many} steps");
}
