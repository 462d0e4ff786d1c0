//! Rows of recipients who are to be forgotten: where they stand in a file, and what is left of one. A row keeps its length
//! and its fields, so that every place in the file stays where it is, and nothing of what it said.

use std::collections::HashSet;
use std::ops::Range;

use super::{Next, NotRows, Place, Reader};

/// An openid of a forgotten row is this and nothing else.
const GONE: u8 = b'-';
/// Every other byte of it.
const BLANK: u8 = b'x';

/// Rows that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Where each begins and ends, in bytes of the file.
    pub rows: Vec<Range<u64>>,
    /// Where the row begins that was not looked at.
    pub place: Place,
}

/// Finds these recipients' rows in a piece that begins at `place`.
pub fn find(
    (piece, place, last): (&[u8], Place, bool),
    columns: &[String],
    openids: &HashSet<String>,
) -> Result<Found, NotRows> {
    let mut reader = Reader::new(piece, place, last);
    if place.byte == 0 {
        reader.header()?;
    }
    let mut rows = Vec::new();
    loop {
        let begin = reader.place().byte;
        match reader.next(columns)? {
            Next::Row(row) if openids.contains(&row.openid) => {
                rows.push(begin..reader.place().byte);
            }
            Next::Row(_) | Next::Bad(_) => {}
            Next::Nothing => break,
        }
    }
    let place = reader.place();
    Ok(Found { rows, place })
}

/// Leaves nothing of a row but its commas, quotes and line ends.
pub fn blank(row: &mut [u8]) {
    let (mut with, mut quoted) = (GONE, false);
    for byte in row {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => with = BLANK,
            b',' | b'\r' | b'\n' => {}
            byte => *byte = with,
        }
    }
}

/// Whether a row's openid says that it was forgotten.
#[must_use]
pub fn is_forgotten(openid: &str) -> bool {
    // The others are left where somebody quoted them.
    openid
        .bytes()
        .all(|byte| matches!(byte, GONE | b',' | b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::rows::Row;

    const FILE: &str = "\u{feff}openid,name,note\r\no1,小明,\"a, \"\"b\"\"\nc\"\r\n\"o2\",,\n\no1,again,\no3,o1,o1";

    fn rows(file: &[u8]) -> Vec<Row> {
        let mut reader = Reader::new(file, Place::default(), true);
        let columns = reader.header().unwrap().unwrap();
        let mut rows = Vec::new();
        loop {
            match reader.next(&columns).unwrap() {
                Next::Row(row) => rows.push(row),
                Next::Bad(bad) => panic!("{bad:?}"),
                Next::Nothing => return rows,
            }
        }
    }

    fn without(openids: &[&str]) -> Vec<u8> {
        let columns = ["name".to_owned(), "note".to_owned()];
        let openids = openids.iter().map(|one| (*one).to_owned()).collect();
        let mut file = FILE.as_bytes().to_vec();
        let piece = (&file[..], Place::default(), true);
        for range in find(piece, &columns, &openids).unwrap().rows {
            let range = range.start as usize..range.end as usize;
            blank(&mut file[range]);
        }
        file
    }

    #[test]
    fn every_row_of_a_recipient_is_blanked_and_stays_a_row() {
        let (before, after) = (rows(FILE.as_bytes()), without(&["o1", "o2"]));
        assert_eq!(after.len(), FILE.len());
        let after = rows(&after);
        assert_eq!(after.len(), before.len());
        for (nth, row) in after.iter().enumerate() {
            assert_eq!(row.line, before[nth].line);
            assert_eq!(is_forgotten(&row.openid), nth < 3, "{row:?}");
        }
        assert_eq!(after[0].values, ["xxxxxx", "x,x\"x\"\nx"]);
        assert_eq!(
            after[3], before[3],
            "another's values may look like an openid"
        );
    }

    #[test]
    fn nothing_is_found_that_is_not_there() {
        assert_eq!(without(&["o", "o11", "name", "again"]), FILE.as_bytes());
    }

    #[test]
    fn an_openid_that_had_to_be_quoted_is_forgotten_too() {
        let mut row = *b"\"o,\"\"1\",a\n";
        blank(&mut row);
        assert_eq!(&row, b"\"-,\"\"-\",x\n");
        assert!(is_forgotten("-,\"-") && !is_forgotten("o1"));
    }
}
