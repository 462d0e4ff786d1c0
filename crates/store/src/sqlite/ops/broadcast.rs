//! What the writer does for broadcasts: makes them, keeps their rows, applies wishes, and moves their place with the
//! messages that are made of the rows. The steps are `broadcast`'s and `delivery`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::port::{Append, AppendRefused, BAD_ROWS_KEPT, Expansion, Follow};
use hongyan_courier::broadcast::rows::{BadRow, OPENID, write_row};
use hongyan_courier::broadcast::{Broadcast, BroadcastId, NewBroadcast, Place, Wish, WishRefused};
use hongyan_courier::port::{AcceptError, Accepted, ChangeError, IdempotencyKey, Nonce};
use rusqlite::{Connection, params};

use super::keys::{self, Ids, OtherBody};
use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::read::broadcast::{find, signed, stands};

/// The most bytes of rows that one database row holds.
pub(super) const PIECE_BYTES: usize = 64 << 10;
/// About so many bytes are as much work as a message.
const BYTES_A_ROW: usize = 512;

pub(in crate::sqlite) struct CreateOp {
    pub(in crate::sqlite) new: NewBroadcast,
    pub(in crate::sqlite) key: Option<IdempotencyKey>,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for CreateOp {
    type Answer = Result<(BroadcastId, bool), AcceptError>;
    const NAME: &'static str = "create_broadcast";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        let known = match &self.key {
            Some(key) => known_by(base, key, self.now)?,
            None => None,
        };
        let known = match known {
            Some(Err(OtherBody)) => return Ok(Err(AcceptError::IdempotencyMismatch)),
            Some(Ok(id)) => id,
            None => None,
        };
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        if let Some(id) = known {
            return Ok(Ok((id, true)));
        }
        let id = self.new.id;
        insert(base, &Broadcast::begin(self.new.clone(), self.now))?;
        if let Some(key) = &self.key {
            keys::keep_key(&base.conn, key, &vec![Ok(id.as_message_id())])?;
        }
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok((id, false)))
    }
}

/// The broadcast that this key stands for. One that is there says itself how long; one that is gone is none.
fn known_by(
    base: &mut Base,
    key: &IdempotencyKey,
    now: UnixMs,
) -> Result<Option<Result<Option<BroadcastId>, OtherBody>>, Fault> {
    let Some(known) = keys::kept_key(&base.conn, key)? else {
        return Ok(None);
    };
    let id = broadcast_of(&known.ids);
    let one = match id {
        Some(id) => find(&base.conn, &mut base.accounts, id)?,
        None => None,
    };
    let until = one.as_ref().map(|one| one.key_until(now));
    if now >= until.unwrap_or(known.expires_at) {
        return Ok(None);
    }
    let id = id.filter(|_| one.is_some());
    Ok(Some(known.with_body(key.body).map(|_| id)))
}

/// The broadcast that a key stored, if it stored one.
pub(super) fn broadcast_of(ids: &Ids) -> Option<BroadcastId> {
    let id = ids.first().copied()?.ok()?;
    BroadcastId::of_message_id(id)
}

fn insert(base: &mut Base, new: &Broadcast) -> Result<(), Fault> {
    let order = &new.order;
    let account = base.accounts.id(&base.conn, &order.account)?;
    let recipe = serde_json::to_string(&order.recipe);
    let recipe = recipe.map_err(|error| Fault::Unreadable(error.to_string()))?;
    let sql = "INSERT INTO broadcasts (id, created_at, account, client, source, recipe, rate, send_at, expires_at, state, \
        settled_before, tended, stored, complete, seen_byte, seen_lines, rows, bad) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, 0, 0, 0, 0, 0)";
    base.conn.prepare_cached(sql)?.execute(params![
        new.id.number(),
        new.created_at.0,
        account,
        order.client,
        codes::of_broadcast_source(order.source),
        recipe,
        order.rate,
        order.send_at.map(|at| at.0),
        order.expires_at.map(|at| at.0),
        codes::of_broadcast_state(new.state),
    ])?;
    let sql = "INSERT INTO broadcast_progress VALUES (?1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
    base.conn.prepare_cached(sql)?.execute([new.id.number()])?;
    Ok(())
}

/// Writes back what changes of a broadcast, its progress apart.
pub(super) fn update(conn: &Connection, one: &Broadcast) -> Result<(), Fault> {
    let upload = &one.upload;
    let columns = upload.columns.as_ref().map(serde_json::to_string);
    let columns = columns.transpose();
    let columns = columns.map_err(|error| Fault::Unreadable(error.to_string()))?;
    let sql = "UPDATE broadcasts SET state = ?2, started_at = ?3, running_since = ?4, settled_before = ?5, ended_at = ?6, \
        stored = ?7, complete = ?8, seen_byte = ?9, seen_lines = ?10, columns = ?11, rows = ?12, bad = ?13, \
        next_openid = ?14 WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![
        one.id.number(),
        codes::of_broadcast_state(one.state),
        one.started_at.map(|at| at.0),
        one.running_since.map(|at| at.0),
        signed(one.settled_before),
        one.ended_at.map(|at| at.0),
        signed(upload.stored),
        upload.complete,
        signed(upload.seen.byte),
        signed(upload.seen.lines),
        columns,
        signed(upload.rows),
        signed(upload.bad),
        upload.next_openid,
    ])?;
    Ok(())
}

