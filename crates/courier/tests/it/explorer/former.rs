//! A node that was there before the story begins: it took the messages in, called each of them once, and died before any
//! answer. Its leases are there until the others find it silent.

use std::sync::Arc;

use hongyan_courier::Clock;
use hongyan_courier::delivery::{LeaseRef, Look};
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::port::{Accept, Claim, NodeEpoch, Queue, SendCall, TokenMode};
use tokio_util::task::TaskTracker;

use super::wechat::WeChat;
use crate::rig::ACCOUNT;
use crate::rig::clock::PausedClock;

const NAME: &str = "z";

/// The world it lived in.
pub(crate) struct Former<'a> {
    pub(crate) store: &'a MemoryStore,
    pub(crate) wechat: &'a Arc<WeChat>,
    pub(crate) clock: &'a PausedClock,
}

impl Former<'_> {
    /// Lives and dies at this moment; its calls are on their way.
    pub(crate) async fn dies_with(&self, call: Accept) {
        let token = self.wechat.fetch_token(TokenMode::Stable).await;
        let token = token.ok().map(|granted| granted.secret).unwrap();
        let now = self.clock.now();
        let epoch = self.store.beat(NAME, None, Vec::new(), now).await.unwrap();
        let shares = [call.messages.len(), 0, 0];
        self.store.accept(call, now).await.unwrap();
        let claim = Claim {
            at_most: [usize::MAX; 3],
            by: NodeEpoch {
                node: NAME.into(),
                epoch,
            },
            account: ACCOUNT.into(),
            shares,
            limits: Arc::default(),
            busy: Vec::new(),
            probe: false,
        };
        let calls = TaskTracker::new();
        for message in self.store.claim(claim, now).await.unwrap().messages {
            let (id, lease_seq) = (message.id, message.delivery.lease_seq);
            let look = self.store.look(LeaseRef { id, lease_seq }, now).await;
            assert_eq!(look.ok(), Some(Look::Go));
            let wechat = self.wechat.clone();
            let call = SendCall {
                content: message.content,
                wire_id: id.on_the_wire(message.delivery.generation),
                token: token.clone(),
                repeat: None,
            };
            calls.spawn(async move { wechat.send(call, false).await });
        }
    }
}
