//! A journal of records that cannot be taken where they belong just now: appended, fsynced, read in order, and forgotten
//! when they were taken. It knows bytes alone. After a crash records may come again, and none is missing.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot, watch};

use file::Journal;

/// So many callers may wait for the disk; whoever comes then waits in line.
const WAITING_MAX: usize = 1024;
/// So many records become durable by one fsync.
const BATCH_MAX: usize = 512;

/// The record was not kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// Its bound is reached. Nothing was done.
    #[error("the spool is full")]
    Full,
    /// The disk says no, or the spool is closed. The record may be there all the same.
    #[error("the spool cannot be written: {0}")]
    Io(String),
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

enum Command {
    Append(Vec<u8>, oneshot::Sender<Result<(), SpoolError>>),
    Peek(usize, oneshot::Sender<Result<Vec<Vec<u8>>, SpoolError>>),
    Pop(usize, oneshot::Sender<Result<(), SpoolError>>),
}

/// An open journal; clones share it. One thread owns the file, and ends when the last of them is gone.
#[derive(Clone, Debug)]
pub struct Spool {
    commands: mpsc::Sender<Command>,
    waiting: watch::Receiver<usize>,
    path: PathBuf,
}

impl Spool {
    /// Opens a journal, or makes one; blocks while it looks through what was left. What a crash cut off in the middle was
    /// never acknowledged, and is dropped.
    ///
    /// # Errors
    /// The file cannot be opened, read or written, or is not a journal.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let journal = Journal::open(path, bytes_max)?;
        let (commands, orders) = mpsc::channel(WAITING_MAX);
        let (count, waiting) = watch::channel(journal.len());
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || work(journal, orders, &count))?;
        Ok(Self {
            commands,
            waiting,
            path: path.to_owned(),
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns when at least one waits; never, once the spool is closed.
    pub async fn filled(&self) {
        let mut waiting = self.waiting.clone();
        if waiting.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending().await
        }
    }

    /// Keeps a record; durable when answered.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub async fn append(&self, record: Vec<u8>) -> Result<(), SpoolError> {
        self.ask(|answer| Command::Append(record, answer)).await
    }

    /// The oldest records, at most so many; they stay.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub async fn peek(&self, limit: usize) -> Result<Vec<Vec<u8>>, SpoolError> {
        self.ask(|answer| Command::Peek(limit, answer)).await
    }

    /// Forgets the oldest records. After a crash they may come again.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub async fn pop(&self, count: usize) -> Result<(), SpoolError> {
        self.ask(|answer| Command::Pop(count, answer)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Command,
    ) -> Result<T, SpoolError> {
        let closed = || SpoolError::Io("the spool is closed".to_owned());
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Appends that wait together become durable together.
fn work(mut journal: Journal, mut orders: mpsc::Receiver<Command>, count: &watch::Sender<usize>) {
    // What ended a batch of appends.
    let mut next = None;
    loop {
        let Some(command) = next.take().or_else(|| orders.blocking_recv()) else {
            return;
        };
        match command {
            Command::Append(record, answer) => {
                let mut batch = vec![(record, answer)];
                while batch.len() < BATCH_MAX {
                    match orders.try_recv() {
                        Ok(Command::Append(record, answer)) => batch.push((record, answer)),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                append(&mut journal, batch, count);
            }
            // Whoever asked may be gone by now.
            Command::Peek(limit, answer) => {
                let _ = answer.send(journal.peek(limit).map_err(SpoolError::from));
            }
            Command::Pop(records, answer) => {
                let popped = journal.pop(records).map_err(SpoolError::from);
                count.send_replace(journal.len());
                let _ = answer.send(popped);
            }
        }
    }
}

type Answer = oneshot::Sender<Result<(), SpoolError>>;

fn append(journal: &mut Journal, batch: Vec<(Vec<u8>, Answer)>, count: &watch::Sender<usize>) {
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for (record, answer) in batch {
        if journal.has_room(&record) {
            journal.stage(&record);
            kept.push(answer);
        } else {
            refused.push(answer);
        }
    }
    let flushed = journal.flush().map_err(SpoolError::from);
    count.send_replace(journal.len());
    for answer in kept {
        let _ = answer.send(flushed.clone());
    }
    for answer in refused {
        let _ = answer.send(Err(SpoolError::Full));
    }
}
