//! Turns a secret reference into its value, from the environment it is given or from a file.
//! It must not know what the value is for; its errors name key and reference, never the value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::secrets::reference::SecretRef;

/// No secret of ours is longer; a reference to a log file or a device is a mistake.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("{reference} {fault}")]
pub struct SecretError {
    pub reference: String,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("is not set in the environment")]
    Unset,
    #[error("is empty")]
    Empty,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is longer than {FILE_BYTES_MAX} bytes; is it the right file?")]
    TooLong,
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("can be read by others (mode {0:o}); chmod 600 it")]
    Exposed(u32),
}

/// Reads references against one environment; strict about who else may read a file where `owner_only` is set.
#[derive(Debug, Clone, Copy)]
pub struct Resolver<'a> {
    pub environment: &'a BTreeMap<String, String>,
    pub owner_only: bool,
}

impl Resolver<'_> {
    pub fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let value = match reference {
            SecretRef::Literal(value) => Ok(value.clone()),
            SecretRef::Env(name) => match self.environment.get(name) {
                None => Err(Fault::Unset),
                Some(value) if value.is_empty() => Err(Fault::Empty),
                Some(value) => Ok(SecretString::from(value.as_str())),
            },
            SecretRef::File(path) => self.read(path),
        };
        value.map_err(|fault| SecretError {
            reference: reference.to_string(),
            fault,
        })
    }

    /// The text of the file without the one line end that editors and `echo` leave.
    fn read(&self, path: &Path) -> Result<SecretString, Fault> {
        let file = File::open(path).map_err(Fault::Unreadable)?;
        let mode = file
            .metadata()
            .map_err(Fault::Unreadable)?
            .permissions()
            .mode();
        if self.owner_only && mode & 0o077 != 0 {
            return Err(Fault::Exposed(mode & 0o777));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(Fault::Unreadable)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| Fault::NotText)?;
        let text = text
            .strip_suffix('\n')
            .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            Err(Fault::Empty)
        } else {
            Ok(SecretString::from(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn resolve(reference: &str, owner_only: bool) -> Result<String, String> {
        let environment = BTreeMap::from([
            ("A".to_owned(), "alpha".to_owned()),
            ("E".to_owned(), String::new()),
        ]);
        let reference = SecretRef::parse(reference).unwrap();
        Resolver {
            environment: &environment,
            owner_only,
        }
        .resolve(&reference)
        .map(|secret| secret.expose_secret().to_owned())
        .map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_is_the_map_it_was_given() {
        assert_eq!(resolve("env:A", true).as_deref(), Ok("alpha"));
        assert_eq!(
            resolve("env:B", true).unwrap_err(),
            "env:B is not set in the environment"
        );
        assert_eq!(resolve("env:E", true).unwrap_err(), "env:E is empty");
        assert_eq!(resolve("literal", false).as_deref(), Ok("literal"));
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
            assert_eq!(
                resolve(&format!("file:{}", path.display()), false).as_deref(),
                Ok(value)
            );
        }
        let missing = resolve(
            &format!("file:{}/missing", directory.path().display()),
            false,
        )
        .unwrap_err();
        assert!(
            missing.contains("/missing cannot be read: No such file"),
            "{missing}"
        );
    }

    #[test]
    fn files_that_cannot_be_a_secret_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let reference = format!("file:{}", path.display());
        for (content, fault) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"\xff", "not UTF-8"),
            (&[b'x'; 70_000], "longer than 65536"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = resolve(&reference, false).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_where_it_matters() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "s").unwrap();
        let reference = format!("file:{}", path.display());
        for (mode, allowed) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let result = resolve(&reference, true);
            assert_eq!(result.is_ok(), allowed, "{mode:o}: {result:?}");
            assert!(resolve(&reference, false).is_ok());
        }
    }
}
