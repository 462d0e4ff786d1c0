//! What the writer works on: its connection, and what it remembers beside it so that the usual steps need no query.
//! After a rollback what repeats the database is read anew, what was gathered for the commit is forgotten, and what only
//! spares a look (`held`, `lines`) stays as it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_courier::UnixMs;
use hongyan_courier::account::Flag;
use hongyan_courier::broadcast::State;
use hongyan_courier::delivery::{Delivery, Lease};
use hongyan_courier::message::{AccountName, Content, Message, MessageId, Status};
use hongyan_courier::port::{Moved, NodeEpoch, Nonce, Swept};
use hongyan_courier::recipient::Hold;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::Accounts;
use super::board::Board;
use super::depth::Depths;
use super::fault::Fault;
use super::held::Held;
use super::hooks::Hooks;
use super::nonces::Nonces;
use super::ops::claim::Lines;
use super::read::broadcast;
use super::rows::{self, Found, Updates};
use super::tallies::Tallies;
use super::templates::{self, Stops};

/// How often the latest time seen is written down.
const MARK_EVERY_MS: i64 = 1_000;
/// How often it is tried whether the file can be written.
const PROBE_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Base {
    pub(super) conn: Connection,
    pub(super) accounts: Accounts,
    /// Every message that is leased; at most as many as there are sender slots.
    pub(super) leases: HashMap<MessageId, Found>,
    pub(super) nodes: HashMap<String, Node>,
    pub(super) last_epoch: i64,
    /// Receipts that wait for their msgid; while there are none, nothing needs to be asked.
    pub(super) orphans: i64,
    pub(super) lines: Lines,
    pub(super) nonces: Nonces,
    /// Of whom it is worth asking what is held back from them.
    pub(super) held: Arc<Held>,
    /// What became of messages of broadcasts, not yet written down.
    pub(super) tallies: Tallies,
    /// How many messages wait.
    pub(super) depths: Depths,
    /// Who is told of what moves.
    pub(super) hooks: Hooks,
    /// Templates of which nothing is leased, as they are stored.
    pub(super) stops: Stops,
    /// New messages, with the numbers of their accounts, that have no rows yet.
    added: Vec<(i64, Message)>,
    mark: UnixMs,
    /// When the file was last written to for no other end than to see that it can be.
    probed_at: Option<Instant>,
    /// Messages that were or are leased and changed since the last commit.
    touched: Vec<MessageId>,
}

/// A node that beats.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) epoch: i64,
    pub(super) beat_at: UnixMs,
}

impl Base {
    pub(super) fn load(conn: Connection) -> Result<Self, Fault> {
        let nonces = Nonces::load(&conn)?;
        let mut base = Self {
            conn,
            accounts: Accounts::default(),
            leases: HashMap::new(),
            nodes: HashMap::new(),
            last_epoch: 0,
            orphans: 0,
            lines: Lines::default(),
            nonces,
            held: Arc::default(),
            tallies: Tallies::default(),
            depths: Depths::default(),
            hooks: Hooks::default(),
            stops: Stops::new(),
            added: Vec::new(),
            mark: UnixMs(0),
            probed_at: None,
            touched: Vec::new(),
        };
        base.reload()?;
        base.depths = Depths::load(&base.conn, &mut base.accounts)?;
        base.held = Arc::new(Held::load(&base.conn)?);
        Ok(base)
    }

    /// Forgets what repeats the database and reads it anew.
    pub(super) fn reload(&mut self) -> Result<(), Fault> {
        let Self {
            conn,
            accounts,
            leases,
            nodes,
            stops,
            ..
        } = self;
        accounts.clear();
        leases.clear();
        nodes.clear();
        let mut leased = conn.prepare_cached(rows::select!(
            "WHERE rowid IN (SELECT value FROM leased, json_each(rowids)) AND status = 1"
        ))?;
        let mut found = leased.query([])?;
        while let Some(row) = found.next()? {
            let message = rows::read(row, |id| accounts.name(conn, id))?;
            leases.insert(message.id, (rows::rowid(row)?, message));
        }
        *stops = templates::stops(conn)?;
        for account in stops.keys() {
            accounts.name(conn, *account)?;
        }
        let mut beating = conn.prepare_cached("SELECT node, epoch, beat_at FROM nodes")?;
        let mut found = beating.query([])?;
        while let Some(row) = found.next()? {
            let node = Node {
                epoch: row.get(1)?,
                beat_at: UnixMs(row.get(2)?),
            };
            nodes.insert(row.get(0)?, node);
        }
        self.probed_at = None;
        self.last_epoch = meta(conn, "last_epoch")?;
        self.mark = UnixMs(meta(conn, "clock_mark")?);
        let orphans = "SELECT count(*) FROM receipts WHERE message IS NULL";
        self.orphans = conn
            .prepare_cached(orphans)?
            .query_row([], |row| row.get(0))?;
        self.hooks = Hooks::load(conn)?;
        Ok(())
    }

