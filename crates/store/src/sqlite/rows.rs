//! A message as a row, both ways. It knows the columns and nothing of why they change.
//! Accounts are numbers here; whoever reads brings their names.

use std::sync::{Arc, LazyLock};

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::{BroadcastId, BroadcastRow};
use hongyan_courier::delivery::{Attempt, Delivery, Lease, ReceiptRecord};
use hongyan_courier::kind::Extras;
use hongyan_courier::message::{AccountName, Content, Message, MessageId, Reason};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement, ToSql, params_from_iter};

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

/// What a new row has.
const COLUMNS: &str = "id, created_at, account, kind, priority, status, due_at, reason, generation, lease_seq, lease_node, \
    lease_epoch, lease_at, expires_at, doubt_at, old_doubt, repeats, retries, resent, last_errcode, \
    call_started_at, cancel_requested, msgid, receipt_due, receipt, attempts, send_at, touser, template_id, \
    client, reference, trace_id, url, miniprogram, data, touser_hash, extras, broadcast, broadcast_row";
const WIDTH: usize = 39;

/// Of so many rows at once; the more, the less each costs.
static INSERTS: LazyLock<[(usize, String); 3]> = LazyLock::new(|| {
    [16, 4, 1].map(|count| {
        let row = format!("(?{})", ", ?".repeat(WIDTH - 1));
        let rows = vec![row; count].join(", ");
        (
            count,
            format!("INSERT INTO messages ({COLUMNS}) VALUES {rows}"),
        )
    })
});

/// A message, with where its row lies.
pub(super) type Found = (i64, Message);

/// What a settlement writes fits.
const COLUMNS_USUAL: usize = 12;
const SET_USUAL: usize = 256;

/// Stores new messages, each with the number of its account. Answers where their rows lie, in order.
pub(super) fn insert(conn: &Connection, messages: &[(i64, Message)]) -> Result<Vec<i64>, Fault> {
    let mut rowids = Vec::with_capacity(messages.len());
    let mut left = messages;
    while !left.is_empty() {
        let fits = INSERTS.iter().find(|(count, _)| *count <= left.len());
        let Some((count, sql)) = fits else { break };
        let (these, others) = left.split_at(*count);
        left = others;
        let mut insert = conn.prepare_cached(sql)?;
        for (nth, (account, message)) in these.iter().enumerate() {
            bind(&mut insert, nth * WIDTH, *account, message)?;
        }
        insert.raw_execute()?;
        // New rows lie one behind the other.
        let last = conn.last_insert_rowid();
        let behind = i64::try_from(*count).unwrap_or(i64::MAX);
        rowids.extend(last - behind + 1..=last);
    }
    Ok(rowids)
}

fn bind(
    insert: &mut Statement<'_>,
    before: usize,
    account: i64,
    message: &Message,
) -> Result<(), Fault> {
    let (c, d) = (&message.content, &message.delivery);
    let lease = d.lease.as_ref();
    let values: &[&dyn ToSql; WIDTH] = &[
        &message.id.as_bytes().as_slice(),
        &message.created_at.0,
        &account,
        &codes::of_kind(c.kind),
        &codes::of_priority(c.priority),
        &codes::of_status(d.status),
        &d.due_at.0,
        &d.reason.map(Reason::as_str),
        &d.generation,
        &d.lease_seq,
        &node(d),
        &lease.map(|lease| lease.epoch),
        &lease.map(|lease| lease.at.0),
        &d.expires_at.map(|at| at.0),
        &d.doubt.map(|at| at.0),
        &d.old_doubt,
        &d.repeats,
        &d.retries,
        &d.resent,
        &d.last_errcode,
        &d.call_started_at.map(|at| at.0),
        &d.cancel_requested,
        &d.msgid,
        &d.receipt_due.map(|at| at.0),
        &json(d.receipt.as_ref())?,
        &json((!d.attempts.is_empty()).then_some(&d.attempts))?,
        &c.send_at.map(|at| at.0),
        &c.touser,
        &c.template_id,
        &c.client,
        &c.reference,
        &c.trace_id,
        &c.url,
        &c.miniprogram,
        &c.data,
        &codes::openid_hash(&c.touser),
        &json(c.extras.as_deref())?,
        &c.broadcast.map(|of| of.id.number()),
        &c.broadcast.map(|of| signed(of.row)),
    ];
    for (nth, value) in values.iter().enumerate() {
        insert.raw_bind_parameter(before + nth + 1, value)?;
    }
    Ok(())
}

/// Writes back what a step changed, and nothing else: a column that stays costs nothing, nor do the indexes that hang on it.
pub(super) fn update(
    conn: &Connection,
    rowid: i64,
    change: (&Delivery, &Delivery),
    now: UnixMs,
) -> Result<(), Fault> {
    changed(change, now)?.write(conn, &[rowid])
}

/// The same for many rows: those that change alike are written by one statement.
#[derive(Default)]
pub(super) struct Updates(Vec<(Set, Vec<i64>)>);

impl Updates {
    pub(super) fn add(
        &mut self,
        rowid: i64,
        change: (&Delivery, &Delivery),
        now: UnixMs,
    ) -> Result<(), Fault> {
        let set = changed(change, now)?;
        match self.0.iter_mut().find(|(known, _)| *known == set) {
            Some((_, rowids)) => rowids.push(rowid),
            None => self.0.push((set, vec![rowid])),
        }
        Ok(())
    }

