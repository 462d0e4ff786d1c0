//! Nonces that are spent. A new one is told from memory, by its hash: to look for it among the rows would touch another
//! page for each, which costs more than to store its message. The rows are for the next start.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use hongyan_courier::port::Nonce;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;

/// What is spent. Two nonces with the same hash count as one: at ten thousand a second for five minutes, one in a trillion
/// is refused although it is new.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    spent: HashSet<u64>,
    keys: RandomState,
    /// Those that are not committed yet.
    fresh: Vec<u64>,
}

impl Nonces {
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let mut nonces = Self::default();
        for sql in [
            "SELECT owner, nonce FROM spent_nonces",
            "SELECT owner, nonce FROM nonces",
        ] {
            let mut all = conn.prepare(sql)?;
            let mut found = all.query([])?;
            while let Some(row) = found.next()? {
                let hash = nonces.hash_of(row)?;
                nonces.spent.insert(hash);
            }
        }
        Ok(nonces)
    }

    /// Spends a nonce. Answers whether it may be used: it is fresh, or comes again with the body it is bound to.
    pub(super) fn spend(&mut self, conn: &Connection, nonce: &Nonce) -> Result<bool, Fault> {
        let hash = self.hash(&nonce.owner, &nonce.nonce);
        if !self.spent.insert(hash) {
            return match nonce.body {
                Some(body) => is_bound_to(conn, nonce, body),
                None => Ok(false),
            };
        }
        self.fresh.push(hash);
        let (owner, text, expires_at) = (&nonce.owner, &nonce.nonce, nonce.expires_at.0);
        match &nonce.body {
            None => {
                let sql = "INSERT INTO spent_nonces (owner, nonce, expires_at) VALUES (?1, ?2, ?3)";
                conn.prepare_cached(sql)?
                    .execute(params![owner, text, expires_at])?;
            }
            Some(body) => {
                let sql = "INSERT OR REPLACE INTO nonces (owner, nonce, expires_at, body) VALUES (?1, ?2, ?3, ?4)";
                conn.prepare_cached(sql)?.execute(params![
                    owner,
                    text,
                    expires_at,
                    body.as_slice()
                ])?;
            }
        }
        Ok(true)
    }

    /// Forgets some of those whose time is over, at most `limit`. Answers how many.
    pub(super) fn prune(
        &mut self,
        conn: &Connection,
        until: i64,
        limit: i64,
    ) -> Result<usize, Fault> {
        let mut gone = 0;
        for sql in [
            // They lie in the order in which they came, which is about that in which their time is over.
            "DELETE FROM spent_nonces WHERE rowid IN (SELECT rowid FROM spent_nonces ORDER BY rowid LIMIT ?2) \
            AND expires_at <= ?1 RETURNING owner, nonce",
            "DELETE FROM nonces WHERE (owner, nonce) IN \
            (SELECT owner, nonce FROM nonces WHERE expires_at <= ?1 LIMIT ?2) RETURNING owner, nonce",
        ] {
            let mut forget = conn.prepare_cached(sql)?;
            let mut found = forget.query([until, limit - gone])?;
            while let Some(row) = found.next()? {
                let hash = self.hash_of(row)?;
                self.spent.remove(&hash);
                gone += 1;
            }
        }
        Ok(usize::try_from(gone).unwrap_or(0))
    }

    /// How many the transaction has spent until now, to go back to if its next operation is undone alone.
    pub(super) fn mark(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn go_back(&mut self, mark: usize) {
        for hash in self.fresh.drain(mark..) {
            self.spent.remove(&hash);
        }
    }

    /// It is committed.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
    }

    fn hash(&self, owner: &str, nonce: &str) -> u64 {
        self.keys.hash_one((owner, nonce))
    }

    /// Of a row with an owner and a nonce.
    fn hash_of(&self, row: &Row<'_>) -> Result<u64, Fault> {
        let text = |column| -> Result<&str, Fault> {
            let text = row.get_ref(column)?.as_str();
            Ok(text.map_err(rusqlite::Error::from)?)
        };
        Ok(self.hash(text(0)?, text(1)?))
    }
}

fn is_bound_to(conn: &Connection, nonce: &Nonce, body: [u8; 32]) -> Result<bool, Fault> {
    let mut find =
        conn.prepare_cached("SELECT body FROM nonces WHERE owner = ?1 AND nonce = ?2")?;
    let known: Option<Option<[u8; 32]>> = find
        .query_row(params![nonce.owner, nonce.nonce], |row| row.get(0))
        .optional()?;
    Ok(known.flatten() == Some(body))
}
