//! News of a recipient, heard in a transaction of its own, and messages that go on because of it. What follows from news is
//! `courier::recipient`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::message::{AccountName, MessageId};
use hongyan_courier::port::{AcceptError, Nonce};
use hongyan_courier::recipient::{Heard, News, RELEASED_MAX};
use rusqlite::params;

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::codes;
use crate::sqlite::fault::Fault;
use crate::sqlite::recipients;

pub(in crate::sqlite) struct HearOp {
    pub(in crate::sqlite) account: AccountName,
    pub(in crate::sqlite) openid: String,
    pub(in crate::sqlite) news: Vec<News>,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for HearOp {
    type Answer = Result<Heard, AcceptError>;
    const NAME: &'static str = "hear";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        let heard = recipients::hear(base, &self.account, &self.openid, &self.news, self.now)?;
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok(heard))
    }
}

const PUT_OFF: &str = "SELECT id FROM messages INDEXED BY messages_put_off \
    WHERE status = 0 AND reason = 'frequency_limited' AND touser_hash = ?1 AND account = ?2 AND touser = ?3 \
    ORDER BY rowid LIMIT ?4";

impl Base {
    /// Lets go what was put off for a recipient who is spared no more, the oldest first. Answers how many.
    pub(in crate::sqlite) fn release_put_off(
        &mut self,
        (account, openid): (i64, &str),
        now: UnixMs,
    ) -> Result<usize, Fault> {
        let ids: Vec<MessageId> = {
            let mut find = self.conn.prepare_cached(PUT_OFF)?;
            let most = i64::try_from(RELEASED_MAX).unwrap_or(i64::MAX);
            let whose = params![codes::openid_hash(openid), account, openid, most];
            let found = find.query_map(whose, |row| row.get(0).map(MessageId::from_bytes))?;
            found.collect::<Result<_, _>>()?
        };
        let mut released = 0;
        for id in ids {
            let changed = self.change(id, now, |_, delivery| delivery.put_off_no_more(now))?;
            released += usize::from(changed.is_some_and(|changed| changed.answer));
        }
        Ok(released)
    }
}
