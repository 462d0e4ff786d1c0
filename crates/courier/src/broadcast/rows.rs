//! Rows as CSV: a header whose first column is `openid`, then one recipient a row. Read from any piece of the file that
//! begins with a row, so that an upload may be cut anywhere; what is a row does not depend on where it was cut.

use std::fmt;

use csv_core::ReadRecordResult;

use super::Place;

pub mod forget;

/// The longest row, its line ends included.
pub const ROW_BYTES_MAX: usize = 64 * 1024;
/// The most columns, `openid` included.
pub const COLUMNS_MAX: usize = 64;
/// The longest value.
pub const VALUE_BYTES_MAX: usize = 4 * 1024;
const OPENID_BYTES_MAX: usize = 64;
const COLUMN_CHARS_MAX: usize = 64;
/// What the first column is called.
pub const OPENID: &str = "openid";
/// What some programs write before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The line that it begins on, counted from 1.
    pub line: u64,
    /// Whom it is for.
    pub openid: String,
    /// The values of the columns after `openid`, in the header's order.
    pub values: Vec<String>,
}

hongyan_wechat::debug_without!(
    Row: line; openid, values
);

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line that it begins on, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a row, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In English.
    pub english: String,
    /// In Chinese, where somebody said it so.
    pub chinese: Option<String>,
}

impl Fault {
    /// The same in both languages.
    #[must_use]
    pub fn new(english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self {
            english: english.into(),
            chinese: Some(chinese.into()),
        }
    }
}

/// The file cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NotRows {
    /// Where that was noticed, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for NotRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// What a piece of the file holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A row.
    Row(Row),
    /// One that is passed over.
    Bad(BadRow),
    /// Nothing, or the beginning of a row whose end is not here.
    Nothing,
}

/// Reads the rows of a piece.
pub struct Reader<'a> {
    piece: &'a [u8],
    /// Whether the file ends where the piece ends.
    last: bool,
    at: usize,
    begin: Place,
    lines: u64,
    parser: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// One row's fields, not looked at.
enum Record {
    Fields(Vec<Vec<u8>>),
    Bad(Fault),
    Nothing,
}

impl<'a> Reader<'a> {
    /// Reads `piece`, which begins at this place.
    #[must_use]
    pub fn new(piece: &'a [u8], begin: Place, last: bool) -> Self {
        let mut reader = Self {
            piece,
            last,
            at: 0,
            begin,
            lines: begin.lines,
            parser: csv_core::Reader::new(),
            text: vec![0; ROW_BYTES_MAX],
            ends: vec![0; COLUMNS_MAX + 1],
        };
        if begin.byte == 0 && piece.starts_with(BYTE_ORDER_MARK) {
            reader.at = BYTE_ORDER_MARK.len();
        }
        reader
    }

