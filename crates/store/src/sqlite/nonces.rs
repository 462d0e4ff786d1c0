//! Nonces that are spent. A new one is told from memory, by its hash: to look for it among the rows would touch another
//! page for each, which costs more than to store its message. The rows are for the next start, and for what comes when as
//! many are remembered as may be.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use hongyan_courier::port::Nonce;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;

/// The most that are remembered, in 38 MB: of ten minutes with six thousand calls a second. One beyond them is looked for among
/// the rows of `nonces`, which have an index, and so is each that comes while there are such.
const REMEMBERED_MAX: usize = 3_600_000;

const FORGET_SPENT: &str = "DELETE FROM spent_nonces WHERE rowid IN \
    (SELECT rowid FROM spent_nonces ORDER BY rowid LIMIT ?2) AND expires_at <= ?1 RETURNING owner, nonce";
const FORGET_OTHERS: &str = "DELETE FROM nonces WHERE (owner, nonce) IN \
    (SELECT owner, nonce FROM nonces WHERE expires_at <= ?1 LIMIT ?2) RETURNING owner, nonce";

/// What is spent. Two nonces with the same hash count as one: at ten thousand a second for five minutes, one in a trillion
/// is refused although it is new.
#[derive(Debug)]
pub(super) struct Nonces {
    /// All of `spent_nonces`, which has no index, and as many of `nonces` as find room.
    remembered: HashSet<u64>,
    keys: RandomState,
    most: usize,
    /// How many have a row in `nonces` and are not remembered.
    beyond: usize,
    /// What the transaction changed.
    steps: Vec<Step>,
}

/// A nonce came or went.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// By which it is remembered, if it is.
    hash: Option<u64>,
    comes: bool,
}

