//! Events out: for whom they are left, which are due, and how their tries went.
//! What becomes of an event is `courier::webhook`'s to say.

use hongyan_courier::UnixMs;
use hongyan_courier::port::{AcceptError, Nonce};
use hongyan_courier::webhook::{
    Again, EventId, EventState, GIVE_UP_AFTER, Kept, Subscription, TAKEN_FOR, Taken, Verdict,
};
use rusqlite::{Connection, params};

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::hooks::Hooks;
use crate::sqlite::read::events as read;

/// The most events that one look gives up for their age.
const GIVEN_UP_AT_ONCE: usize = 500;

pub(in crate::sqlite) struct SubscribeOp {
    pub(in crate::sqlite) webhooks: Vec<Subscription>,
}

impl Op for SubscribeOp {
    type Answer = ();
    const NAME: &'static str = "subscribe";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        if base.hooks.are(&self.webhooks) {
            return Ok(());
        }
        base.conn.execute("UPDATE webhooks SET body = NULL", [])?;
        for webhook in &self.webhooks {
            let body = serde_json::to_string(webhook);
            let body = body.map_err(|error| Fault::Unreadable(error.to_string()))?;
            let sql = "INSERT INTO webhooks (name, body) VALUES (?1, ?2) \
                ON CONFLICT (name) DO UPDATE SET body = excluded.body";
            base.conn.execute(sql, params![webhook.name, body])?;
        }
        base.hooks = Hooks::load(&base.conn)?;
        Ok(())
    }
}

pub(in crate::sqlite) struct TakeOp {
    pub(in crate::sqlite) webhook: String,
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for TakeOp {
    type Answer = Vec<Taken>;
    const NAME: &'static str = "take_events";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Vec<Taken>, Fault> {
        let (fresh, old) = self.due(&base.conn)?;
        for id in old {
            end(&base.conn, id, EventState::Failed, self.now)?;
        }
        let mut taken = Vec::with_capacity(fresh.len());
        for kept in fresh {
            let tries = kept.tries + 1;
            let sql = "UPDATE webhook_events SET tries = ?2, due_at = ?3 WHERE id = ?1";
            base.conn.prepare_cached(sql)?.execute(params![
                kept.event.id.as_bytes().as_slice(),
                tries,
                self.now.plus(TAKEN_FOR).0
            ])?;
            taken.push(Taken {
                message: base.find(kept.event.message)?,
                event: kept.event,
                begun_at: kept.begun_at,
                tries,
            });
        }
        Ok(taken)
    }
}

impl TakeOp {
    /// What is to be posted, and what has been tried for too long.
    fn due(&self, conn: &Connection) -> Result<(Vec<Kept>, Vec<EventId>), Fault> {
        let (mut fresh, mut old) = (Vec::new(), Vec::new());
        let sql = read::select!(
            "WHERE webhook = (SELECT id FROM webhooks WHERE name = ?1 AND off_since IS NULL) AND due_at <= ?2 \
             ORDER BY due_at"
        );
        let mut find = conn.prepare_cached(sql)?;
        let mut found = find.query(params![self.webhook, self.now.0])?;
        while fresh.len() < self.limit && old.len() < GIVEN_UP_AT_ONCE {
            let Some(row) = found.next()? else { break };
            let kept = read::kept(&self.webhook, row)?;
            if kept.begun_at.plus(GIVE_UP_AFTER) < self.now {
                old.push(kept.event.id);
            } else {
                fresh.push(kept);
            }
        }
        Ok((fresh, old))
    }
}

