//! The schema's versions, embedded in the program, and how a database gets from one to the next.
//! It knows nothing of what the tables mean.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// One step for each release that changes something, of one file or of one for each subject. Once released, a step is never
/// edited: what it made is out there.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_messages.sql"),
    concat!(
        include_str!("migrations/0002/kinds.sql"),
        include_str!("migrations/0002/nonces.sql"),
        include_str!("migrations/0002/leases.sql"),
        include_str!("migrations/0002/templates.sql"),
        include_str!("migrations/0002/broadcasts.sql"),
        include_str!("migrations/0002/recipients.sql"),
        include_str!("migrations/0002/quotas.sql"),
        include_str!("migrations/0002/dead_letters.sql"),
        include_str!("migrations/0002/webhooks.sql"),
        include_str!("migrations/0002/virtual_tokens.sql"),
        include_str!("migrations/0002/retention.sql"),
        include_str!("migrations/0002/audit.sql"),
    ),
];

/// The version that this program reads and writes.
pub const LATEST: usize = STEPS.len();

/// Which program a database belongs to, as the first step writes it: "HYAN".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"HYAN");

/// The version of a database; zero for an empty one, nothing for one of another program.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<Option<usize>> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if id == APPLICATION_ID {
        return Ok(Some(version as usize));
    }
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    let empty: bool = conn.query_row(sql, [], |row| row.get(0))?;
    Ok((id == 0 && version == 0 && empty).then_some(0))
}

/// Brings a database to a version at or above its own.
pub(super) fn migrate(conn: &mut Connection, to: usize) -> Result<(), rusqlite_migration::Error> {
    let steps = STEPS.iter().copied().map(M::up);
    Migrations::new(steps.collect()).to_version(conn, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fnv;

    /// What each step was when it was released, as FNV-1a of its text.
    const RELEASED: &[u64] = &[0x8099_5c0b_f5e3_68de, 0x6949_a28e_45f2_acfd];

    #[test]
    fn a_step_is_never_edited() {
        let steps: Vec<u64> = STEPS
            .iter()
            .map(|step| fnv::hash(step.as_bytes()))
            .collect();
        assert_eq!(
            steps, RELEASED,
            "leave released steps as they are and add a new one, with its hash here and a dump in tests/it/versions"
        );
    }

    #[test]
    fn a_fresh_database_says_whose_it_is() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(version(&conn).unwrap(), Some(0));
        migrate(&mut conn, LATEST).unwrap();
        assert_eq!(version(&conn).unwrap(), Some(LATEST));
    }

    #[test]
    fn every_column_says_what_it_is() {
        for step in STEPS {
            let columns = step.lines().filter(|line| {
                line.starts_with("    ")
                    && !line.contains("PRIMARY KEY (")
                    && !line.contains("UNIQUE (")
            });
            for column in columns {
                assert!(column.contains("-- "), "{column}");
            }
        }
    }
}
