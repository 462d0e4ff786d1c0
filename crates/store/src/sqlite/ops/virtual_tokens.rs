//! What virtual tokens hang on: the key, which is made once, and revocations.

use hongyan_courier::UnixMs;
use hongyan_courier::port::{AcceptError, Nonce, Revocation};
use rusqlite::params;

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

/// Asks for the key; there is one from the first time on.
pub(in crate::sqlite) struct TokenKeyOp {
    pub(in crate::sqlite) new: [u8; 32],
}

impl Op for TokenKeyOp {
    type Answer = [u8; 32];
    const NAME: &'static str = "virtual_token_key";

    fn now(&self) -> Option<UnixMs> {
        None
    }

    fn run(&mut self, base: &mut Base) -> Result<[u8; 32], Fault> {
        base.conn
            .prepare_cached("INSERT OR IGNORE INTO virtual_token_key (id, key) VALUES (0, ?1)")?
            .execute([self.new])?;
        let sql = "SELECT key FROM virtual_token_key WHERE id = 0";
        let mut find = base.conn.prepare_cached(sql)?;
        Ok(find.query_row([], |row| row.get(0))?)
    }
}

pub(in crate::sqlite) struct RevokeOp {
    pub(in crate::sqlite) which: Vec<Revocation>,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for RevokeOp {
    type Answer = Result<(), AcceptError>;
    const NAME: &'static str = "revoke";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(AcceptError::NonceSeen));
        }
        let sql = "INSERT INTO virtual_token_revocations (client, account, issued_before) VALUES (?1, ?2, ?3) \
            ON CONFLICT DO UPDATE SET issued_before = max(issued_before, excluded.issued_before)";
        for one in &self.which {
            let account = base.accounts.id(&base.conn, &one.account)?;
            let row = params![one.client, account, one.issued_before.0];
            base.conn.prepare_cached(sql)?.execute(row)?;
        }
        audit::note(&base.conn, self.nonce.as_ref())?;
        Ok(Ok(()))
    }
}
