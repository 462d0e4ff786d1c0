//! News of a recipient, heard in a transaction of its own. What follows from it is `courier::recipient`'s.

use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce};
use hongyan_courier::recipient::{Heard, News};

use super::Op;
use crate::sqlite::base::Base;
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
        recipients::hear(base, &self.account, &self.openid, &self.news, self.now).map(Ok)
    }
}
