//! Forgets a recipient, a few messages at a time. What becomes of each message is `courier::recipient::forget`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::account::FlagSubject;
use hongyan_courier::message::Message;
use hongyan_courier::port::{AcceptError, Nonce};
use hongyan_courier::recipient::forget::{Fate, Forgotten, Whom, fate, scrubbed};
use rusqlite::{Connection, params};

use super::{Op, audit, receipt};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

/// So many of one recipient's messages may be under way, or in doubt, without hiding others. There is one call at a time.
const UNDER_WAY: usize = 256;

pub(in crate::sqlite) struct ForgetOp {
    pub(in crate::sqlite) whom: Whom,
    pub(in crate::sqlite) limit: usize,
    /// Msgids of receipts for the user that waited for their messages just before.
    pub(in crate::sqlite) orphans: Vec<i64>,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for ForgetOp {
    type Answer = Result<Forgotten, AcceptError>;
    const NAME: &'static str = "forget";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        let account = base.accounts.id(&base.conn, &self.whom.account)?;
        if !self.begun(&base.conn, account)? {
            self.known(&base.conn, account)?;
        }
        let forgotten = self.messages(base, account)?;
        if forgotten.more || forgotten.under_way > 0 {
            self.remember(&base.conn, account)?;
        } else {
            self.finish(base, account)?;
        }
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok(forgotten))
    }
}

impl ForgetOp {
    /// Whether this is not the first step: what was heard since is new.
    fn begun(&self, conn: &Connection, account: i64) -> Result<bool, Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM forgetting WHERE account = ?1 AND openid = ?2 AND pseudonym = ?3)";
        let whom = params![account, self.whom.openid, self.whom.pseudonym];
        Ok(conn
            .prepare_cached(sql)?
            .query_row(whom, |row| row.get(0))?)
    }

    /// Forgets what is known of the user apart from messages.
    fn known(&self, conn: &Connection, account: i64) -> Result<(), Fault> {
        for table in ["recipients", "suppressions", "credits"] {
            let sql = format!("DELETE FROM {table} WHERE account = ?1 AND openid = ?2");
            let mut forget = conn.prepare_cached(&sql)?;
            forget.execute(params![account, self.whom.openid])?;
        }
        let sql = "DELETE FROM flags WHERE account = ?1 AND subject = ?2 AND key = ?3";
        let subject = FlagSubject::Recipient.as_str();
        conn.prepare_cached(sql)?
            .execute(params![account, subject, self.whom.openid])?;
        Ok(())
    }

    fn remember(&self, conn: &Connection, account: i64) -> Result<(), Fault> {
        let sql = "INSERT OR REPLACE INTO forgetting (account, openid, pseudonym, until) VALUES (?1, ?2, ?3, ?4)";
        let whom = &self.whom;
        let row = params![account, whom.openid, whom.pseudonym, whom.until.0];
        conn.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// Nothing is left: receipts that found no message go, since none of the user's will ask for them, and those of kinds
    /// without msgid name nobody.
    fn finish(&self, base: &mut Base, account: i64) -> Result<(), Fault> {
        let whom = &self.whom;
        let sql = "DELETE FROM forgetting WHERE account = ?1 AND openid = ?2";
        base.conn
            .prepare_cached(sql)?
            .execute(params![account, whom.openid])?;
        let sql = "DELETE FROM receipts WHERE msgid = ?1 AND account = ?2 AND openid = ?3 AND message IS NULL";
        for msgid in &self.orphans {
            let orphan = params![msgid, account, whom.openid];
            let gone = base.conn.prepare_cached(sql)?.execute(orphan)?;
            base.orphans -= i64::try_from(gone).unwrap_or(0);
        }
        let sql = "UPDATE OR REPLACE receipts SET openid = ?3 WHERE account = ?1 AND openid = ?2 \
            AND template_id IS NOT NULL AND message IS NOT NULL";
        let renamed = params![account, whom.openid, whom.pseudonym];
        base.conn.prepare_cached(sql)?.execute(renamed)?;
        Ok(())
    }

    fn messages(&self, base: &mut Base, account: i64) -> Result<Forgotten, Fault> {
        let mut forgotten = Forgotten::default();
        let mut done = Vec::new();
        for message in self.found(base, account)? {
            match fate(message.content.kind, &message.delivery) {
                Fate::Leave => forgotten.under_way += 1,
                fate => done.push((message, fate)),
            }
        }
        forgotten.more = done.len() > self.limit;
        done.truncate(self.limit);
        for (message, fate) in done {
            if fate == Fate::Cancel {
                let cancelled =
                    base.change(message.id, self.now, |_, delivery| delivery.cancel())?;
                let swept = cancelled.map(|cancelled| cancelled.swept(message.id));
                forgotten.cancelled.extend(swept);
            }
            self.scrub(base, account, &message)?;
            forgotten.messages += 1;
        }
        Ok(forgotten)
    }

    fn found(&self, base: &mut Base, account: i64) -> Result<Vec<Message>, Fault> {
        let Base { conn, accounts, .. } = base;
        let sql = rows::select!(
            "WHERE touser_hash = ?1 AND touser = ?2 AND account = ?3 AND created_at <= ?5 LIMIT ?4"
        );
        let mut find = conn.prepare_cached(sql)?;
        let most = i64::try_from(self.limit + UNDER_WAY + 1).unwrap_or(i64::MAX);
        let hash = codes::openid_hash(&self.whom.openid);
        let whom = &self.whom;
        let mut found = find.query(params![hash, whom.openid, account, most, whom.until.0])?;
        let mut messages = Vec::new();
        while let Some(row) = found.next()? {
            messages.push(rows::read(row, |id| accounts.name(conn, id))?);
        }
        Ok(messages)
    }

    fn scrub(&self, base: &Base, account: i64, message: &Message) -> Result<(), Fault> {
        let content = scrubbed(&message.content, &self.whom.pseudonym);
        let sql = "UPDATE messages SET touser = ?2, touser_hash = ?3, data = ?4, url = ?5, miniprogram = ?6, \
            extras = NULL, reference = ?7 WHERE id = ?1";
        base.conn.prepare_cached(sql)?.execute(params![
            message.id.as_bytes(),
            content.touser,
            codes::openid_hash(&content.touser),
            content.data,
            content.url,
            content.miniprogram,
            content.reference,
        ])?;
        let calls = message.delivery.attempts.iter();
        let msgids = calls.filter_map(|call| call.msgid);
        for msgid in msgids.chain(message.delivery.msgid) {
            let place = (account, msgid);
            receipt::rename(&base.conn, place, &self.whom.openid, &content.touser)?;
        }
        Ok(())
    }
}
