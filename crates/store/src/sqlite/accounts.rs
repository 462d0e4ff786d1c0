//! Accounts by number and by name, remembered by whoever holds a connection.
//! Entries are only ever added, so what is remembered stays true; a rolled back addition is forgotten with `clear`.

use std::collections::HashMap;

use hongyan_courier::message::AccountName;
use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;

#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_name: HashMap<AccountName, i64>,
    by_id: HashMap<i64, AccountName>,
}

impl Accounts {
    /// The number of an account, given one if it has none. Needs a connection that may write.
    pub(super) fn id(&mut self, conn: &Connection, name: &AccountName) -> Result<i64, Fault> {
        if let Some(id) = self.known(conn, name)? {
            return Ok(id);
        }
        conn.prepare_cached("INSERT INTO accounts (name) VALUES (?1)")?
            .execute([name.as_str()])?;
        let id = conn.last_insert_rowid();
        self.keep(id, name.clone());
        Ok(id)
    }

    /// The number of an account, if it has one.
    pub(super) fn known(
        &mut self,
        conn: &Connection,
        name: &AccountName,
    ) -> Result<Option<i64>, Fault> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(Some(*id));
        }
        let mut find = conn.prepare_cached("SELECT id FROM accounts WHERE name = ?1")?;
        let id = find
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            self.keep(id, name.clone());
        }
        Ok(id)
    }

    /// The number of an account that was seen before.
    pub(super) fn seen(&self, name: &AccountName) -> Option<i64> {
        self.by_name.get(name).copied()
    }

    /// The name of an account.
    pub(super) fn name(&mut self, conn: &Connection, id: i64) -> Result<AccountName, Fault> {
        if let Some(name) = self.by_id.get(&id) {
            return Ok(name.clone());
        }
        let mut find = conn.prepare_cached("SELECT name FROM accounts WHERE id = ?1")?;
        let name: Option<String> = find.query_row([id], |row| row.get(0)).optional()?;
        let name = name.ok_or_else(|| Fault::Unreadable(format!("account {id}")))?;
        let name = AccountName::from(name.as_str());
        self.keep(id, name.clone());
        Ok(name)
    }

    pub(super) fn clear(&mut self) {
        self.by_name.clear();
        self.by_id.clear();
    }

    fn keep(&mut self, id: i64, name: AccountName) {
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, name);
    }
}