    /// Takes a new message, to be [stored](Self::store) with others that come in.
    pub(super) fn add(&mut self, message: Message) -> Result<(), Fault> {
        let account = self.accounts.id(&self.conn, &message.content.account)?;
        self.added.push((account, message));
        Ok(())
    }

    /// Stores what was added: many rows by one statement cost less. Whatever looks at messages comes after it.
    pub(super) fn store(&mut self) -> Result<(), Fault> {
        let added = std::mem::take(&mut self.added);
        let rowids = rows::insert(&self.conn, &added)?;
        for (rowid, (_, message)) in rowids.into_iter().zip(added) {
            self.count(&message, None);
            self.hooks
                .leave(&self.conn, None, &message, message.created_at)?;
            self.keep(rowid, message);
        }
        Ok(())
    }

    /// Spends a nonce, where there is one. Answers whether it may be used.
    pub(super) fn spend(&mut self, nonce: Option<&Nonce>) -> Result<bool, Fault> {
        match nonce {
            Some(nonce) => self.nonces.spend(&self.conn, nonce),
            None => Ok(true),
        }
    }

    /// One message, as it stands inside the transaction.
    pub(super) fn find(&mut self, id: MessageId) -> Result<Option<Message>, Fault> {
        if let Some((_, message)) = self.leases.get(&id) {
            return Ok(Some(message.clone()));
        }
        let found = find(&self.conn, &mut self.accounts, id)?;
        Ok(found.map(|(_, message)| message))
    }

    /// Applies a step to a message and writes it back. Answers nothing if there is no such message.
    pub(super) fn change<T>(
        &mut self,
        id: MessageId,
        now: UnixMs,
        step: impl FnOnce(&Content, &mut Delivery) -> T,
    ) -> Result<Option<Changed<T>>, Fault> {
        let found = match self.leases.remove(&id) {
            Some(found) => Some(found),
            None => find(&self.conn, &mut self.accounts, id)?,
        };
        let Some((rowid, mut message)) = found else {
            return Ok(None);
        };
        let stood = message.delivery.clone();
        let before = stood.status;
        let was_leased = before == Status::Sending;
        let answer = step(&message.content, &mut message.delivery);
        rows::update(&self.conn, rowid, (&stood, &message.delivery), now)?;
        self.hooks.leave(&self.conn, Some(before), &message, now)?;
        if was_leased {
            self.touched.push(id);
        }
        self.count(&message, Some(before));
        let changed = Changed {
            answer,
            account: message.content.account.clone(),
            moved: moved(&message.delivery),
        };
        self.keep(rowid, message);
        Ok(Some(changed))
    }

    /// Leases messages.
    pub(super) fn lease(
        &mut self,
        found: Vec<Found>,
        lease: &Lease,
    ) -> Result<Vec<Message>, Fault> {
        let mut leased = Vec::with_capacity(found.len());
        let mut updates = Updates::default();
        for (rowid, mut message) in found {
            let stood = message.delivery.clone();
            message.delivery.take_lease(lease.clone());
            updates.add(rowid, (&stood, &message.delivery), lease.at)?;
            self.count(&message, Some(stood.status));
            self.keep(rowid, message.clone());
            leased.push(message);
        }
        updates.write(&self.conn)?;
        Ok(leased)
    }

    /// Counts that a message came to where it stands.
    fn count(&mut self, message: &Message, from: Option<Status>) {
        let (content, to) = (&message.content, message.delivery.status);
        self.tallies.moved(content.broadcast, from, to);
        self.depths
            .moved(&content.account, content.priority, from, to);
    }

    fn keep(&mut self, rowid: i64, message: Message) {
        if message.delivery.status == Status::Sending {
            self.touched.push(message.id);
            self.leases.insert(message.id, (rowid, message));
        }
    }

    /// What its recipient's suppressions do to a message at this time.
    pub(super) fn hold(&mut self, content: &Content, at: UnixMs) -> Result<Option<Hold>, Fault> {
        if !self.held.may_hold(&content.touser) {
            return Ok(None);
        }
        match self.accounts.known(&self.conn, &content.account)? {
            Some(account) => self.held.hold(&self.conn, account, content, at),
            None => Ok(None),
        }
    }

    /// Whether a message's broadcast is paused.
    pub(super) fn is_paused(&self, content: &Content) -> Result<bool, Fault> {
        let Some(of) = content.broadcast else {
            return Ok(false);
        };
        let stands = broadcast::stands(&self.conn, of.id)?;
        Ok(stands.is_some_and(|(state, ..)| state == State::Paused))
    }

