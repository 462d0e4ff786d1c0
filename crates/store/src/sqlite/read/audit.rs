//! A page of the list of who did what.

use hongyan_courier::UnixMs;
use hongyan_courier::audit::{Act, AuditFilter, Entry};
use hongyan_courier::message::AccountName;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::Reader;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) fn page(
    reader: &mut Reader,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Vec<Entry>, Fault> {
    let mut sql = String::from(
        "SELECT number, at, who, source, what, account, subject, recipient, details, trace_id, seal FROM audit WHERE 1",
    );
    let mut values: Vec<Value> = Vec::new();
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let number =
        |number: Option<u64>| number.map(|n| Value::from(i64::try_from(n).unwrap_or(i64::MAX)));
    for (condition, value) in [
        (" AND who = ?", text(&filter.who)),
        (" AND subject = ?", text(&filter.subject)),
        (" AND recipient = ?", text(&filter.recipient)),
        (" AND at >= ?", filter.since.map(|at| at.0.into())),
        (" AND at < ?", filter.until.map(|at| at.0.into())),
        (" AND number < ?", number(filter.before)),
        (" AND number > ?", number(filter.after)),
    ] {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    if !filter.accounts.is_empty() {
        let marks = vec!["?"; filter.accounts.len()].join(", ");
        sql.push_str(&format!(" AND account IN ({marks})"));
        let names = filter.accounts.iter().map(|name| name.to_string().into());
        values.extend(names);
    }
    sql.push_str(match filter.after {
        Some(_) => " ORDER BY number LIMIT ",
        None => " ORDER BY number DESC LIMIT ",
    });
    sql.push_str(&limit.to_string());
    // Not cached: there are many shapes, and a page is not asked for often.
    let mut find = reader.conn.prepare(&sql)?;
    let mut found = find.query(params_from_iter(values))?;
    let mut page = Vec::new();
    while let Some(row) = found.next()? {
        let account: Option<String> = row.get(5)?;
        page.push(Entry {
            number: row.get::<_, i64>(0)?.unsigned_abs(),
            act: Act {
                at: UnixMs(row.get(1)?),
                who: row.get(2)?,
                from: row.get(3)?,
                what: row.get(4)?,
                account: account.as_deref().map(AccountName::from),
                subject: row.get(6)?,
                recipient: row.get(7)?,
                details: row.get(8)?,
                trace_id: row.get(9)?,
            },
            seal: row.get(10)?,
        });
    }
    Ok(page)
}
