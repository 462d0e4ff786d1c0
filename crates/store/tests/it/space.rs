//! Disks that cannot be written: full, or read-only. They are small file systems in memory, which only root may mount, or
//! whoever is root in a namespace of its own: each test starts this test binary once more in one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How a process gets mounts of its own: as root, or as any user where the system lets users have namespaces.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// Runs a test of `inside` where it may mount.
fn passes_inside(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let way = WAYS.into_iter().find(|way| {
        let mount = ["mount", "-t", "tmpfs", "hongyan-test"];
        run("unshare", &[way, mount.as_slice()].concat(), dir.path())
    });
    let Some(way) = way else {
        panic!(
            "cannot mount a small disk: run this as root, or let users have namespaces \
             (sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0), and have \
             unshare and mount of util-linux in the PATH"
        );
    };
    let mut child = Command::new("unshare")
        .args(way)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("space::inside::{test}")])
        .args(["--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let done = child.wait_with_output().unwrap();
    let (said, erred) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    let passed = done.status.success() && said.contains("1 passed");
    assert!(passed, "{said}{erred}");
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let done = Command::new(program).args(arguments).arg(path).output();
    done.is_ok_and(|done| done.status.success())
}

/// A file system in memory, unmounted when dropped.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let disk = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let options = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &options, "hongyan-test"];
        assert!(run("mount", &arguments, disk.root()), "it may mount here");
        disk
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn database(&self) -> PathBuf {
        self.root().join("hongyan.db")
    }

    fn read_only(&self) {
        assert!(run("mount", &["-o", "remount,bind,ro"], self.root()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.root());
    }
}

#[test]
fn a_full_disk_refuses_and_keeps_what_was_answered() {
    passes_inside("a_full_disk");
}

#[test]
fn opening_on_a_full_disk_says_so() {
    passes_inside("opening_on_a_full_disk");
}

#[test]
fn a_read_only_disk_says_so() {
    passes_inside("a_read_only_disk");
}

/// What runs where it may mount. Started otherwise, by hand, these do nothing.
mod inside {
    use hongyan_courier::conformance::fixture::{NOW, call, content, new};
    use hongyan_courier::port::{AcceptError, Ledger, Queue, StoreError};
    use hongyan_store::sqlite::{OpenError, SqliteStore};

    use super::SmallDisk;

    fn told_to_go() -> bool {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap() > 0
    }

    #[tokio::test]
    #[ignore = "a part of the test above"]
    async fn a_full_disk() {
        if !told_to_go() {
            return;
        }
        let disk = SmallDisk::mount("3m");
        let ballast = disk.root().join("ballast");
        std::fs::write(&ballast, vec![0_u8; 1 << 20]).unwrap();
        let store = SqliteStore::open(&disk.database(), NOW).unwrap();
        store.ready().await.unwrap();
        let mut stored = Vec::new();
        let refused = loop {
            let batch = (0..50).map(|n| new(content(&format!("o{n}")), NOW));
            match store.accept(call(batch.collect()), NOW).await {
                Ok(accepted) => stored.extend(accepted.into_iter().map(|one| one.unwrap().id)),
                Err(error) => break error,
            }
            assert!(stored.len() < 100_000, "the disk never fills");
        };
        let full = |error: &StoreError| matches!(error, StoreError::Full);
        assert!(
            matches!(&refused, AcceptError::Store(error) if full(error)),
            "{refused:?}"
        );
        for id in &stored {
            assert!(store.find(*id).await.unwrap().is_some());
        }
        // What was written of a refused call is room for less than a message, but perhaps for some probes.
        let mut ready = Ok(());
        for _ in 0..100 {
            let more = store.accept(call(vec![new(content("o1"), NOW)]), NOW).await;
            stored.extend(more.iter().flatten().map(|one| one.unwrap().id));
            ready = store.ready().await;
            if ready.is_err() {
                break;
            }
        }
        assert!(full(&ready.unwrap_err()), "and is not ready");
        // With room again it goes on by itself.
        std::fs::remove_file(ballast).unwrap();
        store.ready().await.unwrap();
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
    #[ignore = "a part of the test above"]
    fn opening_on_a_full_disk() {
        if !told_to_go() {
            return;
        }
        // So little room that there is none for the file itself, or none for the index of its log.
        for taken_kib in [32, 40, 48, 56, 60] {
            let disk = SmallDisk::mount("64k");
            std::fs::write(disk.root().join("ballast"), vec![0_u8; taken_kib << 10]).unwrap();
            let Err(error) = SqliteStore::open(&disk.database(), NOW) else {
                panic!("it opened");
            };
            let full = matches!(error, OpenError::DiskFull { .. });
            assert!(full, "{taken_kib} KiB taken: {error}");
            assert!(error.to_string().contains("free some space"));
        }
    }

    #[tokio::test]
    #[ignore = "a part of the test above"]
    async fn a_read_only_disk() {
        if !told_to_go() {
            return;
        }
        let disk = SmallDisk::mount("3m");
        drop(SqliteStore::open(&disk.database(), NOW).unwrap());
        disk.read_only();
        let Err(error) = SqliteStore::open(&disk.database(), NOW) else {
            panic!("it opened");
        };
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains("write permission"));
    }
}

#[test]
fn a_database_that_cannot_be_written_says_so() {
    use hongyan_courier::conformance::fixture::NOW;
    use hongyan_store::sqlite::{OpenError, SqliteStore};
    let disk = tempfile::tempdir().unwrap();
    let path = disk.path().join("hongyan.db");
    // A directory in its place can be written by nobody, root included.
    std::fs::create_dir(&path).unwrap();
    let Err(error) = SqliteStore::open(&path, NOW) else {
        panic!("it opened");
    };
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
}