    pub(super) fn write(self, conn: &Connection) -> Result<(), Fault> {
        for (set, rowids) in self.0 {
            set.write(conn, &rowids)?;
        }
        Ok(())
    }
}

fn changed((before, after): (&Delivery, &Delivery), now: UnixMs) -> Result<Set, Fault> {
    let mut set = Set {
        sql: String::with_capacity(SET_USUAL),
        values: Vec::with_capacity(COLUMNS_USUAL),
    };
    let (b, a) = (before, after);
    let lease = |d: &Delivery| d.lease.as_ref().map(|lease| (lease.epoch, lease.at.0));
    let millis = |at: Option<UnixMs>| at.map(|at| at.0);
    set.if_other("status", b.status, a.status, codes::of_status);
    set.if_other("due_at", b.due_at, a.due_at, |at| at.0);
    set.if_other("reason", b.reason, a.reason, |why| {
        why.map(|why| why.as_str().to_owned())
    });
    set.if_other("generation", b.generation, a.generation, |n| n);
    set.if_other("lease_seq", b.lease_seq, a.lease_seq, |n| n);
    set.if_other("lease_node", node(b), node(a), |node| {
        node.map(str::to_owned)
    });
    set.if_other("lease_epoch", lease(b), lease(a), |of| of.map(|of| of.0));
    set.if_other("lease_at", lease(b), lease(a), |of| of.map(|of| of.1));
    set.if_other("expires_at", b.expires_at, a.expires_at, millis);
    set.if_other("doubt_at", b.doubt, a.doubt, millis);
    set.if_other("old_doubt", b.old_doubt, a.old_doubt, |yes| yes);
    set.if_other("repeats", b.repeats, a.repeats, |n| n);
    set.if_other("retries", b.retries, a.retries, |n| n);
    set.if_other("resent", b.resent, a.resent, |n| n);
    set.if_other("last_errcode", b.last_errcode, a.last_errcode, |code| code);
    set.if_other(
        "call_started_at",
        b.call_started_at,
        a.call_started_at,
        millis,
    );
    set.if_other(
        "cancel_requested",
        b.cancel_requested,
        a.cancel_requested,
        |yes| yes,
    );
    set.if_other("msgid", b.msgid, a.msgid, |msgid| msgid);
    set.if_other("receipt_due", b.receipt_due, a.receipt_due, millis);
    if b.receipt != a.receipt {
        set.column("receipt", json(a.receipt.as_ref())?);
    }
    if b.attempts != a.attempts {
        set.column(
            "attempts",
            json((!a.attempts.is_empty()).then_some(&a.attempts))?,
        );
    }
    // Of what is over already, it stays as it was.
    set.if_other("ended_at", b.is_over(), a.is_over(), |over| {
        over.then_some(now.0)
    });
    Ok(set)
}

/// Columns with their new values.
#[derive(PartialEq)]
struct Set {
    sql: String,
    values: Vec<Value>,
}

impl Set {
    fn if_other<T: PartialEq, V: Into<Value>>(
        &mut self,
        column: &str,
        before: T,
        after: T,
        value: impl FnOnce(T) -> V,
    ) {
        if before != after {
            self.column(column, value(after));
        }
    }

    fn column(&mut self, column: &str, value: impl Into<Value>) {
        self.sql.push_str(if self.sql.is_empty() {
            "UPDATE messages SET "
        } else {
            ", "
        });
        self.sql.push_str(column);
        self.sql.push_str(" = ?");
        self.values.push(value.into());
    }

    fn write(mut self, conn: &Connection, rowids: &[i64]) -> Result<(), Fault> {
        if self.values.is_empty() {
            return Ok(());
        }
        if let [rowid] = rowids {
            self.sql.push_str(" WHERE rowid = ?");
            self.values.push((*rowid).into());
        } else {
            self.sql
                .push_str(" WHERE rowid IN (SELECT value FROM json_each(?))");
            self.values.push(serde_json::to_string(rowids)?.into());
        }
        conn.prepare_cached(&self.sql)?
            .execute(params_from_iter(self.values))?;
        Ok(())
    }
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

fn node(d: &Delivery) -> Option<&str> {
    d.lease.as_ref().map(|lease| lease.node.as_str())
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

#[cfg(test)]
mod tests {
    use hongyan_courier::conformance::fixture::{NOW, content};

    use super::*;
    use crate::sqlite::schema;

    /// Where a row is said to lie is where its lease is settled.
    #[test]
    fn rows_that_are_stored_together_lie_where_it_was_said() {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, schema::LATEST).unwrap();
        // As many as statements of every size take, and more than once.
        for round in 0..2 {
            let messages = (0..16 + 4 + 1).map(|nth| {
                let message = Message {
                    id: MessageId::new(NOW),
                    created_at: NOW,
                    content: Arc::new(content(&format!("o{round}-{nth}"))),
                    delivery: Delivery::queued(NOW, None),
                };
                (1, message)
            });
            let messages: Vec<_> = messages.collect();
            let rowids = insert(&conn, &messages).unwrap();
            assert_eq!(rowids.len(), messages.len());
            for (rowid, (_, message)) in rowids.iter().zip(&messages) {
                let mut find = conn.prepare(select!("WHERE rowid = ?1")).unwrap();
                let found = find.query_row([rowid], |row| {
                    Ok(read(row, |_| Ok(message.content.account.clone())).unwrap())
                });
                assert_eq!(found.unwrap(), *message);
            }
        }
    }
}
