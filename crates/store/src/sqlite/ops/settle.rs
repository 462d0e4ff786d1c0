//! The look before a call where it must be written down, how the call went, and leases that are given back.
//! The steps are `delivery`'s; here is what a store keeps beside the row.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{
    CONTENT_MINUTE, Delivery, LeaseRef, Look, Objection, Outcome, Settlement,
};
use hongyan_courier::message::{Content, MessageId, Reason, Status};
use hongyan_courier::port::Moved;
use hongyan_courier::recipient::Hold;
use rusqlite::params;

use super::{Op, receipt};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::recipients;
use crate::sqlite::rows;

pub(in crate::sqlite) struct LookOp {
    pub(in crate::sqlite) lease: LeaseRef,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for LookOp {
    type Answer = Look;
    const NAME: &'static str = "look";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Look, Fault> {
        let objection = self.objection(base)?;
        let look = |content: &Content, delivery: &mut Delivery| {
            delivery.look(content.kind, self.lease.lease_seq, objection, self.now)
        };
        let changed = base.change(self.lease.id, self.now, look)?;
        Ok(changed.map_or(Look::LeaseGone, |changed| changed.answer))
    }
}

impl LookOp {
    /// What speaks by now against sending a leased message.
    fn objection(&self, base: &mut Base) -> Result<Option<Objection>, Fault> {
        let Some((_, message)) = base.leases.get(&self.lease.id) else {
            return Ok(None);
        };
        let content = Arc::clone(&message.content);
        let Some(account) = base.accounts.known(&base.conn, &content.account)? else {
            return Ok(None);
        };
        let hold = base.held.hold(&base.conn, account, &content, self.now)?;
        if let Some(Hold::End(reason)) = hold {
            return Ok(Some(Objection::Suppressed(reason)));
        }
        let stopped = base.is_stopped(&content);
        Ok(stopped.then_some(Objection::TemplateStopped))
    }
}

pub(in crate::sqlite) struct SettleOp {
    pub(in crate::sqlite) settlement: Settlement,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for SettleOp {
    type Answer = Moved;
    const NAME: &'static str = "settle";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Moved, Fault> {
        let (s, now) = (&self.settlement, self.now);
        let unique = content_is_unique(base, s, now)?;
        let changed = base.change(s.id, now, |content, delivery| {
            delivery.settle(content, s, unique, now)
        })?;
        let Some(changed) = changed else {
            // Forgotten meanwhile: there is nothing left to move, and nobody will ever tell.
            return Ok(Moved {
                status: Status::Unconfirmed,
                reason: Some(Reason::OutcomeUnknown),
                msgid: None,
                due_at: now,
            });
        };
        base.raise(&changed.account, changed.answer.flag)?;
        if let Some(told) = changed.answer.news {
            recipients::told(base, &changed.account, told, now)?;
        }
        base.stop(&changed.account, changed.answer.stop)?;
        let Some((msgid, generation)) = changed.answer.msgid else {
            return Ok(changed.moved);
        };
        let account = base.accounts.id(&base.conn, &changed.account)?;
        let sql = "INSERT OR REPLACE INTO msgids (msgid, account, message, generation) VALUES (?1, ?2, ?3, ?4)";
        base.conn.prepare_cached(sql)?.execute(params![
            msgid,
            account,
            s.id.as_bytes().as_slice(),
            generation
        ])?;
        let joined = receipt::join_orphans_of(base, (account, msgid), now)?;
        Ok(joined.unwrap_or(changed.moved))
    }
}

/// The most messages of one openid that are looked through.
const LOOK_THROUGH: i64 = 512;

/// Whether no other message of the same content may have gone to the same openid shortly before. It matters only to a
/// definite answer for a message in doubt, so it is asked only then. Among too many to look through there may be one.
fn content_is_unique(base: &mut Base, s: &Settlement, now: UnixMs) -> Result<bool, Fault> {
    if !matches!(s.outcome, Outcome::Answered { .. }) {
        return Ok(true);
    }
    let own = base.find(s.id)?.filter(|own| own.delivery.doubtful());
    let Some(own) = own else { return Ok(true) };
    let called_at = s.attempt.as_ref().map_or(now, |attempt| attempt.at);
    let since = called_at.minus(CONTENT_MINUTE);
    let hash = codes::openid_hash(&own.content.touser);
    let Base { conn, accounts, .. } = base;
    let sql = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE touser_hash = ?1 LIMIT ?2)";
    let mut count = conn.prepare_cached(sql)?;
    if count.query_row([hash, LOOK_THROUGH], |row| row.get::<_, i64>(0))? == LOOK_THROUGH {
        return Ok(false);
    }
    let sql = rows::select!("WHERE touser_hash = ?1 AND (ended_at IS NULL OR ended_at >= ?2)");
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([hash, since.0])?;
    while let Some(row) = found.next()? {
        let other = rows::read(row, |id| accounts.name(conn, id))?;
        if other.id != own.id
            && same_content(&other.content, &own.content)
            && other.delivery.may_have_called_since(since)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_content(one: &Content, other: &Content) -> bool {
    one.account == other.account
        && one.touser == other.touser
        && one.template_id == other.template_id
        && one.url == other.url
        && one.miniprogram == other.miniprogram
        && one.data == other.data
}

pub(in crate::sqlite) struct ReleaseOp {
    pub(in crate::sqlite) leases: Vec<LeaseRef>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for ReleaseOp {
    type Answer = ();
    const NAME: &'static str = "release";

    fn rows(&self) -> usize {
        self.leases.len()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        for lease in &self.leases {
            release(base, *lease, self.now)?;
        }
        Ok(())
    }
}

fn release(base: &mut Base, lease: LeaseRef, now: UnixMs) -> Result<(), Fault> {
    let id: MessageId = lease.id;
    // Only what is leased can be given back, and all of that is in memory.
    if base.leases.contains_key(&id) {
        base.change(id, now, |_, delivery| {
            delivery.release(lease.lease_seq, now)
        })?;
    }
    Ok(())
}
