//! Whom something may be held back from: a set in memory, asked before the database is. It may name one too many and never
//! one too few, so it only grows while the process lives, and a rollback need not be heeded. And what is held back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Delivery;
use hongyan_courier::message::{Content, Message};
use hongyan_courier::recipient::limit::{COUNT_MAX, RecipientLimit, opens_at};
use hongyan_courier::recipient::{Hold, hold};
use rusqlite::{Connection, params};

use super::codes;
use super::fault::Fault;
use super::recipients;
use super::rows;

/// The most messages of one recipient that are looked through for what went out lately.
const LOOK_THROUGH: i64 = 512;

/// The most recipients that are remembered, in 38 MB. Beyond them it may be anybody.
const REMEMBERED_MAX: usize = 3_600_000;

/// Openids by their [hash](codes::openid_hash).
#[derive(Debug)]
pub(super) struct Held {
    /// Most stores hold nothing back, and ask no more than this.
    any: AtomicBool,
    /// There are more than are remembered.
    full: AtomicBool,
    hashes: RwLock<HashSet<i64>>,
    most: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self::at_most(REMEMBERED_MAX)
    }
}

impl Held {
    fn at_most(most: usize) -> Self {
        Self {
            any: AtomicBool::new(false),
            full: AtomicBool::new(false),
            hashes: RwLock::default(),
            most,
        }
    }

    /// Reads whom something is held back from.
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let held = Self::default();
        let mut all = conn.prepare("SELECT openid FROM suppressions")?;
        let mut found = all.query([])?;
        while let Some(row) = found.next()? {
            held.add(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
        }
        Ok(held)
    }

    /// Before the suppression is durable: whoever asks then is sent to the writer, which knows.
    pub(super) fn add(&self, openid: &str) {
        let mut hashes = self.hashes.write().unwrap_or_else(PoisonError::into_inner);
        let hash = codes::openid_hash(openid);
        if hashes.len() < self.most {
            hashes.insert(hash);
        } else if !hashes.contains(&hash) {
            self.full.store(true, Ordering::Release);
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn may_hold(&self, openid: &str) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        if self.full.load(Ordering::Acquire) {
            return true;
        }
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        hashes.contains(&codes::openid_hash(openid))
    }

    /// What its recipient's suppressions do to a message. Of most recipients there are none, which memory says.
    pub(super) fn hold(
        &self,
        conn: &Connection,
        account: i64,
        content: &Content,
        now: UnixMs,
    ) -> Result<Option<Hold>, Fault> {
        if !self.may_hold(&content.touser) || content.overrides_suppression() {
            return Ok(None);
        }
        let sql = "SELECT template_id, reason, source, errcode, note, at, expires_at FROM suppressions \
            WHERE account = ?1 AND openid = ?2 AND template_id IN ('', ?3) ORDER BY at, template_id, reason";
        let mut find = conn.prepare_cached(sql)?;
        let mut found = find.query(params![account, content.touser, content.template_id])?;
        let mut known = Vec::new();
        while let Some(row) = found.next()? {
            known.push(recipients::suppression(row, 0)?);
        }
        Ok(hold(&known, &content.template_id, now))
    }
}

/// When the account's limits let a message go to its recipient, if not at once.
pub(super) fn over_limit(
    conn: &Connection,
    account: i64,
    limits: &[RecipientLimit],
    message: &Message,
    now: UnixMs,
) -> Result<Option<Hold>, Fault> {
    let content = &message.content;
    let concerned = limits
        .iter()
        .any(|limit| limit.priorities.contains(&content.priority));
    if !concerned {
        return Ok(None);
    }
    let sql = "SELECT lease_at, doubt_at, attempts FROM messages WHERE touser_hash = ?1 AND account = ?2 AND touser = ?3 \
        AND (lease_at IS NOT NULL OR doubt_at IS NOT NULL OR attempts IS NOT NULL) ORDER BY rowid DESC LIMIT ?4";
    let mut find = conn.prepare_cached(sql)?;
    let hash = codes::openid_hash(&content.touser);
    let mut found = find.query(params![hash, account, content.touser, LOOK_THROUGH])?;
    let mut sends: Vec<UnixMs> = Vec::new();
    while let Some(row) = found.next()? {
        let (lease, doubt) = (rows::moment(row, 0)?, rows::moment(row, 1)?);
        let attempts = rows::attempts(row, 2)?;
        sends.extend(Delivery::last_went_out(lease.or(doubt), &attempts));
    }
    sends.sort_unstable_by(|one, other| other.cmp(one));
    sends.truncate(COUNT_MAX);
    Ok(opens_at(limits, content.priority, &sends, now).map(Hold::Until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_more_held_than_are_remembered_it_may_be_anybody() {
        let held = Held::at_most(2);
        for openid in ["o1", "o2", "o2"] {
            held.add(openid);
        }
        assert!(held.may_hold("o2") && !held.may_hold("o3"));
        held.add("o3");
        assert!(held.may_hold("o3") && held.may_hold("o4"));
        assert_eq!(held.hashes.read().unwrap().len(), 2);
    }
}