impl Nonces {
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        Self::load_at_most(conn, REMEMBERED_MAX)
    }

    fn load_at_most(conn: &Connection, most: usize) -> Result<Self, Fault> {
        let mut nonces = Self {
            remembered: HashSet::new(),
            keys: RandomState::new(),
            most,
            beyond: 0,
            steps: Vec::new(),
        };
        let mut all = conn.prepare("SELECT owner, nonce FROM spent_nonces")?;
        let mut found = all.query([])?;
        while let Some(row) = found.next()? {
            let hash = nonces.hash_of(row)?;
            nonces.remembered.insert(hash);
        }
        let mut all = conn.prepare("SELECT owner, nonce FROM nonces")?;
        let mut found = all.query([])?;
        while let Some(row) = found.next()? {
            let hash = nonces.hash_of(row)?;
            if nonces.remembered.len() >= most || !nonces.remembered.insert(hash) {
                nonces.beyond += 1;
            }
        }
        Ok(nonces)
    }

    /// Spends a nonce. Answers whether it may be used: it is fresh, or comes again with the body it is bound to.
    pub(super) fn spend(&mut self, conn: &Connection, nonce: &Nonce) -> Result<bool, Fault> {
        let hash = self.hash(&nonce.owner, &nonce.nonce);
        let remembered = self.remembered.contains(&hash);
        if remembered && nonce.body.is_none() {
            return Ok(false);
        }
        if remembered || self.beyond > 0 {
            match bound_to(conn, nonce)? {
                Some(body) => return Ok(body.is_some() && body == nonce.body),
                None if remembered => return Ok(false),
                None => {}
            }
        }
        let hash = (self.remembered.len() < self.most).then_some(hash);
        self.take(Step { hash, comes: true });
        let (owner, text, expires_at) = (&nonce.owner, &nonce.nonce, nonce.expires_at.0);
        if hash.is_some() && nonce.body.is_none() {
            let sql = "INSERT INTO spent_nonces (owner, nonce, expires_at) VALUES (?1, ?2, ?3)";
            conn.prepare_cached(sql)?
                .execute(params![owner, text, expires_at])?;
        } else {
            let sql = "INSERT INTO nonces (owner, nonce, expires_at, body) VALUES (?1, ?2, ?3, ?4)";
            conn.prepare_cached(sql)?
                .execute(params![owner, text, expires_at, nonce.body])?;
        }
        Ok(true)
    }

    /// Forgets some of those whose time is over, at most `limit`. Answers how many.
    pub(super) fn prune(
        &mut self,
        conn: &Connection,
        until: i64,
        limit: usize,
    ) -> Result<usize, Fault> {
        // They lie in the order in which they came, which is about that in which their time is over.
        let spent = self.delete(conn, FORGET_SPENT, until, limit)?;
        for hash in &spent {
            let hash = Some(*hash);
            self.take(Step { hash, comes: false });
        }
        let others = self.delete(conn, FORGET_OTHERS, until, limit - spent.len())?;
        for hash in &others {
            let hash = self.remembered.contains(hash).then_some(*hash);
            self.take(Step { hash, comes: false });
        }
        Ok(spent.len() + others.len())
    }

    /// Deletes rows. Answers their hashes.
    fn delete(
        &self,
        conn: &Connection,
        sql: &str,
        until: i64,
        limit: usize,
    ) -> Result<Vec<u64>, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut delete = conn.prepare_cached(sql)?;
        let mut found = delete.query([until, limit])?;
        let mut gone = Vec::new();
        while let Some(row) = found.next()? {
            gone.push(self.hash_of(row)?);
        }
        Ok(gone)
    }

    /// What the transaction has changed until now, to go back to if its next operation is undone alone.
    pub(super) fn mark(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn go_back(&mut self, mark: usize) {
        for step in self.steps.split_off(mark).into_iter().rev() {
            self.apply(Step {
                comes: !step.comes,
                ..step
            });
        }
    }

    /// It is committed.
    pub(super) fn keep(&mut self) {
        self.steps.clear();
    }

    fn take(&mut self, step: Step) {
        self.apply(step);
        self.steps.push(step);
    }

    fn apply(&mut self, Step { hash, comes }: Step) {
        match (hash, comes) {
            (Some(hash), true) => {
                self.remembered.insert(hash);
            }
            (Some(hash), false) => {
                self.remembered.remove(&hash);
            }
            (None, true) => self.beyond += 1,
            (None, false) => self.beyond -= 1,
        }
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

/// The body with which a nonce among the rows of `nonces` may come again.
fn bound_to(conn: &Connection, nonce: &Nonce) -> Result<Option<Option<[u8; 32]>>, Fault> {
    let mut find =
        conn.prepare_cached("SELECT body FROM nonces WHERE owner = ?1 AND nonce = ?2")?;
    let found = find.query_row([&nonce.owner, &nonce.nonce], |row| row.get(0));
    Ok(found.optional()?)
}

#[cfg(test)]
mod tests {
    use hongyan_courier::UnixMs;

    use super::*;
    use crate::sqlite::schema;

    /// How many the tests let be remembered.
    const FEW: usize = 2;

    fn empty() -> (Connection, Nonces) {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, schema::LATEST).unwrap();
        let nonces = Nonces::load_at_most(&conn, FEW).unwrap();
        (conn, nonces)
    }

    fn bound(nonce: u8, body: Option<u8>) -> Nonce {
        Nonce {
            owner: "shop".to_owned(),
            nonce: nonce.to_string(),
            expires_at: UnixMs(i64::from(nonce)),
            body: body.map(|byte| [byte; 32]),
            act: None,
        }
    }

    fn nonce(nonce: u8) -> Nonce {
        bound(nonce, None)
    }

    #[test]
    fn with_as_many_remembered_as_may_be_a_nonce_is_still_spent_once() {
        let (conn, mut nonces) = empty();
        for number in 1..=9 {
            assert!(nonces.spend(&conn, &nonce(number)).unwrap(), "{number}");
        }
        assert!(nonces.spend(&conn, &bound(10, Some(1))).unwrap());
        nonces.keep();
        let restarted = Nonces::load_at_most(&conn, FEW).unwrap();
        for mut nonces in [nonces, restarted] {
            assert_eq!((nonces.remembered.len(), nonces.beyond), (FEW, 8));
            for number in 1..=9 {
                assert!(!nonces.spend(&conn, &nonce(number)).unwrap(), "{number}");
            }
            for (body, may) in [(Some(1), true), (Some(2), false), (None, false)] {
                let again = nonces.spend(&conn, &bound(10, body)).unwrap();
                assert_eq!(again, may, "{body:?}");
            }
        }
    }

    #[test]
    fn once_those_beyond_are_forgotten_memory_alone_tells_again() {
        let (conn, mut nonces) = empty();
        for number in 1..=9 {
            nonces.spend(&conn, &nonce(number)).unwrap();
        }
        assert_eq!(nonces.prune(&conn, 8, 4).unwrap(), 4);
        assert_eq!(nonces.beyond, 5);
        assert_eq!(nonces.prune(&conn, 8, 9).unwrap(), 4);
        assert!(!nonces.spend(&conn, &nonce(9)).unwrap(), "it is not over");
        assert_eq!(nonces.prune(&conn, 9, 9).unwrap(), 1);
        assert_eq!((nonces.remembered.len(), nonces.beyond), (0, 0));
        assert!(nonces.spend(&conn, &nonce(10)).unwrap());
        assert_eq!((nonces.remembered.len(), nonces.beyond), (1, 0));
    }

    #[test]
    fn what_a_transaction_did_is_undone_with_it() {
        let (conn, mut nonces) = empty();
        for number in 1..=3 {
            nonces.spend(&conn, &nonce(number)).unwrap();
        }
        nonces.keep();
        conn.execute_batch("BEGIN").unwrap();
        assert_eq!(nonces.prune(&conn, 3, 9).unwrap(), 3);
        for number in 1..=6 {
            assert!(nonces.spend(&conn, &nonce(number)).unwrap(), "{number}");
        }
        conn.execute_batch("ROLLBACK").unwrap();
        nonces.go_back(0);
        for number in 1..=3 {
            assert!(!nonces.spend(&conn, &nonce(number)).unwrap(), "{number}");
        }
        assert!(nonces.spend(&conn, &nonce(4)).unwrap());
    }
}