    /// Where the next row begins, as far as was read.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            byte: self.begin.byte + self.at as u64,
            lines: self.lines,
        }
    }

    /// The columns after `openid`, from the file's first row; none if its end is not here.
    pub fn header(&mut self) -> Result<Option<Vec<String>>, NotRows> {
        let line = self.skip_line_ends();
        let wrong = |problem: String| NotRows { line, problem };
        let fields = match self.record()? {
            Record::Nothing => return Ok(None),
            Record::Bad(fault) => return Err(wrong(fault.english)),
            Record::Fields(fields) => fields,
        };
        let mut columns = Vec::with_capacity(fields.len());
        for (nth, field) in fields.into_iter().enumerate() {
            let column =
                String::from_utf8(field).map_err(|_| wrong(not_utf8("the header").english))?;
            let column = column.trim().to_owned();
            if nth == 0 && column != OPENID {
                let problem =
                    format!("the header must name the columns, the first of them {OPENID}");
                return Err(wrong(problem));
            }
            let chars = column.chars().count();
            if chars == 0 || chars > COLUMN_CHARS_MAX || column.chars().any(char::is_control) {
                let problem = format!(
                    "column {} must have a name of 1 to {COLUMN_CHARS_MAX} characters and no control characters",
                    nth + 1
                );
                return Err(wrong(problem));
            }
            if columns.contains(&column) {
                return Err(wrong(format!("the column {column} comes more than once")));
            }
            columns.push(column);
        }
        columns.remove(0);
        Ok(Some(columns))
    }

    /// The next row of a file with these columns after `openid`.
    pub fn next(&mut self, columns: &[String]) -> Result<Next, NotRows> {
        let line = self.skip_line_ends();
        let fields = match self.record()? {
            Record::Nothing => return Ok(Next::Nothing),
            Record::Bad(fault) => return Ok(Next::Bad(BadRow { line, fault })),
            Record::Fields(fields) => fields,
        };
        Ok(match checked(fields, columns) {
            Ok((openid, values)) => Next::Row(Row {
                line,
                openid,
                values,
            }),
            Err(fault) => Next::Bad(BadRow { line, fault }),
        })
    }

    /// Empty lines are no rows. Answers the line that what follows begins on.
    fn skip_line_ends(&mut self) -> u64 {
        while let Some(byte @ (b'\r' | b'\n')) = self.piece.get(self.at) {
            self.lines += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.lines + 1
    }

    fn record(&mut self) -> Result<Record, NotRows> {
        let rest = &self.piece[self.at..];
        if rest.is_empty() {
            return Ok(Record::Nothing);
        }
        self.parser.reset();
        let (mut result, took, mut wrote, mut count) =
            self.parser
                .read_record(rest, &mut self.text, &mut self.ends);
        if result == ReadRecordResult::InputEmpty && rest.len() <= ROW_BYTES_MAX {
            if !self.last {
                return Ok(Record::Nothing);
            }
            // The file's last row needs no line end.
            let (ended, _, more, ends) =
                self.parser
                    .read_record(&[], &mut self.text[wrote..], &mut self.ends[count..]);
            (result, wrote, count) = (ended, wrote + more, count + ends);
        }
        let (raw, whole) = (&rest[..took], result == ReadRecordResult::Record);
        if result == ReadRecordResult::OutputEndsFull {
            return self.give_up("has more columns than any row may have", "列数超出上限");
        }
        if !whole || took > ROW_BYTES_MAX {
            return self.give_up(
                "is longer than 64 KiB: is a quote not closed?",
                "超过 64 KiB：是否有引号未闭合？",
            );
        }
        if !is_quoted_rightly(raw) {
            return self.give_up(
                "has a quote where none may be: quote the whole value, and double the quotes in it",
                "引号位置有误：请用引号括住整个值，并将值中的引号写成两个",
            );
        }
        self.lines += line_ends(raw);
        self.at += took;
        let mut begin = 0;
        let fields = self.ends[..count].iter().map(|end| {
            let field = self.text[begin..(*end).min(wrote)].to_vec();
            begin = *end;
            field
        });
        Ok(Record::Fields(fields.collect()))
    }

    /// Passes over what is no row, up to the end of its first line: only that much of it is certain.
    fn give_up(&mut self, english: &str, chinese: &str) -> Result<Record, NotRows> {
        let rest = &self.piece[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        self.at += match end {
            Some(end) => end + 1,
            None if self.last => rest.len(),
            None if rest.len() > ROW_BYTES_MAX => {
                return Err(NotRows {
                    line: self.lines + 1,
                    problem: "this is no CSV: a line is longer than 64 KiB".to_owned(),
                });
            }
            None => return Ok(Record::Nothing),
        };
        self.lines += u64::from(end.is_some());
        Ok(Record::Bad(Fault::new(english, chinese)))
    }
}

fn line_ends(raw: &[u8]) -> u64 {
    raw.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn not_utf8(what: &str) -> Fault {
    Fault::new(
        format!("{what} is not UTF-8: save the file as \"CSV UTF-8\""),
        format!("{what} 不是 UTF-8：请将文件另存为“CSV UTF-8”"),
    )
}

fn checked(fields: Vec<Vec<u8>>, columns: &[String]) -> Result<(String, Vec<String>), Fault> {
    let mut fields = fields.into_iter();
    let openid = fields.next().unwrap_or_default();
    let openid = openid.trim_ascii();
    let visible = openid.iter().all(|byte| (b'!'..=b'~').contains(byte));
    if openid.is_empty() {
        return Err(Fault::new("has no openid", "缺少 openid"));
    }
    if !visible || openid.len() > OPENID_BYTES_MAX {
        return Err(Fault::new(
            format!("the openid must have 1 to {OPENID_BYTES_MAX} visible ASCII characters"),
            format!("openid 应为 1 至 {OPENID_BYTES_MAX} 个可见的 ASCII 字符"),
        ));
    }
    let openid = String::from_utf8_lossy(openid).into_owned();
    if fields.len() != columns.len() {
        let (has, wanted) = (fields.len() + 1, columns.len() + 1);
        return Err(Fault::new(
            format!("has {has} columns, but the header has {wanted}"),
            format!("有 {has} 列，而表头有 {wanted} 列"),
        ));
    }
    let values = fields.zip(columns).map(|(field, column)| {
        let value = String::from_utf8(field).map_err(|_| not_utf8(column))?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Fault::new(
                format!("{column} is longer than {VALUE_BYTES_MAX} bytes"),
                format!("{column} 超过 {VALUE_BYTES_MAX} 字节"),
            ));
        }
        if value.contains('\0') {
            return Err(Fault::new(
                format!("{column} must not contain NUL"),
                format!("{column} 不能含有 NUL 字符"),
            ));
        }
        Ok(value)
    });
    Ok((openid, values.collect::<Result<_, _>>()?))
}

