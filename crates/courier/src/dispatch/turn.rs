//! One leased message's turn: look once more, call, settle. The slot is held until the settlement is on the way to the store,
//! before the claim of whoever takes it then, so at most as many messages are in doubt at a crash as there are slots.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use hongyan_wechat::errcode::{AccountFault, Class, ConfigurationFault, RateScope};
use hongyan_wechat::error::{CallError, NotSentCause};
use tokio::time::Instant;

use super::kinds::{KindHold, KindTurn};
use super::lane::Health;
use super::slot::{Ended, LaneTurn, Slot};
use super::{Dispatch, Parts, STORE_PAUSE};
use crate::delivery::{Attempt, LeaseRef, Look, Outcome, Settlement};
use crate::message::{AccountName, Content, Message, Reason, Status};
use crate::next::{Roll, SAFE_WINDOW};
use crate::observer::{Event, Source};
use crate::port::{Gate, Moved, SendCall};
use crate::quota;
use crate::recipient::News;
use crate::time::UnixMs;

/// The pause of a message that could not be sent for want of a connection.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(1);
/// How often an account that WeChat stopped is tried again.
const STOPPED_PROBE: Duration = Duration::from_secs(60);

impl Dispatch {
    pub(super) async fn turn(self: Arc<Self>, mut slot: Slot, message: Message) {
        let lease = LeaseRef {
            id: message.id,
            lease_seq: message.delivery.lease_seq,
        };
        // Before the look, which marks the call of a kind that cannot be repeated.
        if let Some(held) = self
            .parts
            .slots
            .held_back(&message.content, self.parts.clock.now())
        {
            let settlement = self.settlement(&message, put_off(held), None);
            let moved = self.settle(settlement, &mut slot).await;
            return self.after(&message, &moved);
        }
        match self.look(lease, &message).await {
            Some(Look::Go) if self.in_time(&message) => {}
            Some(Look::Ended(status, reason)) => {
                return self.observe_end(&message, status, reason);
            }
            Some(Look::LeaseGone | Look::PutAside) => return,
            Some(Look::Go) | None => {
                return self.give_back(&message.content.account, vec![lease]).await;
            }
        }
        let began = self.parts.clock.now();
        let (settlement, health) = self.call(&message, slot.probe).await;
        if let Some(health) = health {
            let ended = Ended {
                health,
                accepted: matches!(settlement.outcome, Outcome::Accepted { .. }),
                kind: message.content.kind,
                probe: slot.probe,
                began,
            };
            let now = self.parts.clock.now();
            let turned = self
                .parts
                .slots
                .record(&message.content.account, &ended, now);
            self.observe_lane(&message, turned, &settlement);
        }
        let suppressed_for = suppressed_for(&message, &settlement);
        let moved = self.settle(settlement, &mut slot).await;
        self.after(&message, &moved);
        if let Some(reason) = suppressed_for {
            self.parts.observer.observe(&Event::Suppressed {
                account: message.content.account.clone(),
                reason,
            });
        }
        drop(slot);
    }

