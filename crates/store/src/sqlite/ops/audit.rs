//! The list of who did what: entries are only ever added, each sealed with all before it.
//! It knows nothing of what was done.

use hongyan_courier::UnixMs;
use hongyan_courier::audit::{Act, FIRST, Seal, seal};
use hongyan_courier::message::AccountName;
use hongyan_courier::port::Nonce;
use rusqlite::{Connection, OptionalExtension, params};

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

/// Writes down what a call did, in the transaction that did it.
pub(super) fn note(conn: &Connection, nonce: Option<&Nonce>) -> Result<(), Fault> {
    match nonce.and_then(|nonce| nonce.act.as_deref()) {
        Some(act) => add(conn, act),
        None => Ok(()),
    }
}

/// Adds an entry, in whatever transaction is open.
pub(in crate::sqlite) fn add(conn: &Connection, act: &Act) -> Result<(), Fault> {
    let sql = "SELECT number, seal FROM audit ORDER BY number DESC LIMIT 1";
    let mut find = conn.prepare_cached(sql)?;
    let last: Option<(i64, Seal)> = find
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, before) = last.unwrap_or((0, FIRST));
    let number = number + 1;
    let sql = "INSERT INTO audit (number, at, who, source, what, account, subject, recipient, details, trace_id, seal) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    conn.prepare_cached(sql)?.execute(params![
        number,
        act.at.0,
        act.who,
        act.from,
        act.what,
        act.account.as_ref().map(AccountName::as_str),
        act.subject,
        act.recipient,
        act.details,
        act.trace_id,
        seal(&before, number.unsigned_abs(), act).as_slice(),
    ])?;
    Ok(())
}

/// Writes an act down that is done elsewhere.
pub(in crate::sqlite) struct RecordOp {
    pub(in crate::sqlite) act: Act,
}

impl Op for RecordOp {
    type Answer = ();
    const NAME: &'static str = "audit";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        add(&base.conn, &self.act)
    }
}
