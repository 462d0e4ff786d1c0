//! WeChat's later word: known again, joined with its message by msgid, or by openid, template and time where the kind has
//! none, or kept until the msgid is known.
//! What a receipt does to a message is `delivery`'s.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::State;
use hongyan_courier::delivery::{
    Addressed, MATCH_AMONG, Policy, ReceiptRecord, ReceiptWord, may_be_to, the_one_meant,
};
use hongyan_courier::message::{MessageId, Reason, Status};
use hongyan_courier::next::Roll;
use hongyan_courier::port::{AcceptError, Moved, Nonce};
use hongyan_courier::receipt::{NewReceipt, ReceiptTaken};
use hongyan_courier::recipient::News;
use hongyan_courier::recipient::forget::PSEUDONYM;
use rusqlite::{Connection, Row, params};

use super::Op;
use crate::sqlite::accounts::Accounts;
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::recipients;
use crate::sqlite::rows;

/// An orphan finds its message when that is settled. Only one that came at the same moment could be missed, so only young
/// ones are looked at again, and not all of those: another program may send from the same account, and every receipt of
/// its messages stays an orphan.
const ORPHAN_YOUNG: Duration = Duration::from_secs(300);
const ORPHANS_LOOKED_AT: i64 = 1_000;

pub(in crate::sqlite) struct ReceiveOp {
    pub(in crate::sqlite) receipt: NewReceipt,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for ReceiveOp {
    type Answer = Result<ReceiptTaken, AcceptError>;
    const NAME: &'static str = "receive";

    fn rows(&self) -> usize {
        2
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        let r = &self.receipt;
        let account = base.accounts.id(&base.conn, &r.account)?;
        if !keep(&base.conn, account, r, self.now)? {
            return Ok(Ok(ReceiptTaken::Known));
        }
        base.orphans += 1;
        if let Some((id, moved)) = join(base, account, (r, false), self.now)? {
            return Ok(Ok(ReceiptTaken::Joined(id, moved.status)));
        }
        // Of whoever it is about, even if another program sent the message.
        if let Some(news) = News::of_receipt(r) {
            recipients::hear(base, &r.account, &r.openid, &[news], self.now)?;
        }
        Ok(Ok(ReceiptTaken::Orphan))
    }
}

/// Keeps a receipt as one that waits. Answers false if it came before.
fn keep(conn: &Connection, account: i64, r: &NewReceipt, now: UnixMs) -> Result<bool, Fault> {
    let reason = match r.word {
        ReceiptWord::Success => None,
        ReceiptWord::Failed(reason) => Some(reason.as_str()),
    };
    let timeout = r.policy.receipt_timeout.map(|timeout| timeout.as_millis());
    let sql = "INSERT OR IGNORE INTO receipts (account, msgid, openid, create_time, status, at, reason, max_retries, \
        receipt_timeout, receipt_retries, roll, template_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let kept = conn.prepare_cached(sql)?.execute(params![
        account,
        r.msgid,
        r.openid,
        r.create_time,
        r.status,
        now.0,
        reason,
        r.policy.max_retries,
        timeout.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        r.policy.receipt_retries,
        r.roll.0,
        r.template_id,
    ])?;
    Ok(kept == 1)
}

