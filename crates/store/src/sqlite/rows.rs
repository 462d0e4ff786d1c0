//! A message as a row, both ways. It knows the columns and nothing of why they change.
//! Accounts are numbers here; whoever reads brings their names.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::{BroadcastId, BroadcastRow};
use hongyan_courier::delivery::{Attempt, Delivery, Lease, ReceiptRecord};
use hongyan_courier::kind::Extras;
use hongyan_courier::message::{AccountName, Content, Message, MessageId, Reason};
use rusqlite::{Connection, Row, params};

use super::codes;
use super::fault::Fault;
use super::read::broadcast::signed;

/// A query whose rows [`read`] understands.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT id, created_at, account, kind, priority, status, due_at, reason, generation, lease_seq, lease_node, ",
            "lease_epoch, lease_at, expires_at, doubt_at, old_doubt, repeats, retries, resent, last_errcode, ",
            "call_started_at, cancel_requested, msgid, receipt_due, receipt, attempts, send_at, touser, template_id, ",
            "client, reference, trace_id, url, miniprogram, data, rowid, extras, broadcast, broadcast_row FROM messages ",
            $tail
        )
    };
}
pub(super) use select;

const INSERT: &str = "INSERT INTO messages (id, created_at, account, kind, priority, status, due_at, reason, generation, \
    lease_seq, lease_node, lease_epoch, lease_at, expires_at, doubt_at, old_doubt, repeats, retries, resent, \
    last_errcode, call_started_at, cancel_requested, msgid, receipt_due, receipt, attempts, send_at, touser, template_id, \
    client, reference, trace_id, url, miniprogram, data, touser_hash, extras, broadcast, broadcast_row) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
    ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, \
    ?34, ?35, ?36, ?37, ?38, ?39)";

const UPDATE: &str = "UPDATE messages SET status = ?2, due_at = ?3, reason = ?4, generation = ?5, lease_seq = ?6, \
    lease_node = ?7, lease_epoch = ?8, lease_at = ?9, expires_at = ?10, doubt_at = ?11, old_doubt = ?12, repeats = ?13, \
    retries = ?14, resent = ?15, last_errcode = ?16, call_started_at = ?17, cancel_requested = ?18, msgid = ?19, \
    receipt_due = ?20, receipt = ?21, attempts = ?22, \
    ended_at = CASE WHEN ?23 IS NULL THEN NULL ELSE coalesce(ended_at, ?23) END WHERE id = ?1";

const LEASE: &str = "UPDATE messages SET status = ?2, lease_seq = ?3, lease_node = ?4, lease_epoch = ?5, lease_at = ?6, \
    call_started_at = ?7 WHERE rowid = ?1";

/// Stores a new message.
pub(super) fn insert(conn: &Connection, account: i64, message: &Message) -> Result<(), Fault> {
    let (c, d) = (&message.content, &message.delivery);
    let (node, epoch, at) = lease_columns(d);
    conn.prepare_cached(INSERT)?.execute(params![
        message.id.as_bytes().as_slice(),
        message.created_at.0,
        account,
        codes::of_kind(c.kind),
        codes::of_priority(c.priority),
        codes::of_status(d.status),
        d.due_at.0,
        d.reason.map(Reason::as_str),
        d.generation,
        d.lease_seq,
        node,
        epoch,
        at,
        d.expires_at.map(|at| at.0),
        d.doubt.map(|at| at.0),
        d.old_doubt,
        d.repeats,
        d.retries,
        d.resent,
        d.last_errcode,
        d.call_started_at.map(|at| at.0),
        d.cancel_requested,
        d.msgid,
        d.receipt_due.map(|at| at.0),
        json(d.receipt.as_ref())?,
        json((!d.attempts.is_empty()).then_some(&d.attempts))?,
        c.send_at.map(|at| at.0),
        c.touser,
        c.template_id,
        c.client,
        c.reference,
        c.trace_id,
        c.url,
        c.miniprogram,
        c.data,
        codes::openid_hash(&c.touser),
        json(c.extras.as_deref())?,
        c.broadcast.map(|of| of.id.number()),
        c.broadcast.map(|of| signed(of.row)),
    ])?;
    Ok(())
}

/// Writes back what changes of a message.
pub(super) fn update(
    conn: &Connection,
    id: MessageId,
    d: &Delivery,
    now: UnixMs,
) -> Result<(), Fault> {
    let (node, epoch, at) = lease_columns(d);
    conn.prepare_cached(UPDATE)?.execute(params![
        id.as_bytes().as_slice(),
        codes::of_status(d.status),
        d.due_at.0,
        d.reason.map(Reason::as_str),
        d.generation,
        d.lease_seq,
        node,
        epoch,
        at,
        d.expires_at.map(|at| at.0),
        d.doubt.map(|at| at.0),
        d.old_doubt,
        d.repeats,
        d.retries,
        d.resent,
        d.last_errcode,
        d.call_started_at.map(|at| at.0),
        d.cancel_requested,
        d.msgid,
        d.receipt_due.map(|at| at.0),
        json(d.receipt.as_ref())?,
        json((!d.attempts.is_empty()).then_some(&d.attempts))?,
        d.is_over().then_some(now.0),
    ])?;
    Ok(())
}