pub(in crate::sqlite) struct TriedOp {
    pub(in crate::sqlite) tries: Vec<(EventId, Verdict)>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for TriedOp {
    type Answer = ();
    const NAME: &'static str = "tried_events";

    fn rows(&self) -> usize {
        self.tries.len()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        for (id, verdict) in &self.tries {
            let conn = &base.conn;
            let key = id.as_bytes().as_slice();
            match verdict {
                Verdict::Delivered => end(conn, *id, EventState::Delivered, self.now)?,
                Verdict::Again { at, why } => {
                    let sql = "UPDATE webhook_events SET due_at = ?2, last_error = ?3 WHERE id = ?1 AND state = 0";
                    conn.prepare_cached(sql)?.execute(params![key, at.0, why])?;
                }
                Verdict::GivenUp { why } => {
                    let sql =
                        "UPDATE webhook_events SET last_error = ?2 WHERE id = ?1 AND state = 0";
                    if conn.prepare_cached(sql)?.execute(params![key, why])? == 1 {
                        end(conn, *id, EventState::Failed, self.now)?;
                    }
                }
                Verdict::Gone { why } => {
                    let sql = "UPDATE webhook_events SET due_at = ?2, last_error = ?3 WHERE id = ?1 AND state = 0";
                    let waits = conn
                        .prepare_cached(sql)?
                        .execute(params![key, self.now.0, why])?;
                    let sql = "UPDATE webhooks SET off_since = ?2 \
                        WHERE id = (SELECT webhook FROM webhook_events WHERE id = ?1) AND off_since IS NULL";
                    if waits == 1 {
                        conn.execute(sql, params![key, self.now.0])?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn end(conn: &Connection, id: EventId, state: EventState, now: UnixMs) -> Result<(), Fault> {
    let sql = "UPDATE webhook_events SET state = ?2, due_at = NULL, ended_at = ?3 WHERE id = ?1";
    let (id, state) = (id.as_bytes().as_slice(), codes::of_event_state(state));
    conn.prepare_cached(sql)?
        .execute(params![id, state, now.0])?;
    Ok(())
}

pub(in crate::sqlite) struct ResumeOp {
    pub(in crate::sqlite) webhook: String,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for ResumeOp {
    type Answer = Result<bool, AcceptError>;
    const NAME: &'static str = "resume_webhook";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        audit::note(&base.conn, self.nonce.as_ref())?;
        let sql = "UPDATE webhooks SET off_since = NULL WHERE name = ?1 AND off_since IS NOT NULL";
        Ok(Ok(base.conn.execute(sql, [&self.webhook])? == 1))
    }
}

pub(in crate::sqlite) struct PostAgainOp {
    pub(in crate::sqlite) webhook: String,
    pub(in crate::sqlite) which: Again,
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

/// The most events that are looked through for those whose message is still there. It is forgotten of the oldest first.
const LOOK_THROUGH: i64 = 10_000;

/// What makes events due again; the tail says which.
macro_rules! again {
    ($tail:literal) => {
        concat!(
            "UPDATE webhook_events SET state = 0, begun_at = ?1, tries = 0, due_at = ?1, ended_at = NULL ",
            $tail
        )
    };
}

impl Op for PostAgainOp {
    type Answer = Result<usize, AcceptError>;
    const NAME: &'static str = "post_events_again";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        let conn = &base.conn;
        let Some(number) = read::number(conn, &self.webhook)? else {
            return Ok(Ok(0));
        };
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        audit::note(conn, self.nonce.as_ref())?;
        Ok(Ok(match self.which {
            Again::One(id) => {
                let id = id.as_bytes().as_slice();
                let sql = again!(
                    "WHERE id = ?2 AND webhook = ?3 AND EXISTS (SELECT 1 FROM messages WHERE id = webhook_events.message)"
                );
                conn.execute(sql, params![self.now.0, id, number])?
            }
            Again::Failed(since) => {
                let sql = again!(
                    "WHERE id IN (SELECT id FROM (SELECT id, message FROM webhook_events WHERE webhook = ?2 AND state = 2 \
                     AND ended_at IS NOT NULL AND at >= ?3 ORDER BY ended_at DESC LIMIT ?5) AS given_up \
                     WHERE EXISTS (SELECT 1 FROM messages WHERE id = given_up.message) LIMIT ?4)"
                );
                let values = params![self.now.0, number, since.0, limit, LOOK_THROUGH];
                conn.execute(sql, values)?
            }
        }))
    }
}
