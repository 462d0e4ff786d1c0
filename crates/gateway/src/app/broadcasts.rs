//! What broadcasts are made of: the calls that steer them, and whoever turns their rows into messages.

use std::sync::Arc;

use hongyan_courier::broadcast::expand::{self, Expander};
use hongyan_courier::dispatch::Dispatch;
use hongyan_courier::template::measure::Counting;

use super::Core;
use crate::api::broadcasts::Broadcasting;
use crate::api::broadcasts::drafts::RowDrafts;
use crate::followers::WechatFollowers;

/// Turns rows into messages.
pub(super) fn expander(
    core: &Core,
    dispatch: Option<Arc<Dispatch>>,
    counting: Counting,
) -> Arc<Expander> {
    let parts = expand::Parts {
        broadcasts: core.store.clone(),
        acceptor: core.acceptor(dispatch),
        drafts: drafts(core, counting),
        followers: Arc::new(WechatFollowers {
            upstream: core.upstream.clone(),
            keeper: core.keeper.clone(),
        }),
        clock: core.clock.clone(),
        observer: core.observer.clone(),
        wake: core.broadcast_changed.clone(),
    };
    Expander::new(parts, core.stopping.clone())
}

/// The calls.
pub(super) fn calls(core: &Core, counting: Counting) -> Broadcasting {
    Broadcasting {
        broadcasts: core.store.clone(),
        ledger: core.store.clone(),
        drafts: drafts(core, counting),
        book: core.book.clone(),
        slots: core.slots.clone(),
        keeper: core.keeper.clone(),
        clock: core.clock.clone(),
        wake: core.broadcast_changed.clone(),
    }
}

fn drafts(core: &Core, counting: Counting) -> Arc<RowDrafts> {
    Arc::new(RowDrafts {
        accounts: core.accounts.clone(),
        lists: core.book.clone(),
        counting,
    })
}
