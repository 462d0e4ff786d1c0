//! Recipients as rows, both ways. It knows the columns and nothing of why they change; accounts are numbers here.

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Delivery;
use hongyan_courier::message::{AccountName, Content, Message};
use hongyan_courier::recipient::limit::{COUNT_MAX, RecipientLimit, opens_at};
use hongyan_courier::recipient::{
    Credit, Heard, Hold, News, Recipient, Source, Suppression, What, hold,
};
use rusqlite::{Connection, Row, params};

use super::base::Base;
use super::codes;
use super::fault::Fault;
use super::held::Held;
use super::rows;

/// The most messages of one recipient that are looked through for what went out lately.
const LOOK_THROUGH: i64 = 512;

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
            since: moment(row, 2)?,
            event_at: row.get(3)?,
            lifted_at: moment(row, 4)?,
            override_until: moment(row, 5)?,
            confirm_at: moment(row, 6)?,
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
        expires_at: moment(row, first + 6)?,
    })
}

fn source(word: &str) -> Result<Source, Fault> {
    Source::from_word(word).ok_or_else(|| Fault::Unreadable(format!("source {word}")))
}

fn moment(row: &Row<'_>, column: usize) -> Result<Option<UnixMs>, Fault> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs))
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
    let mut known = before.clone();
    let raised = news.iter().filter_map(|news| known.hear(news, now));
    let raised = raised.collect();
    if known != before {
        save(&base.conn, account, openid, &before, &known)?;
        if !known.suppressions.is_empty() {
            base.held.add(codes::openid_hash(openid));
        }
    }
    Ok(Heard {
        recipient: known,
        raised,
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

/// Reads whom something is held back from.
pub(super) fn load_held(conn: &Connection, held: &Held) -> Result<(), Fault> {
    let mut all = conn.prepare("SELECT openid FROM suppressions")?;
    let mut found = all.query([])?;
    while let Some(row) = found.next()? {
        let openid = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        held.add(codes::openid_hash(openid));
    }
    Ok(())
}

/// What its recipient's suppressions do to a message. Of most recipients there are none, which memory says.
pub(super) fn held(
    conn: &Connection,
    held: &Held,
    account: i64,
    content: &Content,
    now: UnixMs,
) -> Result<Option<Hold>, Fault> {
    if !held.may_hold(|| codes::openid_hash(&content.touser)) {
        return Ok(None);
    }
    let sql = "SELECT template_id, reason, source, errcode, note, at, expires_at FROM suppressions \
        WHERE account = ?1 AND openid = ?2 AND template_id IN ('', ?3) ORDER BY at, template_id, reason";
    let mut find = conn.prepare_cached(sql)?;
    let mut found = find.query(params![account, content.touser, content.template_id])?;
    let mut known = Vec::new();
    while let Some(row) = found.next()? {
        known.push(suppression(row, 0)?);
    }
    Ok(hold(&known, &content.template_id, now))
}

/// When the account's limits let a message go to its recipient, if not at once.
pub(super) fn over_limit(
    conn: &Connection,
    account: i64,
    limits: &[RecipientLimit],
    message: &Message,
    now: UnixMs,
) -> Result<Option<Hold>, Fault> {
    let content = &message.content;
    let concerned = limits
        .iter()
        .any(|limit| limit.priorities.contains(&content.priority));
    if !concerned {
        return Ok(None);
    }
    let sql = "SELECT lease_at, doubt_at, attempts FROM messages WHERE touser_hash = ?1 AND account = ?2 AND touser = ?3 \
        AND (lease_at IS NOT NULL OR doubt_at IS NOT NULL OR attempts IS NOT NULL) ORDER BY rowid DESC LIMIT ?4";
    let mut find = conn.prepare_cached(sql)?;
    let hash = codes::openid_hash(&content.touser);
    let mut found = find.query(params![hash, account, content.touser, LOOK_THROUGH])?;
    let mut sends: Vec<UnixMs> = Vec::new();
    while let Some(row) = found.next()? {
        let (lease, doubt) = (moment(row, 0)?, moment(row, 1)?);
        let attempts = rows::attempts(row, 2)?;
        sends.extend(Delivery::last_went_out(lease.or(doubt), &attempts));
    }
    sends.sort_unstable_by(|one, other| other.cmp(one));
    sends.truncate(COUNT_MAX);
    Ok(opens_at(limits, content.priority, &sends, now).map(Hold::Until))
}
