//! By what a call is known again: nonces that are spent once, and keys that name what they stored.
//! It knows nothing of what the calls were about.

use hongyan_courier::UnixMs;
use hongyan_courier::message::MessageId;
use hongyan_courier::port::{AcceptError, DedupeMismatch, IdempotencyKey, Nonce};
use rusqlite::{Connection, OptionalExtension, params};

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

/// Stands in a list of ids for a message that was refused; no message has it, because ids carry a version.
const MISMATCH: [u8; 16] = [0; 16];

/// What a key stored, in order.
pub(super) type Ids = Vec<Result<MessageId, DedupeMismatch>>;

/// A key came again with another body.
pub(super) struct OtherBody;

/// What this key stored before, if it is not too long ago.
pub(super) fn find_key(
    conn: &Connection,
    key: &IdempotencyKey,
    now: UnixMs,
) -> Result<Option<Result<Ids, OtherBody>>, Fault> {
    let sql = "SELECT body, ids FROM idempotency WHERE scope = ?1 AND key = ?2 AND expires_at > ?3";
    let mut find = conn.prepare_cached(sql)?;
    let known: Option<([u8; 32], Vec<u8>)> = find
        .query_row(params![key.scope, key.key, now.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(known.map(|(body, ids)| {
        if body == key.body {
            Ok(unpack(&ids))
        } else {
            Err(OtherBody)
        }
    }))
}

/// Keeps what a key stored; an old entry of the same key gives way.
pub(super) fn keep_key(conn: &Connection, key: &IdempotencyKey, ids: &Ids) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO idempotency (scope, key, body, ids, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    conn.prepare_cached(sql)?.execute(params![
        key.scope,
        key.key,
        key.body.as_slice(),
        pack(ids),
        key.expires_at.0,
    ])?;
    Ok(())
}

fn pack(ids: &Ids) -> Vec<u8> {
    let bytes = ids.iter().flat_map(|one| match one {
        Ok(id) => *id.as_bytes(),
        Err(DedupeMismatch) => MISMATCH,
    });
    bytes.collect()
}

fn unpack(bytes: &[u8]) -> Ids {
    let (ids, _) = bytes.as_chunks::<16>();
    let each = ids.iter().map(|id| match *id {
        MISMATCH => Err(DedupeMismatch),
        id => Ok(MessageId::from_bytes(id)),
    });
    each.collect()
}

/// Spends a nonce for a change that is made elsewhere.
pub(in crate::sqlite) struct Spend {
    pub(in crate::sqlite) nonce: Nonce,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for Spend {
    type Answer = Result<(), AcceptError>;
    const NAME: &'static str = "spend";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        let fresh = base.spend(Some(&self.nonce))?;
        Ok(fresh.then_some(()).ok_or(AcceptError::NonceSeen))
    }
}
