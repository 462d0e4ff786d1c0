//! Recipients, read beside the writer: one, a page of what is suppressed, those that WeChat is to be asked about.

use hongyan_courier::UnixMs;
use hongyan_courier::message::{AccountName, Reason};
use hongyan_courier::recipient::{Listed, Recipient, SuppressionFilter};
use rusqlite::params;

use super::Reader;
use crate::sqlite::fault::Fault;
use crate::sqlite::recipients;

pub(in crate::sqlite) fn one(
    reader: &mut Reader,
    account: &AccountName,
    openid: &str,
) -> Result<Recipient, Fault> {
    let Reader { conn, accounts } = reader;
    match accounts.known(conn, account)? {
        Some(account) => recipients::find(conn, account, openid),
        None => Ok(Recipient::default()),
    }
}

pub(in crate::sqlite) fn suppressions(
    reader: &mut Reader,
    filter: &SuppressionFilter,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<Listed>, Fault> {
    let Reader { conn, accounts } = reader;
    let Some(account) = accounts.known(conn, &filter.account)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT openid, template_id, reason, source, errcode, note, at, expires_at FROM suppressions \
        INDEXED BY suppressions_newest WHERE account = ?1 AND (expires_at IS NULL OR expires_at > ?2) \
        AND (?3 IS NULL OR reason = ?3) \
        AND (?4 IS NULL OR (at, openid, template_id, reason) < (?4, ?5, ?6, ?7)) \
        AND (?9 IS NULL OR template_id = '' OR template_id IN (SELECT value FROM json_each(?9))) \
        ORDER BY at DESC, openid DESC, template_id DESC, reason DESC LIMIT ?8";
    let mut find = conn.prepare_cached(sql)?;
    let before = filter.before.as_ref();
    let mut found = find.query(params![
        account,
        now.0,
        filter.reason.map(Reason::as_str),
        before.map(|place| place.at.0),
        before.map(|place| &place.openid),
        before.map(|place| &place.template_id),
        before.map(|place| &place.reason),
        i64::try_from(limit).unwrap_or(i64::MAX),
        filter
            .within
            .templates()
            .map(|ids| serde_json::Value::from(ids).to_string()),
    ])?;
    let mut listed = Vec::new();
    while let Some(row) = found.next()? {
        listed.push(Listed {
            openid: row.get(0)?,
            suppression: recipients::suppression(row, 1)?,
        });
    }
    Ok(listed)
}

pub(in crate::sqlite) fn to_confirm(
    reader: &mut Reader,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<(AccountName, String)>, Fault> {
    let Reader { conn, accounts } = reader;
    let sql = "SELECT account, openid FROM recipients INDEXED BY recipients_confirm \
        WHERE confirm_at IS NOT NULL AND confirm_at <= ?1 ORDER BY confirm_at LIMIT ?2";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query(params![now.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut due = Vec::new();
    while let Some(row) = found.next()? {
        due.push((accounts.name(conn, row.get(0)?)?, row.get(1)?));
    }
    Ok(due)
}
