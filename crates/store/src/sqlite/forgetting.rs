//! Recipients that are forgotten, and those who left.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::rows::forget;
use hongyan_courier::broadcast::{Broadcast, Place};
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::recipient::Following;
use hongyan_courier::recipient::forget::{Forgetting, Forgotten, Whom};
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::codes;
use super::fault::Fault;
use super::ops::blank::BlankOp;
use super::ops::forget::ForgetOp;
use super::read::broadcast;

/// The most orphans of one recipient: each is a message that another program sent.
const ORPHANS_MAX: i64 = 10_000;
/// The most broadcasts of an account that have not ended.
const BROADCASTS_MAX: usize = 10_000;
/// So many rows are blanked by one operation, which everybody waits for.
const ROWS_AT_ONCE: usize = 64;
/// About so many bytes of rows are looked through at a time; no row is longer.
const READ_AT_ONCE: usize = 1 << 20;

#[async_trait]
impl Forgetting for SqliteStore {
    async fn forget(
        &self,
        whom: &Whom,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Forgotten, AcceptError> {
        let orphans = self.orphans_of(whom).await?;
        let whom = whom.clone();
        self.ask(ForgetOp {
            whom,
            limit,
            orphans,
            nonce,
            now,
        })
        .await?
    }

    async fn forget_rows(
        &self,
        account: &AccountName,
        openids: HashSet<String>,
        now: UnixMs,
    ) -> Result<usize, StoreError> {
        let (account, openids) = (account.clone(), Arc::new(openids));
        let mut blanked = 0;
        let of_account = self.read("broadcasts_with_rows", move |reader| {
            broadcast::with_rows(reader, &account, BROADCASTS_MAX)
        });
        for broadcast in of_account.await? {
            let (id, listed) = (broadcast.id, broadcast.upload.complete);
            let rows = self.rows_of(Arc::new(broadcast), &openids).await?;
            blanked += rows.len();
            for (nth, some) in rows.chunks(ROWS_AT_ONCE).enumerate() {
                let listed = (listed && nth == 0).then(|| HashSet::clone(&openids));
                self.ask(BlankOp {
                    id,
                    rows: some.to_vec(),
                    listed: listed.unwrap_or_default(),
                    now,
                })
                .await?;
            }
        }
        Ok(blanked)
    }

    async fn unfinished(&self, limit: usize) -> Result<Vec<Whom>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("unfinished", move |reader| {
            let sql = "SELECT name, openid, pseudonym, until FROM forgetting \
                JOIN accounts ON accounts.id = account LIMIT ?1";
            let mut find = reader.conn.prepare_cached(sql)?;
            let found = find.query_map([limit], |row| {
                Ok(Whom {
                    account: row.get::<_, String>(0)?.as_str().into(),
                    openid: row.get(1)?,
                    pseudonym: row.get(2)?,
                    until: UnixMs(row.get(3)?),
                })
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn departed(
        &self,
        left_before: UnixMs,
        limit: usize,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The number stands in the text, or the index of those who left would not be found.
        let sql = format!(
            "SELECT name, openid FROM recipients JOIN accounts ON accounts.id = account \
                WHERE state = {} AND since < ?1 ORDER BY since LIMIT ?2",
            codes::of_following(Following::Unsubscribed)
        );
        self.read("departed", move |reader| {
            let mut find = reader.conn.prepare_cached(&sql)?;
            let left = find.query_map(params![left_before.0, limit], |row| {
                Ok((row.get::<_, String>(0)?.as_str().into(), row.get(1)?))
            })?;
            Ok(left.collect::<Result<_, _>>()?)
        })
        .await
    }
}

impl SqliteStore {
    /// Where the rows of these recipients are. A large file takes many short reads.
    async fn rows_of(
        &self,
        broadcast: Arc<Broadcast>,
        openids: &Arc<HashSet<String>>,
    ) -> Result<Vec<Range<u64>>, StoreError> {
        let (mut place, mut rows) = (Place::default(), Vec::new());
        loop {
            let (broadcast, openids) = (Arc::clone(&broadcast), Arc::clone(openids));
            let piece = self.read("rows_of_forgotten", move |reader| {
                found(&reader.conn, (&broadcast, place), &openids)
            });
            let piece = piece.await?;
            rows.extend(piece.rows);
            // The end, or the beginning of a row whose end is not here.
            if piece.place == place {
                return Ok(rows);
            }
            place = piece.place;
        }
    }

    /// Msgids of receipts for a recipient that found no message. There is no index for it, so it is not asked of the writer.
    async fn orphans_of(&self, whom: &Whom) -> Result<Vec<i64>, StoreError> {
        let (account, openid) = (whom.account.clone(), whom.openid.clone());
        self.read("orphans_of", move |reader| {
            let Some(account) = reader.accounts.known(&reader.conn, &account)? else {
                return Ok(Vec::new());
            };
            let sql = "SELECT msgid FROM receipts INDEXED BY receipts_orphan \
                WHERE message IS NULL AND account = ?1 AND openid = ?2 LIMIT ?3";
            let mut find = reader.conn.prepare_cached(sql)?;
            let found = find.query_map(params![account, openid, ORPHANS_MAX], |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Where the rows of these recipients are in a piece that begins at `place`.
fn found(
    conn: &Connection,
    (broadcast, place): (&Broadcast, Place),
    openids: &HashSet<String>,
) -> Result<forget::Found, Fault> {
    let upload = &broadcast.upload;
    let columns = upload.columns.as_deref().unwrap_or_default();
    let piece = broadcast::rows(conn, broadcast.id, place.byte, READ_AT_ONCE)?;
    let last = upload.complete && place.byte + piece.len() as u64 >= upload.stored;
    let found = forget::find((&piece, place, last), columns, openids);
    found.map_err(|error| Fault::Unreadable(error.to_string()))
}
