//! A fresh list taken over, a stop ended, and messages that were put aside called back.
//! What a list changes and which message may go on is the domain's to say.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::account::FlagSubject;
use hongyan_courier::kind::ListOf;
use hongyan_courier::message::{AccountName, Content, MessageId};
use hongyan_courier::template::catalogue::{Listed, Update};
use hongyan_courier::template::stop::Stop;
use rusqlite::{OptionalExtension, params};

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;
use crate::sqlite::templates;

pub(in crate::sqlite) struct TakeOverOp {
    pub(in crate::sqlite) account: AccountName,
    pub(in crate::sqlite) of: ListOf,
    pub(in crate::sqlite) list: Vec<Listed>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for TakeOverOp {
    type Answer = Update;
    const NAME: &'static str = "take_over_templates";

    fn rows(&self) -> usize {
        self.list.len()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Update, Fault> {
        let account = base.accounts.id(&base.conn, &self.account)?;
        let catalogue = templates::catalogue(&base.conn, account)?;
        let update = catalogue.update(self.of, self.list.clone(), self.now);
        let sql =
            "INSERT OR REPLACE INTO template_lists (account, list, synced_at) VALUES (?1, ?2, ?3)";
        let row = params![account, self.of.as_str(), self.now.0];
        base.conn.prepare_cached(sql)?.execute(row)?;
        for kept in &update.kept {
            templates::write_kept(&base.conn, account, kept)?;
        }
        for entry in &update.entries {
            templates::write_entry(&base.conn, account, entry)?;
        }
        for template_id in &update.resumed {
            base.resume(&self.account, template_id)?;
        }
        for stop in &update.stopped {
            base.stop(&self.account, Some(stop.clone()))?;
            base.raise(&self.account, Some(stop.flag()))?;
        }
        Ok(update)
    }
}

pub(in crate::sqlite) struct ResumeOp {
    pub(in crate::sqlite) account: AccountName,
    pub(in crate::sqlite) template_id: String,
}

impl Op for ResumeOp {
    type Answer = bool;
    const NAME: &'static str = "resume_template";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<bool, Fault> {
        base.resume(&self.account, &self.template_id)
    }
}

/// Goes from one template to the next among the messages that are aside: there are few, however many messages wait.
const NEXT_ASIDE: &str = "SELECT account, template_id FROM messages INDEXED BY messages_aside \
    WHERE status = 0 AND reason = 'template_stopped' AND (account, template_id) > (?1, ?2) \
    ORDER BY account, template_id LIMIT 1";
const ASIDE: &str = "SELECT id FROM messages INDEXED BY messages_aside \
    WHERE status = 0 AND reason = 'template_stopped' AND account = ?1 AND template_id = ?2 LIMIT ?3";

pub(in crate::sqlite) struct CallBackOp {
    pub(in crate::sqlite) limit: usize,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for CallBackOp {
    type Answer = usize;
    const NAME: &'static str = "call_back";

    fn rows(&self) -> usize {
        self.limit
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<usize, Fault> {
        let (mut place, mut called) = ((i64::MIN, String::new()), 0);
        while called < self.limit {
            let mut next = base.conn.prepare_cached(NEXT_ASIDE)?;
            let found = next.query_row(params![place.0, place.1], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
            drop(next);
            let Some(found) = found.optional()? else {
                break;
            };
            place = found;
            let stopped = base.stops.get(&place.0);
            if stopped.is_none_or(|stopped| !stopped.contains_key(&place.1)) {
                called += self.of_template(base, &place, self.limit - called)?;
            }
        }
        Ok(called)
    }
}

impl CallBackOp {
    fn of_template(
        &self,
        base: &mut Base,
        (account, template_id): &(i64, String),
        limit: usize,
    ) -> Result<usize, Fault> {
        let ids: Vec<MessageId> = {
            let mut find = base.conn.prepare_cached(ASIDE)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = find.query_map(params![account, template_id, limit], |row| {
                row.get(0).map(MessageId::from_bytes)
            })?;
            found.collect::<Result<_, _>>()?
        };
        for id in &ids {
            base.change(*id, self.now, |_, delivery| delivery.unpark(self.now))?;
        }
        Ok(ids.len())
    }
}

impl Base {
    /// Whether the message's template is stopped. Mostly none is, and then it costs nothing.
    pub(in crate::sqlite) fn is_stopped(&self, content: &Content) -> bool {
        if self.stops.is_empty() {
            return false;
        }
        let account = self.accounts.seen(&content.account);
        let stops = account.and_then(|account| self.stops.get(&account));
        stops.is_some_and(|stops| stops.contains_key(&content.template_id))
    }

    /// Stops a template, unless it is for a graver cause already.
    pub(in crate::sqlite) fn stop(
        &mut self,
        account: &AccountName,
        stop: Option<Stop>,
    ) -> Result<(), Fault> {
        let Some(stop) = stop else { return Ok(()) };
        // What is leased already has its last look before it, which memory must not answer.
        let leased = self.leases.values().map(|(_, message)| &message.content);
        let own = |content: &&Arc<Content>| {
            content.account == *account && content.template_id == stop.template_id
        };
        for content in leased.filter(own) {
            self.held.add(&content.touser);
        }
        let account = self.accounts.id(&self.conn, account)?;
        let stops = self.stops.entry(account).or_default();
        let known = stops.get(&stop.template_id);
        if known.is_none_or(|known| stop.outweighs(known)) {
            templates::write_stop(&self.conn, account, &stop)?;
            stops.insert(stop.template_id.clone(), stop);
        }
        Ok(())
    }

    /// Ends a stop and takes back its flags. Answers whether there was one.
    fn resume(&mut self, account: &AccountName, template_id: &str) -> Result<bool, Fault> {
        let account = self.accounts.id(&self.conn, account)?;
        let sql = "DELETE FROM flags WHERE account = ?1 AND subject = ?2 AND key = ?3";
        let subject = FlagSubject::Template.as_str();
        self.conn
            .prepare_cached(sql)?
            .execute(params![account, subject, template_id])?;
        let sql = "DELETE FROM template_stops WHERE account = ?1 AND template_id = ?2";
        let gone = self
            .conn
            .prepare_cached(sql)?
            .execute(params![account, template_id])?;
        if let Some(stops) = self.stops.get_mut(&account) {
            stops.remove(template_id);
            if stops.is_empty() {
                self.stops.remove(&account);
            }
        }
        Ok(gone > 0)
    }
}
