//! Heartbeats, and the leases that hang on them. All leases are in memory, so nothing here searches the table.

use std::collections::HashSet;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::LeaseRef;
use hongyan_courier::message::MessageId;
use hongyan_courier::port::LEASE_GRACE;
use rusqlite::params;

use super::Op;
use crate::sqlite::base::{Base, Node, set_meta};
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct BeatOp {
    pub(in crate::sqlite) node: String,
    pub(in crate::sqlite) known: Option<i64>,
    pub(in crate::sqlite) in_flight: Vec<LeaseRef>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for BeatOp {
    type Answer = i64;
    const NAME: &'static str = "beat";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<i64, Fault> {
        let in_force = base.nodes.get(&self.node).map(|node| node.epoch);
        let epoch = match in_force {
            Some(epoch) if self.known == Some(epoch) => epoch,
            _ => base.last_epoch + 1,
        };
        self.store(base, epoch)?;
        if Some(epoch) == in_force {
            for lease in self.forgotten(base) {
                base.change(lease.id, self.now, |content, delivery| {
                    delivery.let_lapse(content.kind, lease.lease_seq, self.now);
                })?;
            }
        } else {
            set_meta(&base.conn, "last_epoch", epoch)?;
            base.last_epoch = epoch;
            take_back_gone(base, self.now)?;
        }
        Ok(epoch)
    }
}

impl BeatOp {
    fn store(&self, base: &mut Base, epoch: i64) -> Result<(), Fault> {
        let sql = "INSERT OR REPLACE INTO nodes (node, epoch, beat_at) VALUES (?1, ?2, ?3)";
        base.conn
            .prepare_cached(sql)?
            .execute(params![self.node, epoch, self.now.0])?;
        let node = Node {
            epoch,
            beat_at: self.now,
        };
        base.nodes.insert(self.node.clone(), node);
        Ok(())
    }

    /// Leases of this node that it does not know of, although the answer to their claim must have come by now.
    fn forgotten(&self, base: &Base) -> Vec<LeaseRef> {
        let known: HashSet<&LeaseRef> = self.in_flight.iter().collect();
        let leases = base.leases.values().filter_map(|(_, message)| {
            let lease = message.delivery.lease.as_ref()?;
            let named = LeaseRef {
                id: message.id,
                lease_seq: message.delivery.lease_seq,
            };
            let old = lease.at.plus(LEASE_GRACE) < self.now;
            (lease.node == self.node && old && !known.contains(&named)).then_some(named)
        });
        leases.collect()
    }
}

pub(in crate::sqlite) struct ReclaimOp {
    pub(in crate::sqlite) silent_since: UnixMs,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for ReclaimOp {
    type Answer = usize;
    const NAME: &'static str = "reclaim";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<usize, Fault> {
        base.nodes
            .retain(|_, node| node.beat_at >= self.silent_since);
        base.conn
            .prepare_cached("DELETE FROM nodes WHERE beat_at < ?1")?
            .execute([self.silent_since.0])?;
        take_back_gone(base, self.now)
    }
}

/// Takes back every lease that hangs on no epoch in force.
fn take_back_gone(base: &mut Base, now: UnixMs) -> Result<usize, Fault> {
    let nodes = &base.nodes;
    let gone = base.leases.values().filter_map(|(_, message)| {
        let lease = message.delivery.lease.as_ref()?;
        let node = nodes.get(&lease.node);
        let in_force = node.is_some_and(|node| node.epoch == lease.epoch);
        (!in_force).then_some(message.id)
    });
    let gone: Vec<MessageId> = gone.collect();
    for id in &gone {
        base.change(*id, now, |content, delivery| {
            delivery.take_back(content.kind, now);
        })?;
    }
    Ok(gone.len())
}
