//! Forgets a recipient, a few messages at a time. What becomes of each message is `courier::recipient::forget`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::account::FlagSubject;
use hongyan_courier::message::Message;
use hongyan_courier::port::{AcceptError, Nonce, Swept};
use hongyan_courier::recipient::forget::{Fate, Forgotten, Whom, fate, scrubbed};
use rusqlite::params;

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::rows;

/// So many of one recipient's messages may be under way, or in doubt, without hiding others. There is one call at a time.
const UNDER_WAY: usize = 256;

pub(in crate::sqlite) struct ForgetOp {
    pub(in crate::sqlite) whom: Whom,
    pub(in crate::sqlite) limit: usize,
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
        for table in ["recipients", "suppressions", "credits"] {
            let sql = format!("DELETE FROM {table} WHERE account = ?1 AND openid = ?2");
            let mut forget = base.conn.prepare_cached(&sql)?;
            forget.execute(params![account, self.whom.openid])?;
        }
        let sql = "DELETE FROM flags WHERE account = ?1 AND subject = ?2 AND key = ?3";
        let subject = FlagSubject::Recipient.as_str();
        base.conn
            .prepare_cached(sql)?
            .execute(params![account, subject, self.whom.openid])?;
        let forgotten = self.messages(base, account)?;
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok(forgotten))
    }
}

impl ForgetOp {
    fn messages(&self, base: &mut Base, account: i64) -> Result<Forgotten, Fault> {
        let mut forgotten = Forgotten::default();
        let mut done = Vec::new();
        for message in self.found(base, account)? {
            match fate(&message.delivery) {
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
                forgotten.cancelled.extend(cancelled.map(|cancelled| Swept {
                    id: message.id,
                    account: self.whom.account.clone(),
                    status: cancelled.moved.status,
                    reason: cancelled.moved.reason,
                }));
            }
            self.scrub(base, account, &message)?;
            forgotten.messages += 1;
        }
        Ok(forgotten)
    }

    fn found(&self, base: &mut Base, account: i64) -> Result<Vec<Message>, Fault> {
        let Base { conn, accounts, .. } = base;
        let sql = rows::select!("WHERE touser_hash = ?1 AND touser = ?2 AND account = ?3 LIMIT ?4");
        let mut find = conn.prepare_cached(sql)?;
        let most = i64::try_from(self.limit + UNDER_WAY + 1).unwrap_or(i64::MAX);
        let hash = codes::openid_hash(&self.whom.openid);
        let mut found = find.query(params![hash, self.whom.openid, account, most])?;
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
        let sql = "UPDATE OR REPLACE receipts SET openid = ?1 WHERE msgid = ?2 AND account = ?3 AND openid = ?4";
        let calls = message.delivery.attempts.iter();
        let msgids = calls.filter_map(|call| call.msgid);
        for msgid in msgids.chain(message.delivery.msgid) {
            let renamed = params![content.touser, msgid, account, self.whom.openid];
            base.conn.prepare_cached(sql)?.execute(renamed)?;
        }
        Ok(())
    }
}
