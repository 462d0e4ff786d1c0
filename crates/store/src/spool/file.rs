//! The journal's file: a head that says where the first waiting record lies, then records with their length and checksum.
//! Blocking; it knows no threads.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::fnv;

/// What the file begins with; the place of the first waiting record follows, little-endian like every number here.
const MAGIC: &[u8; 8] = b"HYSPOOL1";
const HEAD: u64 = 16;
/// Length (4 bytes) and checksum (8 bytes) before each record.
const FRAME: u64 = 12;
/// A file of which so much was read is written anew without it.
const STALE_MAX: u64 = 8 << 20;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Where the first waiting record lies.
    head: u64,
    /// Where the next one goes.
    end: u64,
    /// How long the waiting records are, oldest first.
    lengths: VecDeque<u32>,
    staged: Vec<u8>,
    staged_lengths: Vec<u32>,
    bytes_max: u64,
}

impl Journal {
    pub(super) fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = create(path, false)?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            head: HEAD,
            end: HEAD,
            lengths: VecDeque::new(),
            staged: Vec::new(),
            staged_lengths: Vec::new(),
            bytes_max,
        };
        journal.recover()?;
        Ok(journal)
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn has_room(&self, record: &[u8]) -> bool {
        let length = record.len() as u64;
        let used = self.end + self.staged.len() as u64;
        u32::try_from(length).is_ok() && used + FRAME + length <= self.bytes_max
    }

    /// Takes a record for the next flush.
    pub(super) fn stage(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.staged.extend(length.to_le_bytes());
        self.staged.extend(fnv::hash(record).to_le_bytes());
        self.staged.extend(record);
        self.staged_lengths.push(length);
    }

    /// Makes what was staged durable. After an error nothing of it counts.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        let lengths = std::mem::take(&mut self.staged_lengths);
        if staged.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write_all_at(&staged, self.end)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // The next flush writes over it; a restart must not find half of it.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += staged.len() as u64;
        self.lengths.extend(lengths);
        Ok(())
    }

    pub(super) fn peek(&self, limit: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut at = self.head;
        let mut records = Vec::new();
        for length in self.lengths.iter().take(limit) {
            let mut record = vec![0; *length as usize];
            self.file.read_exact_at(&mut record, at + FRAME)?;
            at += FRAME + u64::from(*length);
            records.push(record);
        }
        Ok(records)
    }

    pub(super) fn pop(&mut self, count: usize) -> io::Result<()> {
        for length in self.lengths.drain(..count.min(self.lengths.len())) {
            self.head += FRAME + u64::from(length);
        }
        if self.lengths.is_empty() {
            self.head = HEAD;
            self.end = HEAD;
            self.mark()?;
            return self.file.set_len(HEAD);
        }
        // Not synced: what was taken may come again after a crash, and is known again.
        self.mark()?;
        if self.head > STALE_MAX && self.head > self.end / 2 {
            self.compact()?;
        }
        Ok(())
    }

    /// Finds what waits; cuts off what a crash left behind it.
    fn recover(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let mut start = [0; HEAD as usize];
        if length < HEAD {
            self.mark()?;
            self.file.set_len(HEAD)?;
            return self.sync_all();
        }
        self.file.read_exact_at(&mut start, 0)?;
        if &start[..8] != MAGIC {
            let text = format!("{} is not a spool", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut head = [0; 8];
        head.copy_from_slice(&start[8..]);
        let head = u64::from_le_bytes(head);
        // It was emptied, and the head of before came back after a crash.
        self.head = if (HEAD..=length).contains(&head) {
            head
        } else {
            HEAD
        };
        self.end = self.head;
        while let Some(record) = self.record_at(self.end, length)? {
            self.lengths.push_back(record);
            self.end += FRAME + u64::from(record);
        }
        if self.end < length {
            let bytes = length - self.end;
            tracing::warn!(spool = %self.path.display(), bytes, "dropped what was not written to its end");
            self.file.set_len(self.end)?;
            self.sync_all()?;
        }
        Ok(())
    }

    /// The length of a whole record there.
    fn record_at(&self, at: u64, length: u64) -> io::Result<Option<u32>> {
        if at + FRAME > length {
            return Ok(None);
        }
        let mut frame = [0; FRAME as usize];
        self.file.read_exact_at(&mut frame, at)?;
        let (mut size, mut sum) = ([0; 4], [0; 8]);
        size.copy_from_slice(&frame[..4]);
        sum.copy_from_slice(&frame[4..]);
        let size = u32::from_le_bytes(size);
        if at + FRAME + u64::from(size) > length {
            return Ok(None);
        }
        let mut record = vec![0; size as usize];
        self.file.read_exact_at(&mut record, at + FRAME)?;
        Ok((fnv::hash(&record) == u64::from_le_bytes(sum)).then_some(size))
    }

    fn mark(&self) -> io::Result<()> {
        let mut start = [0; HEAD as usize];
        start[..8].copy_from_slice(MAGIC);
        start[8..].copy_from_slice(&self.head.to_le_bytes());
        self.file.write_all_at(&start, 0)
    }

    /// Writes what waits into a new file that takes the old one's place.
    fn compact(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("compact");
        let mut waiting = vec![0; usize::try_from(self.end - self.head).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut waiting, self.head)?;
        let file = create(&beside, true)?;
        file.write_all_at(&waiting, HEAD)?;
        let old = std::mem::replace(&mut self.file, file);
        let (head, end) = (self.head, self.end);
        self.head = HEAD;
        self.end = HEAD + waiting.len() as u64;
        let moved = self
            .mark()
            .and_then(|()| self.file.sync_all())
            .and_then(|()| std::fs::rename(&beside, &self.path));
        if moved.is_err() {
            self.file = old;
            (self.head, self.end) = (head, end);
            return moved;
        }
        self.sync_all()
    }

    /// The file and its name.
    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }
}

