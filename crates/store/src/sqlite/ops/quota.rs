//! What is known of accounts' quotas, kept as the domain's own JSON.

use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::quota::QuotaRecord;
use rusqlite::params;

use super::Op;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct SetQuotaOp {
    pub(in crate::sqlite) account: AccountName,
    pub(in crate::sqlite) record: QuotaRecord,
}

impl Op for SetQuotaOp {
    type Answer = ();
    const NAME: &'static str = "set_quota";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        let account = base.accounts.id(&base.conn, &self.account)?;
        let body = serde_json::to_string(&self.record)?;
        base.conn
            .prepare_cached("INSERT OR REPLACE INTO quotas (account, body) VALUES (?1, ?2)")?
            .execute(params![account, body])?;
        Ok(())
    }
}