/// Writes what [`Delivery::take_lease`] changes, and nothing else: it is done for every message that waited.
pub(super) fn lease(conn: &Connection, rowid: i64, d: &Delivery) -> Result<(), Fault> {
    let (node, epoch, at) = lease_columns(d);
    conn.prepare_cached(LEASE)?.execute(params![
        rowid,
        codes::of_status(d.status),
        d.lease_seq,
        node,
        epoch,
        at,
        d.call_started_at.map(|at| at.0),
    ])?;
    Ok(())
}

/// Where a row that [`select`] gave lies in its table.
pub(super) fn rowid(row: &Row<'_>) -> Result<i64, Fault> {
    Ok(row.get(35)?)
}

/// A row that [`select`] gave, with the name of its account.
pub(super) fn read(
    row: &Row<'_>,
    name: impl FnOnce(i64) -> Result<AccountName, Fault>,
) -> Result<Message, Fault> {
    let id = MessageId::from_bytes(row.get(0)?);
    let lease = match row.get::<_, Option<String>>(10)? {
        Some(node) => Some(Lease {
            node,
            epoch: row.get(11)?,
            at: UnixMs(row.get(12)?),
        }),
        None => None,
    };
    let delivery = Delivery {
        status: codes::status(row.get(5)?)?,
        reason: row
            .get_ref(7)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)?
            .map(reason)
            .transpose()?,
        generation: row.get(8)?,
        lease_seq: row.get(9)?,
        lease,
        due_at: UnixMs(row.get(6)?),
        expires_at: moment(row, 13)?,
        doubt: moment(row, 14)?,
        old_doubt: row.get(15)?,
        repeats: row.get(16)?,
        retries: row.get(17)?,
        resent: row.get(18)?,
        last_errcode: row.get(19)?,
        call_started_at: moment(row, 20)?,
        cancel_requested: row.get(21)?,
        msgid: row.get(22)?,
        receipt_due: moment(row, 23)?,
        receipt: from_json::<ReceiptRecord>(row, 24)?,
        attempts: attempts(row, 25)?,
    };
    let content = Content {
        account: name(row.get(2)?)?,
        client: row.get(29)?,
        kind: codes::kind(row.get(3)?)?,
        priority: codes::priority(row.get(4)?)?,
        touser: row.get(27)?,
        template_id: row.get(28)?,
        url: row.get(32)?,
        miniprogram: row.get(33)?,
        data: row.get(34)?,
        extras: from_json::<Extras>(row, 36)?.map(Box::new),
        reference: row.get(30)?,
        trace_id: row.get(31)?,
        send_at: moment(row, 26)?,
        broadcast: match row.get::<_, Option<i64>>(37)? {
            Some(id) => Some(BroadcastRow {
                id: BroadcastId::from_number(id),
                row: row.get::<_, i64>(38)?.unsigned_abs(),
            }),
            None => None,
        },
    };
    Ok(Message {
        id,
        created_at: UnixMs(row.get(1)?),
        content: Arc::new(content),
        delivery,
    })
}

/// The calls of a message, from the column that has them.
pub(super) fn attempts(row: &Row<'_>, column: usize) -> Result<Vec<Attempt>, Fault> {
    Ok(from_json(row, column)?.unwrap_or_default())
}

/// The reason that a word stands for.
pub(super) fn reason(word: &str) -> Result<Reason, Fault> {
    Reason::from_word(word).ok_or_else(|| Fault::Unreadable(format!("reason {word}")))
}

fn lease_columns(d: &Delivery) -> (Option<&str>, Option<i64>, Option<i64>) {
    let lease = d.lease.as_ref();
    (
        lease.map(|lease| lease.node.as_str()),
        lease.map(|lease| lease.epoch),
        lease.map(|lease| lease.at.0),
    )
}

/// A moment that may be missing.
pub(super) fn moment(row: &Row<'_>, column: usize) -> Result<Option<UnixMs>, Fault> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs))
}

/// What is kept as JSON, if there is any.
pub(super) fn json<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>, Fault> {
    Ok(value.map(serde_json::to_string).transpose()?)
}

/// The same, read.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>, Fault> {
    let text = row.get_ref(column)?;
    let text = text.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}