/// Joins a kept receipt with its message, if that is known; `heard` is one that was kept until now.
fn join(
    base: &mut Base,
    account: i64,
    (r, heard): (&NewReceipt, bool),
    now: UnixMs,
) -> Result<Option<(MessageId, Moved)>, Fault> {
    let named = named(&base.conn, account, r)?;
    let meant = match (named, &r.template_id) {
        (Some(id), _) => Some((id, Addressed::Msgid(r.msgid))),
        (None, Some(template_id)) => {
            meant(base, account, (r, template_id))?.map(|id| (id, Addressed::Match))
        }
        (None, None) => None,
    };
    let Some((id, by)) = meant else {
        return Ok(None);
    };
    let record = ReceiptRecord::new(r.status.clone(), now);
    let failed = r.word != ReceiptWord::Success;
    let policy = match failed && is_of_a_cancelled_broadcast(&base.conn, id)? {
        true => r.policy.sending_no_more(),
        false => r.policy,
    };
    let mut nobody = None;
    let changed = base.change(id, now, |content, delivery| {
        nobody = content.names_nobody().then(|| content.touser.clone());
        let said = (r.word, record);
        delivery.receive(content, by, said, (policy, r.roll), now)
    })?;
    let Some(changed) = changed else {
        return Ok(None);
    };
    base.raise(&changed.account, changed.answer.flag)?;
    if let Some(news) = News::of_joined(r, &changed.answer.effect, heard, now) {
        recipients::hear(base, &r.account, &r.openid, &[news], now)?;
    }
    let sql = "UPDATE receipts SET message = ?1 WHERE msgid = ?2 AND account = ?3 AND openid = ?4 AND create_time = ?5 \
        AND status = ?6";
    base.conn.prepare_cached(sql)?.execute(params![
        id.as_bytes().as_slice(),
        r.msgid,
        account,
        r.openid,
        r.create_time,
        r.status,
    ])?;
    base.orphans -= 1;
    if let Some(pseudonym) = nobody {
        rename(&base.conn, (account, r.msgid), &r.openid, &pseudonym)?;
    }
    Ok(Some((id, changed.moved)))
}

/// An account's receipt of this msgid names somebody else from now on.
pub(super) fn rename(
    conn: &Connection,
    (account, msgid): (i64, i64),
    from: &str,
    to: &str,
) -> Result<(), Fault> {
    let sql = "UPDATE OR REPLACE receipts SET openid = ?1 WHERE msgid = ?2 AND account = ?3 AND openid = ?4";
    conn.prepare_cached(sql)?
        .execute(params![to, msgid, account, from])?;
    Ok(())
}

fn is_of_a_cancelled_broadcast(conn: &Connection, id: MessageId) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM messages JOIN broadcasts ON broadcasts.id = messages.broadcast \
        WHERE messages.id = ?1 AND state = ?2)";
    let cancelled = codes::of_broadcast_state(State::Cancelled);
    let mut find = conn.prepare_cached(sql)?;
    Ok(
        find.query_row(params![id.as_bytes().as_slice(), cancelled], |row| {
            row.get(0)
        })?,
    )
}

/// The message that was answered this msgid. Events of the two sorts count msgids apart.
fn named(conn: &Connection, account: i64, r: &NewReceipt) -> Result<Option<MessageId>, Fault> {
    let sql = "SELECT message, touser, kind FROM msgids JOIN messages ON messages.id = message \
        WHERE msgids.msgid = ?1 AND msgids.account = ?2";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([r.msgid, account])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    if r.template_id.is_some() && row.get::<_, i64>(2)? == 0 {
        return Ok(None);
    }
    if !may_be_to(&row.get::<_, String>(1)?, &r.openid) {
        tracing::warn!(
            account = %r.account, msgid = r.msgid,
            "a receipt is for another openid than the message of its msgid: it is kept, and not joined"
        );
        return Ok(None);
    }
    Ok(Some(MessageId::from_bytes(row.get(0)?)))
}

/// The message that a receipt without msgid means, if there is one alone that it can mean.
fn meant(
    base: &mut Base,
    account: i64,
    (r, template_id): (&NewReceipt, &str),
) -> Result<Option<MessageId>, Fault> {
    let Base { conn, accounts, .. } = base;
    let mut find = conn.prepare_cached(rows::select!(
        "INDEXED BY messages_unnamed WHERE kind > 0 AND touser_hash = ?1 AND account = ?2 AND touser = ?3 \
        ORDER BY rowid DESC LIMIT ?4"
    ))?;
    let among = i64::try_from(MATCH_AMONG).unwrap_or(i64::MAX);
    let mut found = find.query(params![
        codes::openid_hash(&r.openid),
        account,
        r.openid,
        among + 1
    ])?;
    let mut messages = Vec::new();
    while let Some(row) = found.next()? {
        messages.push(rows::read(row, |id| accounts.name(conn, id))?);
    }
    // Among too many to look through there may be another.
    if messages.len() > MATCH_AMONG {
        return Ok(None);
    }
    Ok(the_one_meant(&messages, template_id, r.event_at()))
}

