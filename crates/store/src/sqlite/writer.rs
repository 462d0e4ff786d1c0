//! The one thread that writes: it gathers what waits, runs it in one transaction, commits, and only then answers.
//! It knows nothing of what the operations do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hongyan_courier::port::StoreError;
use tokio::sync::mpsc;

use super::answers::{Answers, Batch};
use super::base::Base;
use super::board::Board;
use super::checkpoint::Checkpoints;
use super::fault::Fault;
use super::ops::Job;
use super::watch::Watch;

/// The most operations and about the most rows of one transaction.
const BATCH_JOBS: usize = 1_024;
const BATCH_ROWS: usize = 2_048;
/// After a batch of at least so many operations their callers are likely to come again at once: it pays to wait a moment
/// for them, so that they share an fsync.
const BUSY_BATCH: usize = 16;
const LINGER: Duration = Duration::from_micros(200);

/// For each operation of a batch, why it alone was refused.
type Refusals = Vec<Option<StoreError>>;
/// How one operation of a batch is run.
type Run = fn(&mut Base, &mut Box<dyn Job>) -> Result<Option<StoreError>, Fault>;

/// What the writer is told.
pub(super) enum Call {
    Do(Box<dyn Job>),
    Stop,
}

pub(super) struct Writer {
    pub(super) base: Base,
    pub(super) calls: mpsc::Receiver<Call>,
    /// Rows that wait in `calls`.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) board: Arc<Board>,
    pub(super) answers: Answers,
    pub(super) checkpoints: Checkpoints,
    pub(super) watch: Arc<dyn Watch>,
    /// Memory may disagree with the database, because reading it anew failed.
    pub(super) stale: bool,
}

impl Writer {
    /// Works until everybody who could ask is gone, or until told to stop.
    pub(super) fn run(mut self) {
        let mut last = 0;
        loop {
            let jobs = self.gather(last);
            if jobs.is_empty() {
                break;
            }
            last = jobs.len();
            if !self.batch(jobs) {
                // The runtime of whoever asked is gone, or its telling broke: what is written would reach nobody.
                break;
            }
            self.checkpoints.after_commit(&self.base.conn);
        }
        self.checkpoints.finish(&self.base.conn);
    }

    /// Waits for work. Nothing means that no more will come.
    fn gather(&mut self, last: usize) -> Vec<Box<dyn Job>> {
        let mut jobs = Vec::with_capacity(last.max(1));
        let mut rows = 0;
        while jobs.is_empty() {
            match self.calls.blocking_recv() {
                Some(call) => self.take(call, &mut jobs, &mut rows),
                None => return jobs,
            }
        }
        self.drain(&mut jobs, &mut rows);
        if last >= BUSY_BATCH && jobs.len() < last {
            std::thread::sleep(LINGER);
            self.drain(&mut jobs, &mut rows);
        }
        self.waiting.fetch_sub(rows, Ordering::Relaxed);
        jobs
    }

