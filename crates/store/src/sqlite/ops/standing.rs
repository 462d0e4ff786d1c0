//! How accounts stand, kept as the domain's own JSON.

use hongyan_courier::UnixMs;
use hongyan_courier::account::Standing;
use hongyan_courier::message::AccountName;
use rusqlite::params;

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct SetStandingOp {
    pub(in crate::sqlite) account: AccountName,
    pub(in crate::sqlite) standing: Standing,
}

impl Op for SetStandingOp {
    type Answer = ();
    const NAME: &'static str = "set_standing";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        let account = base.accounts.id(&base.conn, &self.account)?;
        let body = serde_json::to_string(&self.standing)?;
        base.conn
            .prepare_cached("INSERT OR REPLACE INTO standings (account, body) VALUES (?1, ?2)")?
            .execute(params![account, body])?;
        Ok(())
    }
}