pub(in crate::sqlite) struct AppendOp {
    pub(in crate::sqlite) id: BroadcastId,
    pub(in crate::sqlite) append: Append,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for AppendOp {
    type Answer = Result<Broadcast, ChangeError<AppendRefused>>;
    const NAME: &'static str = "append_rows";

    fn rows(&self) -> usize {
        1 + self.append.bytes.len() / BYTES_A_ROW
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(ChangeError::NonceSeen));
        }
        let Some(mut one) = find(&base.conn, &mut base.accounts, self.id)? else {
            return Ok(Err(ChangeError::NotFound));
        };
        if let Err(refused) = self.append.check(&one) {
            return Ok(Err(ChangeError::Refused(refused)));
        }
        keep_pieces(&base.conn, self.id, self.append.offset, &self.append.bytes)?;
        keep_bad(&base.conn, self.id, &self.append.bad)?;
        one.took(self.append.upload.clone());
        update(&base.conn, &one)?;
        Ok(Ok(one))
    }
}

fn keep_pieces(conn: &Connection, id: BroadcastId, at: u64, bytes: &[u8]) -> Result<(), Fault> {
    let sql = "INSERT INTO broadcast_pieces (broadcast, at, bytes) VALUES (?1, ?2, ?3)";
    let mut keep = conn.prepare_cached(sql)?;
    let mut at = signed(at);
    for piece in bytes.chunks(PIECE_BYTES) {
        keep.execute(params![id.number(), at, piece])?;
        at += signed(piece.len() as u64);
    }
    Ok(())
}

fn keep_bad(conn: &Connection, id: BroadcastId, bad: &[BadRow]) -> Result<(), Fault> {
    if bad.is_empty() {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM broadcast_bad_rows WHERE broadcast = ?1";
    let mut count = conn.prepare_cached(sql)?;
    let known: i64 = count.query_row([id.number()], |row| row.get(0))?;
    let room = BAD_ROWS_KEPT.saturating_sub(usize::try_from(known).unwrap_or(usize::MAX));
    let sql = "INSERT INTO broadcast_bad_rows (broadcast, line, problem, problem_zh) VALUES (?1, ?2, ?3, ?4)";
    let mut keep = conn.prepare_cached(sql)?;
    for one in bad.iter().take(room) {
        let fault = &one.fault;
        keep.execute(params![
            id.number(),
            signed(one.line),
            fault.english,
            fault.chinese
        ])?;
    }
    Ok(())
}

pub(in crate::sqlite) struct FollowOp {
    pub(in crate::sqlite) id: BroadcastId,
    pub(in crate::sqlite) follow: Follow,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for FollowOp {
    type Answer = bool;
    const NAME: &'static str = "keep_followers";

    fn rows(&self) -> usize {
        self.follow.openids.len().max(1)
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<bool, Fault> {
        let Some(mut one) = find(&base.conn, &mut base.accounts, self.id)? else {
            return Ok(false);
        };
        if !self.follow.belongs_to(&one) {
            return Ok(false);
        }
        let mut upload = one.upload.clone();
        let mut bytes = Vec::new();
        if upload.columns.is_none() {
            write_row(&mut bytes, [OPENID]);
            upload.seen.lines = 1;
        }
        let sql = "INSERT OR IGNORE INTO broadcast_followers (broadcast, openid) VALUES (?1, ?2)";
        let mut keep = base.conn.prepare_cached(sql)?;
        for openid in &self.follow.openids {
            if keep.execute(params![self.id.number(), openid])? == 1 {
                write_row(&mut bytes, [openid.as_str()]);
                upload.rows += 1;
                upload.seen.lines += 1;
            }
        }
        drop(keep);
        keep_pieces(&base.conn, self.id, upload.stored, &bytes)?;
        upload.columns = Some(Vec::new());
        upload.stored += bytes.len() as u64;
        upload.seen = Place {
            byte: upload.stored,
            ..upload.seen
        };
        upload.next_openid.clone_from(&self.follow.next);
        upload.complete = self.follow.last;
        one.took(upload);
        update(&base.conn, &one)?;
        Ok(true)
    }
}

pub(in crate::sqlite) struct WishOp {
    pub(in crate::sqlite) id: BroadcastId,
    pub(in crate::sqlite) wish: Wish,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for WishOp {
    type Answer = Result<Broadcast, ChangeError<WishRefused>>;
    const NAME: &'static str = "change_broadcast";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(ChangeError::NonceSeen));
        }
        base.tallies.write(&base.conn)?;
        let Some(mut one) = find(&base.conn, &mut base.accounts, self.id)? else {
            return Ok(Err(ChangeError::NotFound));
        };
        match one.apply(self.wish, self.now) {
            Ok(true) => update(&base.conn, &one)?,
            Ok(false) => {}
            Err(refused) => return Ok(Err(ChangeError::Refused(refused))),
        }
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok(one))
    }
}

/// Whether rows may become messages.
pub(super) fn may_expand(conn: &Connection, expansion: &Expansion) -> Result<bool, Fault> {
    let stands = stands(conn, expansion.id)?;
    Ok(stands.is_some_and(|(state, cursor, blanked)| expansion.belongs_to(state, cursor, blanked)))
}

/// The rows have become messages.
pub(super) fn expanded(
    conn: &Connection,
    expansion: &Expansion,
    accepted: &Accepted,
) -> Result<(), Fault> {
    let sql = "UPDATE broadcast_progress SET cursor_byte = ?2, cursor_lines = ?3, cursor_row = ?4, \
        accepted = accepted + ?5, refused = refused + ?6 WHERE broadcast = ?1";
    let to = expansion.to;
    let count = accepted.iter().flatten().count() as u64;
    conn.prepare_cached(sql)?.execute(params![
        expansion.id.number(),
        signed(to.place.byte),
        signed(to.place.lines),
        signed(to.row),
        signed(count),
        signed(expansion.refused.len() as u64),
    ])?;
    keep_bad(conn, expansion.id, &expansion.refused)
}
