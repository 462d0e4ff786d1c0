//! Takes messages in: everything is looked at before anything is written, so that a refused call leaves no trace.
//! Pre-leased messages are handed over once the commit is durable, whether or not anybody still waits.

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Delivery;
use hongyan_courier::message::{Message, MessageId, Status};
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, DedupeMismatch, IdempotencyKey, NewMessage, Stored,
};
use hongyan_courier::recipient::Hold;
use rusqlite::{Connection, OptionalExtension};

use super::Op;
use super::broadcast;
use super::keys::{self, OtherBody};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct AcceptOp {
    pub(in crate::sqlite) call: Accept,
    pub(in crate::sqlite) now: UnixMs,
    /// Which of the call's messages were stored leased, as they were stored.
    pub(in crate::sqlite) leased: Vec<(usize, Message)>,
}

impl Op for AcceptOp {
    type Answer = Result<Accepted, AcceptError>;
    const NAME: &'static str = "accept";

    fn rows(&self) -> usize {
        self.call.messages.len().max(1)
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn only_adds(&self) -> bool {
        true
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        self.leased.clear();
        let known = match &self.call.idempotency {
            Some(key) => replay(base, key, self.now)?,
            None => None,
        };
        if let Some(Err(OtherBody)) = known {
            return Ok(Err(AcceptError::IdempotencyMismatch));
        }
        if let Some(rows) = &self.call.broadcast
            && !broadcast::may_expand(&base.conn, rows)?
        {
            return Ok(Err(AcceptError::BroadcastMoved));
        }
        // The first thing that is written: whatever is refused is refused by now.
        if !base.spend(self.call.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        match known {
            Some(Ok(accepted)) => Ok(Ok(accepted)),
            _ => {
                let accepted = self.store_all(base)?;
                if let Some(rows) = &self.call.broadcast {
                    broadcast::expanded(&base.conn, rows, &accepted)?;
                }
                Ok(Ok(accepted))
            }
        }
    }

    fn committed(mut self) {
        for (nth, message) in self.leased {
            if let Some(permit) = self.call.messages[nth].permit.take() {
                permit.hand_over(message);
            }
        }
    }
}

impl AcceptOp {
    fn store_all(&mut self, base: &mut Base) -> Result<Accepted, Fault> {
        let mut accepted = Accepted::with_capacity(self.call.messages.len());
        for (nth, new) in self.call.messages.iter().enumerate() {
            if let Some(key) = &new.dedupe {
                let known = match replay(base, key, self.now)? {
                    Some(Ok(known)) => {
                        Some(known.into_iter().next().unwrap_or(Err(DedupeMismatch)))
                    }
                    Some(Err(OtherBody)) => Some(Err(DedupeMismatch)),
                    None => None,
                };
                if let Some(known) = known {
                    accepted.push(known);
                    continue;
                }
                keys::keep_key(&base.conn, key, &vec![Ok(new.id)])?;
            }
            let held = self.held(base, new)?;
            let message = self.message(base, new, held.is_some());
            let (id, mut status) = (message.id, message.delivery.status);
            if status == Status::Sending {
                self.leased.push((nth, message.clone()));
            }
            base.add(message)?;
            let mut reason = None;
            if let Some(Hold::End(why)) = held {
                base.store()?;
                base.change(id, self.now, |_, delivery| delivery.suppress(why))?;
                (status, reason) = (Status::Suppressed, Some(why));
            }
            accepted.push(Ok(Stored {
                id,
                status,
                reason,
                replayed: false,
            }));
        }
        if let Some(key) = &self.call.idempotency {
            let ids = accepted.iter().map(|one| one.map(|stored| stored.id));
            keys::keep_key(&base.conn, key, &ids.collect())?;
        }
        Ok(accepted)
    }

    /// What holds a message back that would go now; one that is to go later is judged when its time has come.
    fn held(&self, base: &mut Base, new: &NewMessage) -> Result<Option<Hold>, Fault> {
        match due_at(new).is_some_and(|at| at > self.now) {
            true => Ok(None),
            false => base.hold(&new.content, self.now),
        }
    }

    fn message(&self, base: &Base, new: &NewMessage, held: bool) -> Message {
        let due_at = due_at(new).unwrap_or(self.now);
        let mut delivery = Delivery::queued(due_at, new.expires_at);
        // A lease on a gone epoch would belong to nobody.
        let permit = new.permit.as_ref().filter(|_| !held);
        let permit = permit.filter(|p| base.is_current(p.by()));
        if base.is_stopped(&new.content) {
            if due_at <= self.now {
                delivery.park(self.now);
            }
        } else if let Some(permit) = permit {
            delivery.take_lease(permit.lease(self.now));
        }
        Message {
            id: new.id,
            created_at: self.now,
            content: new.content.clone(),
            delivery,
        }
    }
}

/// When a message may go, unless it may go at once.
fn due_at(new: &NewMessage) -> Option<UnixMs> {
    new.not_before.or(new.content.send_at)
}

/// What this key stored before, as it stands now; nothing if any of it is forgotten by now.
fn replay(
    base: &mut Base,
    key: &IdempotencyKey,
    now: UnixMs,
) -> Result<Option<Result<Accepted, OtherBody>>, Fault> {
    let ids = match keys::find_key(&base.conn, key, now)? {
        None => return Ok(None),
        Some(Err(other)) => return Ok(Some(Err(other))),
        Some(Ok(ids)) => ids,
    };
    // They may be of this very transaction.
    base.store()?;
    let mut accepted = Accepted::with_capacity(ids.len());
    for one in ids {
        let stored = match one {
            Err(mismatch) => Err(mismatch),
            Ok(id) => match status(&base.conn, id)? {
                Some(status) => Ok(Stored {
                    id,
                    status,
                    reason: None,
                    replayed: true,
                }),
                None => return Ok(None),
            },
        };
        accepted.push(stored);
    }
    Ok(Some(Ok(accepted)))
}

/// Where a message stands.
pub(super) fn status(conn: &Connection, id: MessageId) -> Result<Option<Status>, Fault> {
    let mut find = conn.prepare_cached("SELECT status FROM messages WHERE id = ?1")?;
    let code: Option<i64> = find
        .query_row([id.as_bytes().as_slice()], |row| row.get(0))
        .optional()?;
    code.map(codes::status).transpose()
}