/// Whether quotes are where RFC 4180 has them: around a whole value, and doubled inside.
fn is_quoted_rightly(raw: &[u8]) -> bool {
    enum At {
        Begin,
        Plain,
        Quoted,
        Closed,
    }
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let mut at = At::Begin;
    for byte in raw {
        at = match (at, byte) {
            (At::Begin | At::Plain | At::Closed, b',') => At::Begin,
            (At::Begin, b'"') => At::Quoted,
            (At::Begin, _) => At::Plain,
            (At::Plain, b'"') => return false,
            (At::Plain, _) => At::Plain,
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (At::Closed, b'"') => At::Quoted,
            (At::Closed, _) => return false,
        };
    }
    !matches!(at, At::Quoted)
}

/// Writes a row as a line.
pub fn write_row<'f>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = &'f str>) {
    for (nth, field) in fields.into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend(field.replace('"', "\"\"").bytes());
            out.push(b'"');
        } else {
            out.extend(field.bytes());
        }
    }
    out.push(b'\n');
}

/// What was found in a piece of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The columns after `openid`, once the header is here.
    pub columns: Option<Vec<String>>,
    /// Where the row begins that was not looked at.
    pub place: Place,
    /// So many good rows.
    pub rows: u64,
    /// So many bad rows.
    pub bad: u64,
    /// The first of them, up to the bound given.
    pub problems: Vec<BadRow>,
}

/// Looks through a piece that begins at `place`.
pub fn survey(
    piece: &[u8],
    place: Place,
    columns: Option<Vec<String>>,
    last: bool,
    problems_max: usize,
) -> Result<Survey, NotRows> {
    let mut reader = Reader::new(piece, place, last);
    let mut found = Survey {
        columns,
        ..Survey::default()
    };
    if found.columns.is_none() {
        found.columns = reader.header()?;
    }
    if let Some(columns) = &found.columns {
        loop {
            match reader.next(columns)? {
                Next::Row(_) => found.rows += 1,
                Next::Bad(bad) => {
                    found.bad += 1;
                    if found.problems.len() < problems_max {
                        found.problems.push(bad);
                    }
                }
                Next::Nothing => break,
            }
        }
    } else if last {
        return Err(NotRows {
            line: 1,
            problem: "the file is empty".to_owned(),
        });
    }
    found.place = reader.place();
    Ok(found)
}

#[cfg(test)]
mod tests;