    /// Asks until there is an answer; nothing if the message had better be given back.
    async fn look(&self, lease: LeaseRef, message: &Message) -> Option<Look> {
        loop {
            match self.parts.queue.look(lease, self.parts.clock.now()).await {
                Ok(look) => return Some(look),
                Err(error) => {
                    tracing::warn!(%error, message = %lease.id, "cannot look before the call yet");
                }
            }
            if self.parts.slots.is_draining() || !self.in_time(message) {
                return None;
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    /// Gives back leases of an account whose calls were not made, until it is durable: after a restart a lease that is left
    /// over counts as a call.
    pub(super) async fn give_back(&self, account: &AccountName, leases: Vec<LeaseRef>) {
        let Parts {
            queue,
            clock,
            slots,
            ..
        } = &self.parts;
        while let Err(error) = queue.release(leases.clone(), clock.now()).await {
            tracing::warn!(%error, "cannot release yet");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        let now = clock.now();
        slots.waiting(account, now, now);
    }

    /// Whether a first call may still go out. The look's answer may have been long on its way: meanwhile another node may
    /// have taken the lease back and sent the message, and a call after WeChat's window would be a second copy.
    fn in_time(&self, message: &Message) -> bool {
        let lease = message.delivery.lease.as_ref();
        lease.is_some_and(|lease| self.parts.clock.now() < lease.at.plus(SAFE_WINDOW))
    }

    async fn call(&self, message: &Message, probe: bool) -> (Settlement, Option<Health>) {
        let (content, delivery) = (&message.content, &message.delivery);
        let clock = Arc::clone(&self.parts.clock);
        let token = match self.parts.keeper.current(&content.account) {
            Ok(token) => token,
            Err(wait) => {
                let outcome = Outcome::NotCalled {
                    until: wait.until,
                    reason: wait.reason,
                };
                return (self.settlement(message, outcome, None), None);
            }
        };
        let entered = match self.parts.slots.enter(content, clock.now()) {
            Ok(entered) => entered,
            Err(held) => return (self.settlement(message, put_off(held), None), None),
        };
        let repeat = delivery.window_end(content.kind).map(|end| -> Gate {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now() < end)
        });
        let call = SendCall {
            content: Arc::clone(content),
            wire_id: message.id.on_the_wire(delivery.generation),
            token: token.secret.clone(),
            repeat,
        };
        let (at, began) = (clock.now(), Instant::now());
        let answer = self.parts.upstream.send(call).await;
        let took = began.elapsed();
        let now = clock.now();
        self.parts.observer.observe(&Event::Called {
            id: message.id,
            account: content.account.clone(),
            kind: content.kind,
            errcode: errcode(&answer),
            took,
        });
        let (outcome, health) = self.read(&answer, now);
        let class = match &outcome {
            Outcome::Accepted { .. } => Some(Class::Ok),
            Outcome::Answered { class, .. } => Some(*class),
            _ => None,
        };
        let turned = self.parts.slots.left(content, entered, class, now);
        self.told_of_kind(content, turned, &answer);
        let health = match turned {
            // The account's other kinds go on; of a lane that is closed it says nothing.
            KindTurn::Held { .. } => (!probe).then_some(Health::Fine),
            KindTurn::Same | KindTurn::GoesOn => health,
        };
        let keeper = &self.parts.keeper;
        keeper.answered(&content.account, &token, &answer);
        let called = !matches!(outcome, Outcome::NotCalled { .. } | Outcome::Unwritable);
        let attempt = called.then(|| attempt(&answer, (at, took), delivery.generation));
        (self.settlement(message, outcome, attempt), health)
    }

    /// Says once that WeChat takes none of a kind, and that it takes them again.
    fn told_of_kind(&self, content: &Content, turned: KindTurn, answer: &Answer) {
        let (account, kind) = (&content.account, content.kind);
        match (turned, answer) {
            (KindTurn::Held { news: true }, Err(error)) => {
                tracing::warn!(%account, %kind, %error, "WeChat does not take this kind of the account's messages");
            }
            (KindTurn::GoesOn, _) => {
                tracing::info!(%account, %kind, "WeChat takes this kind of the account's messages again");
                self.parts.observer.observe(&Event::KindGoesOn {
                    account: account.clone(),
                    kind,
                });
            }
            _ => {}
        }
    }

    fn settlement(
        &self,
        message: &Message,
        outcome: Outcome,
        attempt: Option<Attempt>,
    ) -> Settlement {
        Settlement {
            id: message.id,
            generation: message.delivery.generation,
            lease_seq: message.delivery.lease_seq,
            outcome,
            attempt,
            policy: (self.parts.policy)(&message.content.account),
            roll: Roll::draw(),
        }
    }

    fn read(&self, answer: &Answer, now: UnixMs) -> (Outcome, Option<Health>) {
        match answer {
            Ok(msgid) => (Outcome::Accepted { msgid: *msgid }, Some(Health::Fine)),
            Err(CallError::NotSent(error)) => {
                let not_called = Outcome::NotCalled {
                    until: now.plus(UNREACHABLE_PAUSE),
                    reason: Reason::UpstreamUnavailable,
                };
                match error.cause {
                    NotSentCause::Connect => (not_called, Some(Health::Failing)),
                    // The rest is not WeChat's doing, so it says nothing of the lane.
                    NotSentCause::NotAllowed => (not_called, None),
                    NotSentCause::Request => (Outcome::Unwritable, None),
                }
            }
            Err(CallError::InDoubt(_)) => (Outcome::InDoubt, Some(Health::Failing)),
            Err(CallError::Refused(error)) => {
                let class = error.class();
                (
                    Outcome::Answered {
                        class,
                        errcode: error.code,
                    },
                    Some(health(class, now)),
                )
            }
        }
    }

    /// Tries until it is durable.
    async fn settle(&self, settlement: Settlement, slot: &mut Slot) -> Moved {
        let Parts { queue, clock, .. } = &self.parts;
        let mut settling = queue.settle(settlement.clone(), clock.now());
        // The first poll hands it to the store. Who waits for the slot need not wait until it is durable.
        let mut settled = match poll!(settling.as_mut()) {
            Poll::Ready(settled) => settled,
            Poll::Pending => {
                slot.vacate();
                settling.await
            }
        };
        loop {
            match settled {
                Ok(moved) => return moved,
                Err(error) => {
                    slot.occupy();
                    tracing::warn!(%error, message = %settlement.id, "cannot settle yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                    settled = queue.settle(settlement.clone(), clock.now()).await;
                }
            }
        }
    }

    fn after(&self, message: &Message, moved: &Moved) {
        if moved.status == Status::Queued {
            self.parts.slots.waiting(
                &message.content.account,
                moved.due_at,
                self.parts.clock.now(),
            );
        }
        self.parts.observer.observe(&Event::Moved {
            id: message.id,
            account: message.content.account.clone(),
            status: moved.status,
            reason: moved.reason,
            msgid: moved.msgid,
        });
    }

    fn observe_end(&self, message: &Message, status: Status, reason: Option<Reason>) {
        let (id, account) = (message.id, message.content.account.clone());
        self.parts.observer.observe(&Event::Moved {
            id,
            account,
            status,
            reason,
            msgid: None,
        });
    }

    fn observe_lane(&self, message: &Message, turned: Option<LaneTurn>, settlement: &Settlement) {
        let said = settlement
            .attempt
            .as_ref()
            .map_or("cannot connect", |attempt| attempt.errmsg.as_str());
        let account = &message.content.account;
        let stopped = match turned {
            None => return,
            Some(LaneTurn::Opened) => {
                tracing::info!(%account, "WeChat takes this account's messages again");
                None
            }
            Some(LaneTurn::Closed) => {
                tracing::warn!(%account, said, "WeChat does not take this account's messages");
                Some(format!(
                    "WeChat does not take this account's messages: {said}"
                ))
            }
        };
        self.parts.observer.observe(&Event::Standing {
            account: account.clone(),
            source: Source::Lane,
            stopped,
        });
    }
}

/// The word under which an answer suppresses its message's recipient, if it does.
fn suppressed_for(message: &Message, settlement: &Settlement) -> Option<Reason> {
    let Outcome::Answered { class, errcode } = settlement.outcome else {
        return None;
    };
    let called_at = settlement.attempt.as_ref()?.at;
    News::of_answer(class, errcode, &message.content, called_at)?.suppresses_for()
}

type Answer = Result<Option<i64>, CallError>;

fn errcode(answer: &Answer) -> Option<i64> {
    match answer {
        Ok(_) => Some(0),
        Err(CallError::Refused(error)) => Some(error.code),
        Err(_) => None,
    }
}

/// A call that was made, when, and how long its answer took.
fn attempt(answer: &Answer, (at, took): (UnixMs, Duration), generation: u32) -> Attempt {
    Attempt {
        at,
        errcode: errcode(answer),
        errmsg: match answer {
            Ok(_) => "ok".to_owned(),
            Err(CallError::Refused(error)) => error.errmsg.clone(),
            Err(error) => error.to_string(),
        },
        rid: match answer {
            Err(CallError::Refused(error)) => error.rid.clone(),
            _ => None,
        },
        took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        msgid: answer.as_ref().ok().copied().flatten(),
        generation,
    }
}

fn put_off(held: KindHold) -> Outcome {
    Outcome::NotCalled {
        until: held.until,
        reason: held.reason,
    }
}

/// What an answer says of its account's lane.
fn health(class: Class, now: UnixMs) -> Health {
    match class {
        // On a failing lane the pauses outlast an idle connection, so that a retired address is resolved anew.
        Class::RetiredAddress => Health::Failing,
        Class::Busy => Health::Busy,
        Class::Rate(RateScope::Account) => Health::Paused(now.next_minute()),
        Class::Quota => Health::Stopped(quota::renewed_after(now)),
        Class::Account(AccountFault::Blocked | AccountFault::Capability) => {
            Health::Stopped(now.plus(STOPPED_PROBE))
        }
        Class::Configuration(fault) => Health::Stopped(now.plus(match fault {
            ConfigurationFault::RefusedForAnHour => Duration::from_secs(3_600),
            ConfigurationFault::RefusedForADay => Duration::from_secs(86_400),
            _ => STOPPED_PROBE,
        })),
        // The keeper holds the token back; the lane itself is well.
        _ => Health::Fine,
    }
}