    /// Whether a lease on this epoch would belong to somebody.
    pub(super) fn is_current(&self, by: &NodeEpoch) -> bool {
        let node = self.nodes.get(&*by.node);
        node.is_some_and(|node| node.epoch == by.epoch)
    }

    /// Keeps a flag; the same one raised again only gets younger.
    pub(super) fn raise(&mut self, account: &AccountName, flag: Option<Flag>) -> Result<(), Fault> {
        let Some(flag) = flag else { return Ok(()) };
        let account = self.accounts.id(&self.conn, account)?;
        let sql = "INSERT OR REPLACE INTO flags (account, subject, key, reason, errcode, at) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.conn.prepare_cached(sql)?.execute(params![
            account,
            flag.subject.as_str(),
            flag.key,
            flag.reason.as_str(),
            flag.errcode,
            flag.at.0,
        ])?;
        Ok(())
    }

    /// Writes down how late it is, once in a while.
    pub(super) fn mark_time(&mut self, now: UnixMs) -> Result<(), Fault> {
        if now.0 >= self.mark.0 + MARK_EVERY_MS {
            set_meta(&self.conn, "clock_mark", now.0)?;
            self.mark = now;
        }
        Ok(())
    }

    /// Writes something, if that was not tried just before: whoever asks often must not cost an fsync each time.
    pub(super) fn probe(&mut self) -> Result<(), Fault> {
        let just_before = |at: Instant| at.elapsed() < PROBE_EVERY;
        if !self.probed_at.is_some_and(just_before) {
            let probes = meta(&self.conn, "probes")?;
            set_meta(&self.conn, "probes", probes + 1)?;
            self.probed_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Writes down which messages are leased, if that may have changed.
    pub(super) fn write_leases(&self) -> Result<(), Fault> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let rowids: Vec<i64> = self.leases.values().map(|(rowid, _)| *rowid).collect();
        self.conn
            .prepare_cached("UPDATE leased SET rowids = ?1")?
            .execute([serde_json::to_string(&rowids)?])?;
        Ok(())
    }

    /// Writes what was gathered for the commit.
    pub(super) fn write_gathered(&mut self) -> Result<(), Fault> {
        self.tallies.write(&self.conn)?;
        self.write_leases()
    }

    /// Tells whoever looks how the leases stand after a commit.
    pub(super) fn publish(&mut self, board: &Board) {
        let touched = std::mem::take(&mut self.touched);
        let stands = |id| self.leases.get(id).map(|(_, message)| message);
        board.publish(touched.iter().map(|id| (*id, stands(id))));
        self.touched = touched;
        self.touched.clear();
        self.depths.publish();
        self.nonces.keep();
    }

    /// Forgets new messages of an operation that is undone.
    pub(super) fn forget_added(&mut self) {
        self.added.clear();
    }

    /// Forgets what was gathered in a transaction that is over.
    pub(super) fn forget_gathered(&mut self) {
        self.forget_added();
        self.tallies.forget();
        self.depths.forget();
        self.nonces.go_back(0);
        self.touched.clear();
    }
}

/// What a step did to a message.
pub(super) struct Changed<T> {
    pub(super) answer: T,
    pub(super) account: AccountName,
    pub(super) moved: Moved,
}

impl<T> Changed<T> {
    /// The same for whoever is told of what ended.
    pub(super) fn swept(self, id: MessageId) -> Swept {
        Swept {
            id,
            account: self.account,
            status: self.moved.status,
            reason: self.moved.reason,
        }
    }
}

fn moved(delivery: &Delivery) -> Moved {
    Moved {
        status: delivery.status,
        reason: delivery.reason,
        msgid: delivery.msgid,
        due_at: delivery.due_at,
    }
}

/// One message, as the database has it.
pub(super) fn find(
    conn: &Connection,
    accounts: &mut Accounts,
    id: MessageId,
) -> Result<Option<Found>, Fault> {
    let mut find = conn.prepare_cached(rows::select!("WHERE id = ?1"))?;
    let mut found = find.query([id.as_bytes().as_slice()])?;
    let row = found.next()?;
    let Some(row) = row else { return Ok(None) };
    let message = rows::read(row, |id| accounts.name(conn, id))?;
    Ok(Some((rows::rowid(row)?, message)))
}

/// A single fact.
pub(super) fn meta(conn: &Connection, key: &str) -> Result<i64, Fault> {
    let mut find = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let value = find.query_row([key], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0))
}

/// Keeps a single fact.
pub(super) fn set_meta(conn: &Connection, key: &str, value: i64) -> Result<(), Fault> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}
