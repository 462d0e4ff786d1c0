//! What a new process does first: it takes back what a former one held, and heeds a clock that was set back.
//! It applies steps of `delivery` and decides nothing itself.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::message::MessageId;
use rusqlite::Connection;

use super::base::{self, Base};
use super::fault::Fault;

/// A clock that is behind the latest time seen by no more than this is believed: it is corrected by such amounts all the
/// time, and the safe window leaves room for more.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);
/// After every window.
const END_OF_TIME: UnixMs = UnixMs(i64::MAX);

/// Puts the database in order for a new process.
pub(super) fn recover(conn: Connection, now: UnixMs) -> Result<Base, Fault> {
    let mut base = Base::load(conn)?;
    base.conn.execute_batch("BEGIN IMMEDIATE")?;
    let leased: Vec<MessageId> = base.leases.keys().copied().collect();
    for id in &leased {
        base.change(*id, now, |content, delivery| {
            delivery.take_back(content.kind, now);
        })?;
    }
    base.conn.execute("DELETE FROM nodes", [])?;
    let mark = UnixMs(base::meta(&base.conn, "clock_mark")?);
    let stepped_back = now.plus(CLOCK_TOLERANCE) < mark;
    let ended = if stepped_back {
        end_doubts(&mut base, now)?
    } else {
        0
    };
    // With no doubt left that an older time belongs to, time counts anew.
    if stepped_back || now > mark {
        base::set_meta(&base.conn, "clock_mark", now.0)?;
    }
    base.write_gathered()?;
    base.conn.execute_batch("COMMIT")?;
    base.depths.publish();
    base.forget_gathered();
    base.reload()?;
    if !leased.is_empty() {
        tracing::info!(
            messages = leased.len(),
            "took back what a former process was sending"
        );
    }
    if stepped_back {
        tracing::warn!(%mark, %now, messages = ended, "the clock was set back: messages in doubt end as unconfirmed");
    }
    Ok(base)
}

/// Ends what is in doubt: how long ago its first call was cannot be told any more.
fn end_doubts(base: &mut Base, now: UnixMs) -> Result<usize, Fault> {
    let doubtful: Vec<MessageId> = {
        let sql = "SELECT id FROM messages WHERE status = 0 AND doubt_at IS NOT NULL";
        let mut find = base.conn.prepare(sql)?;
        let found = find.query_map([], |row| row.get(0).map(MessageId::from_bytes))?;
        found.collect::<Result<_, _>>()?
    };
    for id in &doubtful {
        base.change(*id, now, |content, delivery| {
            delivery.close_window(content.kind, END_OF_TIME)
        })?;
    }
    Ok(doubtful.len())
}
