//! Recipients as rows, both ways. It knows the columns and nothing of why they change; accounts are numbers here.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::recipient::{
    Credit, Heard, Listed, News, Recipient, Recipients, Source, Suppression, SuppressionFilter,
    What,
};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::base::Base;
use super::codes;
use super::fault::Fault;
use super::ops::recipient::HearOp;
use super::read::recipient;
use super::rows;

/// What is known of one; nothing counts as nothing heard.
pub(super) fn find(conn: &Connection, account: i64, openid: &str) -> Result<Recipient, Fault> {
    let sql = "SELECT state, source, since, event_at, lifted_at, override_until, confirm_at FROM recipients \
        WHERE account = ?1 AND openid = ?2";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query(params![account, openid])?;
    let mut known = match found.next()? {
        Some(row) => Recipient {
            state: codes::following(row.get(0)?)?,
            source: row
                .get::<_, Option<String>>(1)?
                .map(|word| source(&word))
                .transpose()?,
            since: rows::moment(row, 2)?,
            event_at: row.get(3)?,
            lifted_at: rows::moment(row, 4)?,
            override_until: rows::moment(row, 5)?,
            confirm_at: rows::moment(row, 6)?,
            ..Recipient::default()
        },
        None => Recipient::default(),
    };
    let sql = "SELECT template_id, reason, source, errcode, note, at, expires_at FROM suppressions \
        WHERE account = ?1 AND openid = ?2 ORDER BY at, template_id, reason";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query(params![account, openid])?;
    while let Some(row) = found.next()? {
        known.suppressions.push(suppression(row, 0)?);
    }
    let sql = "SELECT template_id, remaining, event_at FROM credits WHERE account = ?1 AND openid = ?2 ORDER BY template_id";
    let mut find = conn.prepare_cached(sql)?;
    let found = find.query_map(params![account, openid], |row| {
        Ok(Credit {
            template_id: row.get(0)?,
            left: row.get(1)?,
            event_at: row.get(2)?,
        })
    })?;
    known.credits = found.collect::<Result<_, _>>()?;
    Ok(known)
}

/// A suppression whose columns begin at `first`.
pub(super) fn suppression(row: &Row<'_>, first: usize) -> Result<Suppression, Fault> {
    let template_id: String = row.get(first)?;
    Ok(Suppression {
        template_id: Some(template_id).filter(|id| !id.is_empty()),
        reason: rows::reason(&row.get::<_, String>(first + 1)?)?,
        source: source(&row.get::<_, String>(first + 2)?)?,
        errcode: row.get(first + 3)?,
        note: row.get(first + 4)?,
        at: UnixMs(row.get(first + 5)?),
        expires_at: rows::moment(row, first + 6)?,
    })
}

fn source(word: &str) -> Result<Source, Fault> {
    Source::from_word(word).ok_or_else(|| Fault::Unreadable(format!("source {word}")))
}

/// Takes note of news inside the transaction.
pub(super) fn hear(
    base: &mut Base,
    account: &AccountName,
    openid: &str,
    news: &[News],
    now: UnixMs,
) -> Result<Heard, Fault> {
    let account = base.accounts.id(&base.conn, account)?;
    let before = find(&base.conn, account, openid)?;
    let mut released = 0;
    let mut known = before.clone();
    let raised = news.iter().filter_map(|news| known.hear(news, now));
    let raised = raised.collect();
    if known != before {
        save(&base.conn, account, openid, &before, &known)?;
        if !known.suppressions.is_empty() {
            base.held.add(openid);
        }
    }
    if before.is_spared() && !known.is_spared() {
        released = base.release_put_off((account, openid), now)?;
    }
    Ok(Heard {
        recipient: known,
        raised,
        released,
    })
}

/// What a settlement tells. An agreement that was used up is the usual case of a kind that needs them: one statement.
pub(super) fn told(
    base: &mut Base,
    account: &AccountName,
    (openid, news): (String, News),
    now: UnixMs,
) -> Result<(), Fault> {
    let What::Spent(template_id) = &news.what else {
        return hear(base, account, &openid, &[news], now).map(|_| ());
    };
    let account = base.accounts.id(&base.conn, account)?;
    let sql = "UPDATE credits SET remaining = remaining - 1 WHERE account = ?1 AND openid = ?2 AND template_id = ?3 AND remaining > 0";
    base.conn
        .prepare_cached(sql)?
        .execute(params![account, openid, template_id])?;
    Ok(())
}

fn save(
    conn: &Connection,
    account: i64,
    openid: &str,
    before: &Recipient,
    known: &Recipient,
) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO recipients (account, openid, state, source, since, event_at, lifted_at, \
        override_until, confirm_at, idle_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let ms = |at: Option<UnixMs>| at.map(|at| at.0);
    conn.prepare_cached(sql)?.execute(params![
        account,
        openid,
        codes::of_following(known.state),
        known.source.map(Source::as_str),
        ms(known.since),
        known.event_at,
        ms(known.lifted_at),
        ms(known.override_until),
        ms(known.confirm_at),
        ms(known.idle_since()),
    ])?;
    let gone = before
        .suppressions
        .iter()
        .filter(|one| !known.suppressions.contains(one));
    let sql = "DELETE FROM suppressions WHERE account = ?1 AND openid = ?2 AND template_id = ?3 AND reason = ?4";
    for one in gone {
        let template_id = one.template_id.as_deref().unwrap_or_default();
        conn.prepare_cached(sql)?.execute(params![
            account,
            openid,
            template_id,
            one.reason.as_str()
        ])?;
    }
    let new = known
        .suppressions
        .iter()
        .filter(|one| !before.suppressions.contains(one));
    let sql = "INSERT OR REPLACE INTO suppressions (account, openid, template_id, reason, source, errcode, note, at, \
        expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    for one in new {
        conn.prepare_cached(sql)?.execute(params![
            account,
            openid,
            one.template_id.as_deref().unwrap_or_default(),
            one.reason.as_str(),
            one.source.as_str(),
            one.errcode,
            one.note,
            one.at.0,
            ms(one.expires_at),
        ])?;
    }
    let sql = "INSERT OR REPLACE INTO credits (account, openid, template_id, remaining, event_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    for credit in known
        .credits
        .iter()
        .filter(|one| !before.credits.contains(one))
    {
        conn.prepare_cached(sql)?.execute(params![
            account,
            openid,
            credit.template_id,
            credit.left,
            credit.event_at
        ])?;
    }
    Ok(())
}

#[async_trait]
impl Recipients for SqliteStore {
    async fn recipient(
        &self,
        account: &AccountName,
        openid: &str,
    ) -> Result<Recipient, StoreError> {
        let (account, openid) = (account.clone(), openid.to_owned());
        self.read("recipient", move |reader| {
            recipient::one(reader, &account, &openid)
        })
        .await
    }

    async fn hear(
        &self,
        account: &AccountName,
        openid: &str,
        news: Vec<News>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Heard, AcceptError> {
        self.ask(HearOp {
            account: account.clone(),
            openid: openid.to_owned(),
            news,
            nonce,
            now,
        })
        .await?
    }

    async fn suppressions(
        &self,
        filter: SuppressionFilter,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Listed>, StoreError> {
        self.read("suppressions", move |reader| {
            recipient::suppressions(reader, &filter, limit, now)
        })
        .await
    }

    async fn to_confirm(
        &self,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        self.read("to_confirm", move |reader| {
            recipient::to_confirm(reader, limit, now)
        })
        .await
    }
}