/// For its owner alone: openids are personal data.
fn create(path: &Path, anew: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(anew)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(path: &Path) -> Journal {
        Journal::open(path, 1 << 20).unwrap()
    }

    fn keep(journal: &mut Journal, records: &[&str]) {
        for record in records {
            journal.stage(record.as_bytes());
        }
        journal.flush().unwrap();
    }

    fn all(journal: &Journal) -> Vec<String> {
        let records = journal.peek(usize::MAX).unwrap();
        let text = |record| String::from_utf8(record).unwrap();
        records.into_iter().map(text).collect()
    }

    #[test]
    fn what_was_kept_comes_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        keep(&mut journal(&path), &["one", "", "three"]);
        let mut again = journal(&path);
        assert_eq!(all(&again), ["one", "", "three"]);
        again.pop(2).unwrap();
        keep(&mut again, &["four"]);
        assert_eq!(all(&again), ["three", "four"]);
        assert_eq!(all(&journal(&path)), ["three", "four"]);
        again.pop(9).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), HEAD);
        assert_eq!(journal(&path).len(), 0);
    }

    #[test]
    fn what_a_crash_cut_off_is_dropped_wherever_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        keep(&mut journal(&path), &["one", "two"]);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..15 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut found = journal(&path);
            assert_eq!(all(&found), ["one"], "{cut} bytes less");
            keep(&mut found, &["new"]);
            assert_eq!(all(&journal(&path)), ["one", "new"]);
        }
        let mut spoiled = whole;
        *spoiled.last_mut().unwrap() ^= 1;
        std::fs::write(&path, spoiled).unwrap();
        assert_eq!(all(&journal(&path)), ["one"]);
    }

    #[test]
    fn a_file_that_was_read_for_long_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut journal = Journal::open(&path, 64 << 20).unwrap();
        let big = "x".repeat(1 << 20);
        for _ in 0..12 {
            keep(&mut journal, &[&big]);
        }
        keep(&mut journal, &["last"]);
        journal.pop(10).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 3 << 20);
        keep(&mut journal, &["later"]);
        let mut again = Journal::open(&path, 64 << 20).unwrap();
        again.pop(2).unwrap();
        assert_eq!(all(&again), ["last", "later"]);
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "a letter to somebody").unwrap();
        assert!(Journal::open(&path, 1 << 20).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a letter to somebody");
    }
}
