//! When a node's upkeep is a point to strike at. Heartbeats, reclaims and sweeps come every few seconds and change nothing
//! most of the time; to strike before one that does, it must be known beforehand.

use std::future::Future;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{Lease, LeaseRef};
use hongyan_courier::message::{Message, Status};
use hongyan_courier::port::{StoreError, Sweep};

use super::fate::Whereto;
use super::ports::NodePorts;

/// What a node does every few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Upkeep {
    Beat,
    Reclaim,
}

impl NodePorts {
    /// Whether there are such leases, and for the first time: afterwards nothing is other than it was.
    pub(super) async fn meets(&self, what: Upkeep, such: impl Fn(&Lease) -> bool) -> bool {
        let rows = self.rows().await;
        let such = |m: &&Message| m.delivery.lease.as_ref().is_some_and(&such);
        let leases = rows.iter().filter(such).map(|m| LeaseRef {
            id: m.id,
            lease_seq: m.delivery.lease_seq,
        });
        let leases: Vec<LeaseRef> = leases.collect();
        !leases.is_empty() && self.met.lock().unwrap().insert((what, leases))
    }

    /// The node's upkeep, which changes nothing most of the time: a point if it will, or if it turns out to have.
    pub(super) async fn keep_up<T>(
        &self,
        will_matter: bool,
        mattered: impl FnOnce(&T) -> bool,
        effect: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if will_matter {
            self.fate.pass(Whereto::Store, true, effect).await
        } else {
            self.fate
                .pass_quietly(Whereto::Store, mattered, effect)
                .await
        }
    }
}

/// Whether the sweep will move the message.
pub(super) fn is_swept(message: &Message, what: Sweep, now: UnixMs) -> bool {
    let (kind, delivery) = (message.content.kind, &message.delivery);
    let queued = delivery.status == Status::Queued;
    let moment = match what {
        Sweep::Expired => delivery.expires_at.filter(|_| queued),
        Sweep::ClosedWindows => delivery.window_end(kind).filter(|_| queued),
        Sweep::MissingReceipts => delivery.receipt_due,
        // It depends on receipts, which no row shows.
        Sweep::Orphans => None,
    };
    moment.is_some_and(|moment| moment <= now)
}
