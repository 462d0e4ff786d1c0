//! `file:PATH`: a file that holds nothing but the secret; read anew when it changes.
//! It looks at files from time to time, since mounts of clusters and networks tell nobody of a change.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::seen::Seen;
use super::{Fault, SECRET_BYTES_MAX, SecretSource};

/// How often files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells one state of a file from another; none for a file that is not there. Links are followed.
pub type Mark = Option<(u64, u64, i64, i64, u64)>;

/// The present state of a file.
#[must_use]
pub fn mark(path: &Path) -> Mark {
    std::fs::metadata(path).ok().map(|found| of(&found))
}

fn of(found: &Metadata) -> (u64, u64, i64, i64, u64) {
    (
        found.dev(),
        found.ino(),
        found.mtime(),
        found.mtime_nsec(),
        found.len(),
    )
}

/// Files; strict about who else may read one where `owner_only` is set.
pub struct Files {
    owner_only: bool,
    seen: Seen<Mark>,
}

impl Files {
    #[must_use]
    pub fn new(owner_only: bool) -> Self {
        Self {
            owner_only,
            seen: Seen::default(),
        }
    }

    /// The content of a file that everybody may read, such as a certificate.
    pub fn read_public(&self, path: &str) -> Result<SecretString, Fault> {
        self.read_now(path, false)
    }

    fn read_now(&self, path: &str, owner_only: bool) -> Result<SecretString, Fault> {
        // Noted before it is read: what changes in between is seen as a change.
        self.seen.note(path, mark(Path::new(path)));
        let file = File::open(path).map_err(Fault::Unreadable)?;
        let found = file.metadata().map_err(Fault::Unreadable)?;
        let mode = found.permissions().mode();
        if owner_only && mode & 0o077 != 0 {
            return Err(Fault::Exposed(mode & 0o777));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(SECRET_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(Fault::Unreadable)?;
        if bytes.len() as u64 > SECRET_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        super::text(&bytes)
    }
}

#[async_trait]
impl SecretSource for Files {
    async fn read(&self, path: &str) -> Result<SecretString, Fault> {
        self.read_now(path, self.owner_only)
    }

    async fn changed(&self, path: &str) {
        let seen = self.seen.last(path).await;
        while seen == mark(Path::new(path)) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use secrecy::ExposeSecret;

    use super::*;

    fn read(path: &Path, owner_only: bool) -> Result<String, String> {
        Files::new(owner_only)
            .read_now(path.to_str().unwrap(), owner_only)
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_loses_its_last_line_end_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for (content, value) in [
            ("s\n", "s"),
            ("s\r\n", "s"),
            (" s \n\n", " s \n"),
            ("s", "s"),
        ] {
            let path = directory.path().join("secret");
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path, false).as_deref(), Ok(value));
        }
        let missing = read(&directory.path().join("missing"), false).unwrap_err();
        assert!(
            missing.contains("cannot be read: No such file"),
            "{missing}"
        );
    }

    #[test]
    fn files_that_cannot_be_a_secret_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (content, fault) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"\xff", "not UTF-8"),
            (&[b'x'; 70_000], "longer than 65536"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = read(&path, false).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_where_it_matters() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "s").unwrap();
        for (mode, allowed) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let result = read(&path, true);
            assert_eq!(result.is_ok(), allowed, "{mode:o}: {result:?}");
            assert!(read(&path, false).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_seen_to_change_even_where_a_link_moves() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("1"), directory.path().join("2"));
        std::fs::write(&first, "one").unwrap();
        std::fs::write(&second, "two").unwrap();
        let link = directory.path().join("secret");
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let (files, place) = (Files::new(false), link.display().to_string());
        files.read(&place).await.unwrap();
        let pause = LOOK_EVERY * 3;
        let waiting = tokio::time::timeout(pause, files.changed(&place));
        assert!(waiting.await.is_err(), "nothing changed");
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        files.changed(&place).await;
        let now = files.read(&place).await.unwrap();
        assert_eq!(now.expose_secret(), "two");
        let waiting = tokio::time::timeout(pause, files.changed(&place));
        assert!(waiting.await.is_err(), "it was read since");
    }
}