    fn drain(&mut self, jobs: &mut Vec<Box<dyn Job>>, rows: &mut usize) {
        while jobs.len() < BATCH_JOBS && *rows < BATCH_ROWS {
            match self.calls.try_recv() {
                Ok(call) => self.take(call, jobs, rows),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, call: Call, jobs: &mut Vec<Box<dyn Job>>, rows: &mut usize) {
        match call {
            Call::Do(job) => {
                *rows += job.rows();
                jobs.push(job);
            }
            // What was asked before is still done.
            Call::Stop => self.calls.close(),
        }
    }

    /// Answers whether somebody tells the callers.
    fn batch(&mut self, mut jobs: Vec<Box<dyn Job>>) -> bool {
        let began = Instant::now();
        let result = self.transact(&mut jobs);
        self.watch.commit(jobs.len(), began.elapsed());
        match &result {
            Ok(_) => self.base.publish(&self.board),
            Err(fault) => {
                tracing::error!(error = %fault, operations = jobs.len(), "cannot write");
            }
        }
        let result = result.map_err(StoreError::from);
        self.answers.send(Batch { jobs, result }).is_ok()
    }

    /// Runs a batch as one transaction. If an operation fails by its own fault, the batch is run once more with a
    /// savepoint around each, so that it fails alone; the usual batch is spared the savepoints.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Refusals, Fault> {
        if self.stale {
            self.base.reload()?;
            self.stale = false;
        }
        // All of them wait, so none is before another; new messages are stored together.
        jobs.sort_by_key(|job| !job.only_adds());
        let result = match self.attempt(jobs, run_plainly) {
            Err(fault) if fault.is_personal() => {
                self.roll_back();
                // With memory that could not be read anew the others would decide on nothing.
                if self.stale {
                    return Err(fault);
                }
                self.attempt(jobs, run_carefully)
            }
            result => result,
        };
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn attempt(&mut self, jobs: &mut [Box<dyn Job>], run: Run) -> Result<Refusals, Fault> {
        let base = &mut self.base;
        base.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut refused = Vec::with_capacity(jobs.len());
        let mut now = None;
        for job in jobs {
            now = now.max(job.now());
            refused.push(run(base, job)?);
        }
        base.store()?;
        if let Some(now) = now {
            base.mark_time(now)?;
        }
        base.write_gathered()?;
        base.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(refused)
    }

    fn roll_back(&mut self) {
        // SQLite may have rolled back by itself already.
        if !self.base.conn.is_autocommit()
            && let Err(error) = self.base.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
        self.base.forget_gathered();
        self.stale = self.base.reload().is_err();
    }
}

fn run_plainly(base: &mut Base, job: &mut Box<dyn Job>) -> Result<Option<StoreError>, Fault> {
    if !job.only_adds() {
        base.store()?;
    }
    job.run(base).map(|()| None)
}

fn run_carefully(base: &mut Base, job: &mut Box<dyn Job>) -> Result<Option<StoreError>, Fault> {
    base.conn.prepare_cached("SAVEPOINT one")?.execute([])?;
    let (depths, nonces) = (base.depths.mark(), base.nonces.mark());
    let done = job.run(base).and_then(|()| base.store());
    let refused = match done.and_then(|()| base.write_gathered()) {
        Ok(()) => None,
        Err(fault) if fault.is_personal() => {
            base.conn.prepare_cached("ROLLBACK TO one")?.execute([])?;
            base.forget_added();
            base.tallies.forget();
            base.depths.go_back(depths);
            base.nonces.go_back(nonces);
            base.reload()?;
            Some(StoreError::from(fault))
        }
        Err(fault) => return Err(fault),
    };
    base.conn.prepare_cached("RELEASE one")?.execute([])?;
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use hongyan_courier::UnixMs;

    use super::*;
    use crate::sqlite::ops::{Asked, Op};
    use crate::sqlite::{connect, schema};

    /// Counts how often it is run.
    struct Counted(Arc<AtomicUsize>);

    impl Op for Counted {
        type Answer = ();
        const NAME: &'static str = "counted";

        fn now(&self) -> Option<UnixMs> {
            None
        }

        fn run(&mut self, _base: &mut Base) -> Result<(), Fault> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Fails by its own fault, and leaves behind what memory cannot be read from.
    struct Spoiling;

    impl Op for Spoiling {
        type Answer = ();
        const NAME: &'static str = "spoiling";

        fn now(&self) -> Option<UnixMs> {
            None
        }

        fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
            let node = "ROLLBACK; INSERT OR REPLACE INTO nodes VALUES ('n1', 'no epoch', 0)";
            base.conn.execute_batch(node)?;
            Err(Fault::Unreadable("its own fault".to_owned()))
        }
    }

    #[test]
    fn nothing_runs_on_memory_that_could_not_be_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hongyan.db");
        let mut conn = connect::for_writing(&path).unwrap();
        schema::migrate(&mut conn, schema::LATEST).unwrap();
        let (_calls, called) = mpsc::channel(1);
        let mut writer = Writer {
            base: Base::load(conn).unwrap(),
            calls: called,
            waiting: Arc::default(),
            board: Arc::new(Board::new(Arc::default())),
            answers: mpsc::unbounded_channel().0,
            checkpoints: Checkpoints::start(path).unwrap(),
            watch: Arc::new(()),
            stale: false,
        };
        let runs = Arc::new(AtomicUsize::new(0));
        let (counted, _) = Asked::new(Counted(Arc::clone(&runs)));
        let (spoiling, _) = Asked::new(Spoiling);
        let mut jobs: Vec<Box<dyn Job>> = vec![Box::new(counted), Box::new(spoiling)];
        assert!(writer.transact(&mut jobs).is_err());
        assert!(writer.stale);
        assert_eq!(runs.load(Ordering::Relaxed), 1, "run again, on nothing");
        // Once it can be read again, work goes on.
        writer.base.conn.execute("DELETE FROM nodes", []).unwrap();
        jobs.truncate(1);
        assert!(writer.transact(&mut jobs).is_ok());
        assert!(!writer.stale);
    }
}
