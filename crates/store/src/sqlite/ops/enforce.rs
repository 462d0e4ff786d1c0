//! Makes the messages of a broadcast stand as its state says: held, let go or cancelled, a few at a time; and forgets the
//! rows of one that ended. The steps are `delivery`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::port::{Enforced, HELD_MS};
use hongyan_courier::broadcast::{BroadcastId, State};
use hongyan_courier::delivery::Delivery;
use hongyan_courier::message::MessageId;
use hongyan_courier::port::Swept;
use rusqlite::params;

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;
use crate::sqlite::read::broadcast::stands;

/// The most pieces and followers that are forgotten at a time.
const PIECES_FORGOTTEN: i64 = 16;
const FOLLOWERS_FORGOTTEN: i64 = 1_000;

pub(in crate::sqlite) struct EnforceOp {
    pub(in crate::sqlite) id: BroadcastId,
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for EnforceOp {
    type Answer = Enforced;
    const NAME: &'static str = "enforce_broadcast";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Enforced, Fault> {
        let Some((state, ..)) = stands(&base.conn, self.id)? else {
            return Ok(Enforced::default());
        };
        let step: fn(&mut Delivery) -> bool = match state {
            State::Paused => Delivery::hold,
            State::Running => Delivery::let_go,
            State::Cancelled => |delivery| delivery.cancel().is_ok(),
            _ => |_| false,
        };
        let mut messages = self.waiting(base, state)?;
        if state == State::Cancelled {
            messages.extend(self.being_sent(base));
        }
        let mut enforced = Enforced {
            state: Some(state),
            more: messages.len() > self.limit,
            ..Enforced::default()
        };
        messages.truncate(self.limit);
        for id in messages {
            let changed = base.change(id, self.now, |_, delivery| step(delivery))?;
            let Some(changed) = changed.filter(|changed| changed.answer) else {
                continue;
            };
            enforced.changed += 1;
            if changed.moved.status.ended() {
                enforced.ended.push(Swept {
                    id,
                    account: changed.account,
                    status: changed.moved.status,
                    reason: changed.moved.reason,
                });
            }
        }
        if state.ended() && !enforced.more {
            enforced.more = self.forget(base)?;
        }
        Ok(enforced)
    }
}

impl EnforceOp {
    /// Queued messages that do not stand as they should; one more than may be changed, if there are more.
    fn waiting(&self, base: &Base, state: State) -> Result<Vec<MessageId>, Fault> {
        let sql = match state {
            State::Paused => {
                "SELECT id FROM messages INDEXED BY messages_broadcast_queued WHERE broadcast = ?1 AND status = 0 \
                    AND due_at < ?2 AND doubt_at IS NULL ORDER BY due_at LIMIT ?3"
            }
            State::Running => {
                "SELECT id FROM messages INDEXED BY messages_broadcast_queued WHERE broadcast = ?1 AND status = 0 \
                    AND due_at >= ?2 ORDER BY due_at LIMIT ?3"
            }
            State::Cancelled => {
                "SELECT id FROM messages INDEXED BY messages_broadcast_queued WHERE broadcast = ?1 AND status = 0 \
                    AND due_at > -?2 ORDER BY due_at LIMIT ?3"
            }
            _ => return Ok(Vec::new()),
        };
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX - 1) + 1;
        let mut find = base.conn.prepare_cached(sql)?;
        let found = find.query_map(params![self.id.number(), HELD_MS, limit], |row| {
            row.get(0).map(MessageId::from_bytes)
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Messages with a call under way that nobody asked to be cancelled yet.
    fn being_sent(&self, base: &Base) -> Vec<MessageId> {
        let of = base.leases.values().filter(|(_, message)| {
            let of = message.content.broadcast;
            of.is_some_and(|of| of.id == self.id) && !message.delivery.cancel_requested
        });
        of.map(|(_, message)| message.id).collect()
    }

    /// Forgets some of its rows, and in the end that it must be looked after. Answers whether there are more.
    fn forget(&self, base: &Base) -> Result<bool, Fault> {
        let id = self.id.number();
        let pieces = "DELETE FROM broadcast_pieces WHERE rowid IN \
            (SELECT rowid FROM broadcast_pieces WHERE broadcast = ?1 LIMIT ?2)";
        let followers = "DELETE FROM broadcast_followers WHERE broadcast = ?1 AND openid IN \
            (SELECT openid FROM broadcast_followers WHERE broadcast = ?1 LIMIT ?2)";
        let mut gone = 0;
        for (sql, limit) in [(pieces, PIECES_FORGOTTEN), (followers, FOLLOWERS_FORGOTTEN)] {
            gone += base.conn.prepare_cached(sql)?.execute([id, limit])?;
        }
        let under_way = base.leases.values().any(|(_, message)| {
            let of = message.content.broadcast;
            of.is_some_and(|of| of.id == self.id)
        });
        if gone == 0 && !under_way {
            let sql = "UPDATE broadcasts SET tended = 1 WHERE id = ?1";
            base.conn.prepare_cached(sql)?.execute([id])?;
        }
        Ok(gone > 0)
    }
}
