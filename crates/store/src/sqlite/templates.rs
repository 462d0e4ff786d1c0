//! The templates of accounts as rows, both ways. It knows the columns; what a list changes is the domain's to say.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::kind::ListOf;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::StoreError;
use hongyan_courier::template::catalogue::{
    Catalogue, Entry, Happened, Kept, Listed, Templates, Update,
};
use hongyan_courier::template::stop::{Stop, StopCause};
use hongyan_courier::template::{Lasts, Template};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::fault::Fault;
use super::ops::templates::{CallBackOp, ResumeOp, TakeOverOp};
use super::read::Reader;
use super::rows;

/// The stops in force, by account and template: they are asked about at every lease.
pub(super) type Stops = HashMap<i64, BTreeMap<String, Stop>>;

/// What is kept of an account.
pub(super) fn catalogue(conn: &Connection, account: i64) -> Result<Catalogue, Fault> {
    let sql = "SELECT id, title, text, choices, example, primary_industry, deputy_industry, first_seen, last_seen, gone_at, list, lasts \
        FROM templates WHERE account = ?1";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([account])?;
    let mut templates = BTreeMap::new();
    while let Some(row) = found.next()? {
        let kept = kept(row)?;
        templates.insert(kept.listed.template.id.clone(), kept);
    }
    let sql = "SELECT list, synced_at FROM template_lists WHERE account = ?1";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([account])?;
    let mut synced = BTreeMap::new();
    while let Some(row) = found.next()? {
        synced.insert(list_of(&row.get::<_, String>(0)?)?, UnixMs(row.get(1)?));
    }
    Ok(Catalogue {
        synced,
        templates,
        stops: stops(conn)?.remove(&account).unwrap_or_default(),
    })
}

fn list_of(word: &str) -> Result<ListOf, Fault> {
    ListOf::from_word(word).ok_or_else(|| Fault::Unreadable(format!("list {word}")))
}

fn lasts(word: String) -> Result<Lasts, Fault> {
    Lasts::from_word(&word).ok_or_else(|| Fault::Unreadable(format!("lasts {word}")))
}

fn kept(row: &Row<'_>) -> Result<Kept, Fault> {
    let (id, title, text): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let mut template = Template::new(id, title, text);
    template.choices = rows::from_json(row, 3)?.unwrap_or_default();
    template.lasts = row.get::<_, Option<String>>(11)?.map(lasts).transpose()?;
    Ok(Kept {
        listed: Listed {
            list: list_of(&row.get::<_, String>(10)?)?,
            template,
            example: row.get(4)?,
            primary_industry: row.get(5)?,
            deputy_industry: row.get(6)?,
        },
        first_seen: UnixMs(row.get(7)?),
        last_seen: UnixMs(row.get(8)?),
        gone_at: rows::moment(row, 9)?,
    })
}

/// All stops there are: a handful.
pub(super) fn stops(conn: &Connection) -> Result<Stops, Fault> {
    let sql = "SELECT account, template_id, cause, errcode, since, text FROM template_stops";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query([])?;
    let mut stops = Stops::new();
    while let Some(row) = found.next()? {
        let cause: String = row.get(2)?;
        let known = StopCause::from_word(&cause);
        let stop = Stop {
            template_id: row.get(1)?,
            cause: known.ok_or_else(|| Fault::Unreadable(format!("cause {cause}")))?,
            errcode: row.get(3)?,
            since: UnixMs(row.get(4)?),
            text: row.get(5)?,
        };
        let of_account = stops.entry(row.get(0)?).or_default();
        of_account.insert(stop.template_id.clone(), stop);
    }
    Ok(stops)
}

pub(super) fn write_kept(conn: &Connection, account: i64, kept: &Kept) -> Result<(), Fault> {
    let template = &kept.listed.template;
    let sql = "INSERT OR REPLACE INTO templates (account, id, title, text, choices, example, primary_industry, \
        deputy_industry, first_seen, last_seen, gone_at, list, lasts) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    conn.prepare_cached(sql)?.execute(params![
        account,
        template.id,
        template.title,
        template.text(),
        rows::json((!template.choices.is_empty()).then_some(&template.choices))?,
        kept.listed.example,
        kept.listed.primary_industry,
        kept.listed.deputy_industry,
        kept.first_seen.0,
        kept.last_seen.0,
        kept.gone_at.map(|at| at.0),
        kept.listed.list.as_str(),
        template.lasts.map(Lasts::as_str),
    ])?;
    Ok(())
}

pub(super) fn write_entry(conn: &Connection, account: i64, entry: &Entry) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO template_history (account, id, at, change, title, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        account,
        entry.template_id,
        entry.at.0,
        entry.happened.as_str(),
        entry.title,
        entry.text,
    ])?;
    Ok(())
}

pub(super) fn write_stop(conn: &Connection, account: i64, stop: &Stop) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO template_stops (account, template_id, cause, errcode, since, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        account,
        stop.template_id,
        stop.cause.as_str(),
        stop.errcode,
        stop.since.0,
        stop.text,
    ])?;
    Ok(())
}

fn history(
    reader: &mut Reader,
    account: &AccountName,
    template_id: &str,
    limit: usize,
) -> Result<Vec<Entry>, Fault> {
    let Some(number) = reader.accounts.known(&reader.conn, account)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT at, change, title, text FROM template_history WHERE account = ?1 AND id = ?2 \
        ORDER BY at DESC LIMIT ?3";
    let mut find = reader.conn.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = find.query(params![number, template_id, limit])?;
    let mut entries = Vec::new();
    while let Some(row) = found.next()? {
        let change: String = row.get(1)?;
        let known = Happened::from_word(&change);
        entries.push(Entry {
            template_id: template_id.to_owned(),
            at: UnixMs(row.get(0)?),
            happened: known.ok_or_else(|| Fault::Unreadable(format!("change {change}")))?,
            title: row.get(2)?,
            text: row.get(3)?,
        });
    }
    Ok(entries)
}

#[async_trait]
impl Templates for SqliteStore {
    async fn catalogue(&self, account: &AccountName) -> Result<Catalogue, StoreError> {
        let account = account.clone();
        self.read("catalogue", move |reader| {
            let number = reader.accounts.known(&reader.conn, &account)?;
            number.map_or_else(
                || Ok(Catalogue::default()),
                |number| catalogue(&reader.conn, number),
            )
        })
        .await
    }

    async fn take_over(
        &self,
        account: &AccountName,
        of: ListOf,
        list: Vec<Listed>,
        now: UnixMs,
    ) -> Result<Update, StoreError> {
        let account = account.clone();
        self.ask(TakeOverOp {
            account,
            of,
            list,
            now,
        })
        .await
    }

    async fn history(
        &self,
        account: &AccountName,
        template_id: &str,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (account, template_id) = (account.clone(), template_id.to_owned());
        self.read("template_history", move |reader| {
            history(reader, &account, &template_id, limit)
        })
        .await
    }

    async fn resume(&self, account: &AccountName, template_id: &str) -> Result<bool, StoreError> {
        let (account, template_id) = (account.clone(), template_id.to_owned());
        self.ask(ResumeOp {
            account,
            template_id,
        })
        .await
    }

    async fn call_back(&self, limit: usize, now: UnixMs) -> Result<usize, StoreError> {
        self.ask(CallBackOp { limit, now }).await
    }
}
