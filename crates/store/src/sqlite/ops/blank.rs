//! Blanks rows of a broadcast whose recipients are forgotten. What is left of a row is `courier::broadcast::rows::forget`'s.

use std::collections::HashSet;
use std::ops::Range;

use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::BroadcastId;
use hongyan_courier::broadcast::rows::forget::blank;
use rusqlite::{Connection, params};

use super::Op;
use super::broadcast::PIECE_BYTES;
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;
use crate::sqlite::read::broadcast::signed;

/// Rows that were found by a reader, at most a few at a time. They never move, and what is written there never changes
/// but by this.
pub(in crate::sqlite) struct BlankOp {
    pub(in crate::sqlite) id: BroadcastId,
    pub(in crate::sqlite) rows: Vec<Range<u64>>,
    /// Who need not be known as listed any more.
    pub(in crate::sqlite) listed: HashSet<String>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for BlankOp {
    type Answer = ();
    const NAME: &'static str = "blank_rows";

    fn rows(&self) -> usize {
        self.rows.len() + self.listed.len()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        for row in &self.rows {
            blank_one(&base.conn, self.id, row)?;
        }
        let sql = "UPDATE broadcasts SET blanked = blanked + ?2 WHERE id = ?1";
        let count = signed(self.rows.len() as u64);
        base.conn
            .prepare_cached(sql)?
            .execute([self.id.number(), count])?;
        let sql = "DELETE FROM broadcast_followers WHERE broadcast = ?1 AND openid = ?2";
        let mut forget = base.conn.prepare_cached(sql)?;
        for openid in &self.listed {
            forget.execute(params![self.id.number(), openid])?;
        }
        Ok(())
    }
}

/// A row may begin in one piece and end in another.
fn blank_one(conn: &Connection, id: BroadcastId, row: &Range<u64>) -> Result<(), Fault> {
    let sql = "SELECT at, bytes FROM broadcast_pieces WHERE broadcast = ?1 AND at > ?2 AND at < ?3 ORDER BY at";
    let (begin, end) = (signed(row.start), signed(row.end));
    let mut find = conn.prepare_cached(sql)?;
    let found = find.query_map(
        params![id.number(), begin - signed(PIECE_BYTES as u64), end],
        |piece| Ok((piece.get(0)?, piece.get(1)?)),
    )?;
    let mut pieces: Vec<(i64, Vec<u8>)> = found.collect::<Result<_, _>>()?;
    let part = |at: i64, length: usize| {
        let place = |of: i64| usize::try_from(of - at).unwrap_or(0).min(length);
        place(begin)..place(end)
    };
    let parts = pieces
        .iter()
        .map(|(at, bytes)| &bytes[part(*at, bytes.len())]);
    let mut whole: Vec<u8> = parts.collect::<Vec<_>>().concat();
    blank(&mut whole);
    let sql = "UPDATE broadcast_pieces SET bytes = ?3 WHERE broadcast = ?1 AND at = ?2";
    let mut keep = conn.prepare_cached(sql)?;
    let mut rest = &whole[..];
    for (at, bytes) in &mut pieces {
        let part = part(*at, bytes.len());
        let (own, others) = rest.split_at(part.len());
        bytes[part].copy_from_slice(own);
        rest = others;
        keep.execute(params![id.number(), *at, &bytes[..]])?;
    }
    Ok(())
}
