//! A page of messages, newest first. A filter becomes a query of the conditions that it has and no others.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::message::{Message, MessageId, Reason, Status};
use hongyan_courier::port::Filter;
use hongyan_courier::reach::Reach;
use rusqlite::types::Value;

use super::Reader;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

/// An id tells when it was made, at most so long before or after its message was accepted. Spares an index on
/// `created_at`: a period becomes a range of ids.
const ID_SLACK: Duration = Duration::from_secs(86_400);

pub(in crate::sqlite) fn page(
    reader: &mut Reader,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let Some((conditions, values)) = conditions(reader, filter)? else {
        return Ok(Vec::new());
    };
    let mut sql = String::from(match goes_by_end(filter) {
        true => rows::select!("INDEXED BY messages_ended WHERE 1"),
        false => rows::select!("WHERE 1"),
    });
    for condition in conditions {
        sql.push_str(" AND ");
        sql.push_str(condition);
    }
    let mut values = values;
    if !within(reader, &filter.within, "template_id", &mut sql, &mut values)? {
        return Ok(Vec::new());
    }
    let Reader { conn, accounts } = reader;
    // Of a broadcast, a later row is a newer message.
    sql.push_str(match filter.broadcast {
        Some(_) => " ORDER BY broadcast_row DESC LIMIT ",
        None => " ORDER BY id DESC LIMIT ",
    });
    sql.push_str(&limit.to_string());
    // Not cached: there are many shapes, and a page is not asked for often.
    let mut find = conn.prepare(&sql)?;
    let mut found = find.query(rusqlite::params_from_iter(values))?;
    let mut page = Vec::new();
    while let Some(row) = found.next()? {
        page.push(rows::read(row, |id| accounts.name(conn, id))?);
    }
    Ok(page)
}

/// Whether what ended so is looked through: it is far less than all that was ever accepted.
fn goes_by_end(filter: &Filter) -> bool {
    let narrower = filter.touser.is_some() || filter.broadcast.is_some();
    filter.ended_since.is_some() && filter.status.is_some() && !narrower
}

/// Adds what a reach asks for. False, if none of its accounts ever had anything.
pub(super) fn within(
    reader: &mut Reader,
    reach: &Reach,
    template_id: &str,
    sql: &mut String,
    values: &mut Vec<Value>,
) -> Result<bool, Fault> {
    if let Some(names) = reach.accounts() {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            numbers.extend(reader.accounts.known(&reader.conn, name)?);
        }
        if numbers.is_empty() {
            return Ok(false);
        }
        one_of("account", numbers.into_iter().map(Value::from), sql, values);
    }
    if let Some(ids) = reach.templates() {
        one_of(
            template_id,
            ids.iter().cloned().map(Value::from),
            sql,
            values,
        );
    }
    Ok(true)
}

fn one_of(
    column: &str,
    these: impl ExactSizeIterator<Item = Value>,
    sql: &mut String,
    values: &mut Vec<Value>,
) {
    let marks = vec!["?"; these.len()].join(", ");
    sql.push_str(&format!(" AND {column} IN ({marks})"));
    values.extend(these);
}

type Conditions = (Vec<&'static str>, Vec<Value>);

/// Nothing, if the filter names an account that never had a message.
fn conditions(reader: &mut Reader, filter: &Filter) -> Result<Option<Conditions>, Fault> {
    let (mut conditions, mut values) = Conditions::default();
    let mut add = |condition: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    if let Some(account) = &filter.account {
        let Some(number) = reader.accounts.known(&reader.conn, account)? else {
            return Ok(None);
        };
        add("account = ?", Some(number.into()));
    }
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let id = |id: MessageId| Value::from(id.as_bytes().to_vec());
    let first_at = |at: UnixMs| id(MessageId::first_at(at));
    // What ended without a delivery has an index of its own in a broadcast, which is found by these very words.
    let ended = |status: &Status| codes::of_status(*status) >= 4;
    let status = match filter.broadcast.and(filter.status).filter(ended) {
        Some(_) => "status >= 4 AND status = ?",
        None => "status = ?",
    };
    add(status, filter.status.map(codes::of_status).map(Value::from));
    add(
        "reason = ?",
        filter
            .reason
            .map(Reason::as_str)
            .map(str::to_owned)
            .map(Value::from),
    );
    let hash = filter.touser.as_deref().map(codes::openid_hash);
    add("touser_hash = ?", hash.map(Value::from));
    add("touser = ?", text(&filter.touser));
    add("template_id = ?", text(&filter.template_id));
    add("last_errcode = ?", filter.code.map(Value::from));
    add("reference = ?", text(&filter.reference));
    add("created_at >= ?", filter.since.map(|at| at.0.into()));
    add("created_at < ?", filter.until.map(|at| at.0.into()));
    add("ended_at >= ?", filter.ended_since.map(|at| at.0.into()));
    if hash.is_none() && filter.broadcast.is_none() {
        add(
            "id >= ?",
            filter.since.map(|at| first_at(at.minus(ID_SLACK))),
        );
        add("id < ?", filter.until.map(|at| first_at(at.plus(ID_SLACK))));
    }
    add(
        "broadcast = ?",
        filter.broadcast.map(|of| of.number().into()),
    );
    let before = match filter.broadcast {
        Some(_) => "broadcast_row < (SELECT broadcast_row FROM messages WHERE id = ?)",
        None => "id < ?",
    };
    add(before, filter.before.map(id));
    if let Some(msgid) = filter.msgid {
        let (least, greatest) = MessageId::of_number(msgid);
        let known = known_by_msgid(reader, msgid)?;
        // Of an account without receipts a msgid is in the messages alone, where it has no index.
        conditions.push(match known {
            true => "(id IN (SELECT message FROM msgids WHERE msgid = ?) OR id BETWEEN ? AND ?)",
            false => "(msgid = ? OR id BETWEEN ? AND ?)",
        });
        values.extend([msgid.into(), id(least), id(greatest)]);
    }
    Ok(Some((conditions, values)))
}

/// Whether a message is found by this number, as a msgid or its id's, without a look at every row.
fn known_by_msgid(reader: &Reader, msgid: i64) -> Result<bool, Fault> {
    let (least, greatest) = MessageId::of_number(msgid);
    let sql = "SELECT EXISTS (SELECT 1 FROM msgids WHERE msgid = ?1) \
        OR EXISTS (SELECT 1 FROM messages WHERE id BETWEEN ?2 AND ?3)";
    let mut find = reader.conn.prepare_cached(sql)?;
    let range = rusqlite::params![msgid, least.as_bytes(), greatest.as_bytes()];
    Ok(find.query_row(range, |row| row.get(0))?)
}
