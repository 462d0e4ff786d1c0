//! The schema's versions, embedded in the program, and how a database gets from one to the next.
//! It knows nothing of what the tables mean.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

const STEPS: &[M<'static>] = &[M::up(include_str!("migrations/0001_messages.sql"))];

/// The version that this program reads and writes.
pub const LATEST: usize = STEPS.len();

/// The version of a database; zero for an empty one.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version as usize)
}

/// Brings a database to a version at or above its own.
pub(super) fn migrate(conn: &mut Connection, to: usize) -> Result<(), rusqlite_migration::Error> {
    Migrations::from_slice(STEPS).to_version(conn, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a schema says of itself.
    fn shape(conn: &Connection) -> Vec<(String, String, Option<String>)> {
        let sql = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name";
        let mut all = conn.prepare(sql).unwrap();
        let found = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        found.unwrap().map(Result::unwrap).collect()
    }

    fn at(version: usize) -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, version).unwrap();
        assert_eq!(super::version(&conn).unwrap(), version);
        conn
    }

    #[test]
    fn a_database_of_any_version_becomes_what_a_fresh_one_is() {
        let fresh = shape(&at(LATEST));
        for from in 0..=LATEST {
            let mut old = at(from);
            if from > 0 {
                let account = "INSERT INTO accounts (name) VALUES ('clinic')";
                old.execute(account, []).unwrap();
            }
            migrate(&mut old, LATEST).unwrap();
            assert_eq!(shape(&old), fresh, "from version {from}");
            let kept: usize = old
                .query_row("SELECT count(*) FROM accounts", [], |row| {
                    row.get::<_, u32>(0)
                })
                .unwrap() as usize;
            assert_eq!(kept, usize::from(from > 0), "from version {from}");
        }
    }

    #[test]
    fn every_column_says_what_it_is() {
        for step in [include_str!("migrations/0001_messages.sql")] {
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
