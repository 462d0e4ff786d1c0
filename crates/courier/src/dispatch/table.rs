//! The table of a node's sender slots: how many are taken, for which lanes, and how the free ones are shared out.
//! Pure state, behind the lock of [`Slots`](super::slot::Slots).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::lane::Lane;
use crate::delivery::LeaseRef;
use crate::message::AccountName;
use crate::port::NodeEpoch;
use crate::time::UnixMs;

/// The most that one claim asks for.
const CLAIM_MAX: usize = 256;

/// Who holds the slots and who waits for one.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) total: usize,
    /// More than there are where settlements fail.
    pub(super) taken: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) by_account: HashMap<AccountName, usize>,
    /// Where the fair pick goes on.
    pub(super) cursor: usize,
    pub(super) busy: HashSet<(usize, String)>,
    pub(super) leases: HashSet<LeaseRef>,
    pub(super) epoch: Option<NodeEpoch>,
    pub(super) draining: bool,
}

impl Table {
    /// How many slots are free.
    pub(super) fn free(&self) -> usize {
        self.total.saturating_sub(self.taken)
    }

    /// Bounds the lanes: a quarter is always left to the others, whatever happens to one that is busy.
    pub(super) fn bound(&mut self) {
        let most = if self.by_account.len() > 1 {
            self.total - self.total / 4
        } else {
            self.total
        };
        self.lanes.iter_mut().for_each(|lane| lane.bound(most));
    }

    /// Whether a lane leaves the free slots to others, because it may be stuck and holds as many. So a slow account gathers
    /// no more slots than it leaves, however much it has to send.
    pub(super) fn yields(&self, lane: &Lane, now: UnixMs) -> bool {
        self.by_account.len() > 1 && lane.is_slow(now) && lane.in_flight >= self.free()
    }

    /// How many of the free slots each of these lanes gets. Each goes to whoever holds least, else slow calls would gather
    /// every slot that quick ones give back; among equals the order decides.
    pub(super) fn share_out(&self, lanes: Vec<usize>, now: UnixMs) -> Vec<(usize, usize)> {
        let mut shares = vec![0; lanes.len()];
        let held = |nth: usize| Reverse((self.lanes[lanes[nth]].in_flight, nth));
        let mut line: BinaryHeap<_> = (0..lanes.len()).map(held).collect();
        let mut free = self.free();
        while free > 0
            && let Some(Reverse((held, nth))) = line.pop()
        {
            shares[nth] += 1;
            free -= 1;
            let lane = &self.lanes[lanes[nth]];
            if shares[nth] < lane.demand(now).min(CLAIM_MAX) && !lane.is_slow(now) {
                line.push(Reverse((held + 1, nth)));
            }
        }
        let shared = lanes.into_iter().zip(shares);
        shared.filter(|(_, share)| *share > 0).collect()
    }
}