/// Joins the receipts that waited for a msgid which is known now. Answers where the message stands after them.
pub(super) fn join_orphans_of(
    base: &mut Base,
    (account, msgid): (i64, i64),
    now: UnixMs,
) -> Result<Option<Moved>, Fault> {
    if base.orphans == 0 {
        return Ok(None);
    }
    let waiting = {
        let Base { conn, accounts, .. } = base;
        let sql = format!("{ORPHANS} AND msgid = ?1 AND account = ?2 ORDER BY +at");
        let mut find = conn.prepare_cached(&sql)?;
        let mut found = find.query([msgid, account])?;
        collect(conn, accounts, &mut found)?
    };
    let mut moved = None;
    for receipt in waiting {
        if let Some((_, now_stands)) = join(base, account, (&receipt, true), now)? {
            moved = Some(now_stands);
        }
    }
    Ok(moved)
}

/// Joins at most `limit` kept receipts whose msgid is known by now, among the youngest. Answers whose they were.
pub(super) fn join_orphans(
    base: &mut Base,
    limit: i64,
    now: UnixMs,
) -> Result<Vec<(MessageId, Status)>, Fault> {
    if base.orphans == 0 {
        return Ok(Vec::new());
    }
    let waiting = {
        let Base { conn, accounts, .. } = base;
        let mut find = conn.prepare_cached(YOUNG_ORPHANS)?;
        let young = now.minus(ORPHAN_YOUNG).0;
        let forgotten = format!("{PSEUDONYM}*");
        let mut found = find.query(params![young, ORPHANS_LOOKED_AT, limit, forgotten])?;
        collect(conn, accounts, &mut found)?
    };
    let mut joined = Vec::new();
    for receipt in waiting {
        let account = base.accounts.id(&base.conn, &receipt.account)?;
        if let Some((id, moved)) = join(base, account, (&receipt, true), now)? {
            joined.push((id, moved.status));
        }
    }
    Ok(joined)
}

const ORPHANS: &str = "SELECT account, msgid, openid, create_time, status, reason, max_retries, receipt_timeout, \
    receipt_retries, roll, template_id FROM receipts WHERE message IS NULL";

/// The newest orphans first, and those of which the msgid and the message are known, unless it is somebody else's.
const YOUNG_ORPHANS: &str = "SELECT * FROM (SELECT account, msgid, openid, create_time, status, reason, max_retries, \
    receipt_timeout, receipt_retries, roll, template_id FROM receipts WHERE message IS NULL AND at >= ?1 \
    ORDER BY at DESC LIMIT ?2) \
    AS orphan WHERE EXISTS (SELECT 1 FROM msgids JOIN messages ON messages.id = msgids.message \
    WHERE msgids.msgid = orphan.msgid AND msgids.account = orphan.account \
    AND (messages.touser = orphan.openid OR messages.touser GLOB ?4)) LIMIT ?3";

fn collect(
    conn: &Connection,
    accounts: &mut Accounts,
    found: &mut rusqlite::Rows<'_>,
) -> Result<Vec<NewReceipt>, Fault> {
    let mut receipts = Vec::new();
    while let Some(row) = found.next()? {
        receipts.push(read(conn, accounts, row)?);
    }
    Ok(receipts)
}

fn read(conn: &Connection, accounts: &mut Accounts, row: &Row<'_>) -> Result<NewReceipt, Fault> {
    let reason: Option<Reason> = row
        .get::<_, Option<String>>(5)?
        .map(|word| rows::reason(&word))
        .transpose()?;
    let timeout = row.get::<_, Option<i64>>(7)?;
    Ok(NewReceipt {
        account: accounts.name(conn, row.get(0)?)?,
        msgid: row.get(1)?,
        openid: row.get(2)?,
        word: reason.map_or(ReceiptWord::Success, ReceiptWord::Failed),
        status: row.get(4)?,
        create_time: row.get(3)?,
        policy: Policy {
            max_retries: row.get(6)?,
            receipt_timeout: timeout
                .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
            receipt_retries: row.get(8)?,
        },
        roll: Roll(row.get(9)?),
        template_id: row.get(10)?,
    })
}
