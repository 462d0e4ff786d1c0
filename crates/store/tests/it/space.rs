//! Disks that cannot be written: full, or read-only. They are small file systems in memory, which need root to mount.

use std::path::{Path, PathBuf};
use std::process::Command;

use hongyan_courier::conformance::fixture::{NOW, call, content, new};
use hongyan_courier::port::{AcceptError, Ledger, Queue, StoreError};
use hongyan_store::sqlite::{OpenError, SqliteStore};
use tempfile::TempDir;

/// A file system in memory, unmounted when dropped.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// None where this user may not mount; the test then says so and proves nothing.
    fn mount(size: &str) -> Option<Self> {
        let disk = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let options = format!("size={size}");
        let mounted = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "hongyan-test"],
            disk.root(),
        );
        if !mounted {
            eprintln!("SKIPPED: cannot mount a small disk; run this test as root");
        }
        mounted.then_some(disk)
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn database(&self) -> PathBuf {
        self.root().join("hongyan.db")
    }

    fn read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], self.root()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.root());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let done = Command::new(program).args(arguments).arg(path).output();
    done.is_ok_and(|done| done.status.success())
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_was_answered() {
    let Some(disk) = SmallDisk::mount("3m") else {
        return;
    };
    let ballast = disk.root().join("ballast");
    std::fs::write(&ballast, vec![0_u8; 1 << 20]).unwrap();
    let store = SqliteStore::open(&disk.database(), NOW).unwrap();
    let mut stored = Vec::new();
    let refused = loop {
        let batch = (0..50).map(|n| new(content(&format!("o{n}")), NOW));
        match store.accept(call(batch.collect()), NOW).await {
            Ok(accepted) => stored.extend(accepted.into_iter().map(|one| one.unwrap().id)),
            Err(error) => break error,
        }
        assert!(stored.len() < 100_000, "the disk never fills");
    };
    let full = matches!(&refused, AcceptError::Store(StoreError::Unavailable(why)) if why == "the disk is full");
    assert!(full, "{refused:?}");
    for id in &stored {
        assert!(store.find(*id).await.unwrap().is_some());
    }
    // With room again it goes on by itself.
    std::fs::remove_file(ballast).unwrap();
    let accepted = store.accept(call(vec![new(content("o1"), NOW)]), NOW).await;
    stored.push(accepted.unwrap()[0].unwrap().id);
    store.close().await;
    drop(store);
    let store = SqliteStore::open(&disk.database(), NOW).unwrap();
    for id in stored {
        assert!(store.find(id).await.unwrap().is_some());
    }
}

#[test]
fn opening_on_a_full_disk_says_so() {
    let Some(disk) = SmallDisk::mount("64k") else {
        return;
    };
    std::fs::write(disk.root().join("ballast"), vec![0_u8; 40 << 10]).unwrap();
    let Err(error) = SqliteStore::open(&disk.database(), NOW) else {
        panic!("it opened");
    };
    assert!(matches!(error, OpenError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some space"));
}

#[test]
fn a_read_only_disk_says_so() {
    let Some(disk) = SmallDisk::mount("3m") else {
        return;
    };
    drop(SqliteStore::open(&disk.database(), NOW).unwrap());
    disk.read_only();
    let Err(error) = SqliteStore::open(&disk.database(), NOW) else {
        panic!("it opened");
    };
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("write permission"));
}

#[test]
fn a_database_that_cannot_be_written_says_so() {
    let disk = tempfile::tempdir().unwrap();
    let path = disk.path().join("hongyan.db");
    // A directory in its place can be written by nobody, root included.
    std::fs::create_dir(&path).unwrap();
    let Err(error) = SqliteStore::open(&path, NOW) else {
        panic!("it opened");
    };
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
}
