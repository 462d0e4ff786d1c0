//! By what a call is known again: nonces that are spent once, and keys that name what they stored.
//! It knows nothing of what the calls were about.

use hongyan_courier::UnixMs;
use hongyan_courier::message::MessageId;
use hongyan_courier::port::{AcceptError, DedupeMismatch, IdempotencyKey, Nonce};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

/// Stands in a list of ids for a message that was refused; no message has it, because ids carry a version.
const MISMATCH: [u8; 16] = [0; 16];

/// What a key stored, in order.
pub(super) type Ids = Vec<Result<MessageId, DedupeMismatch>>;

/// A key came again with another body.
pub(super) struct OtherBody;

/// What a key stored, and for what body.
pub(super) struct Known {
    body: [u8; 32],
    pub(super) ids: Ids,
    pub(super) expires_at: UnixMs,
}

impl Known {
    /// What it stored, if it came with this body.
    pub(super) fn with_body(self, body: [u8; 32]) -> Result<Ids, OtherBody> {
        (self.body == body).then_some(self.ids).ok_or(OtherBody)
    }
}

/// What this key stored before, if it is not too long ago.
pub(super) fn find_key(
    conn: &Connection,
    key: &IdempotencyKey,
    now: UnixMs,
) -> Result<Option<Result<Ids, OtherBody>>, Fault> {
    let known = kept_key(conn, key)?.filter(|known| now < known.expires_at);
    Ok(known.map(|known| known.with_body(key.body)))
}

/// What this key stored, however long ago.
pub(super) fn kept_key(conn: &Connection, key: &IdempotencyKey) -> Result<Option<Known>, Fault> {
    let sql = "SELECT body, ids, expires_at FROM idempotency WHERE scope = ?1 AND key = ?2";
    let mut find = conn.prepare_cached(sql)?;
    let known = find.query_row(params![key.scope, key.key], |row| {
        Ok(Known {
            body: row.get(0)?,
            ids: unpack(&row.get::<_, Vec<u8>>(1)?),
            expires_at: UnixMs(row.get(2)?),
        })
    });
    Ok(known.optional()?)
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

pub(super) fn unpack(bytes: &[u8]) -> Ids {
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
        if !base.spend(Some(&self.nonce))? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        audit::note(&base.conn, Some(&self.nonce))?;
        Ok(Ok(()))
    }
}
