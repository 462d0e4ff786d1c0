//! `--dry-run`, and what is done before a file is started: reads it as the gateway will, and has it check the values of every
//! row.

use std::io::Read;

use hongyan_courier::broadcast::Place;
use hongyan_courier::broadcast::rows::{BadRow, Next, OPENID, Reader, Row};
use serde_json::{Map, Value, json};

use super::bar::Phase;
use super::{Task, open, unreadable};
use crate::cli::http::too_large;
use crate::cli::table::elements;
use anyhow::Context as _;

/// The most rows, and about the most bytes, that are checked at a time.
const ROWS_AT_A_TIME: usize = 1_000;
const BYTES_AT_A_TIME: usize = 256 << 10;
const READ_BYTES: usize = 1 << 20;
/// The bad rows that are told.
const PROBLEMS_MAX: usize = 100;
const TARGET: &str = "/v1/broadcasts?dry_run=true";

/// What was found so far.
#[derive(Default)]
struct Found {
    rows: u64,
    bad: u64,
    problems: Vec<Value>,
    /// Rows that are to be checked together.
    waiting: Vec<Row>,
    bytes: usize,
}

impl Found {
    /// A bad row, as the gateway tells of one.
    fn bad(&mut self, problem: Value) {
        self.bad += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// What the gateway says of these rows.
    fn take_in(&mut self, answer: &Value, rows: &[Row]) {
        self.rows += answer["rows"].as_u64().unwrap_or(0);
        let bad = answer["bad_rows"].as_u64().unwrap_or(0);
        let problems = elements(&answer["problems"]);
        for one in problems {
            let line = one["line"].as_u64().and_then(|line| line_of(rows, line));
            let mut problem = one.clone();
            problem["line"] = line.unwrap_or(0).into();
            self.bad(problem);
        }
        self.bad += bad.saturating_sub(problems.len() as u64);
    }
}

impl Task<'_> {
    /// Answers how many rows are good and bad, with the first of the bad ones.
    pub(super) async fn check(&self) -> anyhow::Result<Value> {
        let path = self.recipients()?;
        if path == "all" {
            let body = self.body("all".into())?;
            return self
                .again(async || self.client.post(TARGET, &body).await)
                .await;
        }
        self.begin(Phase::Checking);
        let mut file = open(path)?;
        let (mut piece, mut place) = (Vec::new(), Place::default());
        let mut columns: Option<Vec<String>> = None;
        let mut found = Found::default();
        loop {
            let before = piece.len();
            (&mut file)
                .take(READ_BYTES as u64)
                .read_to_end(&mut piece)
                .with_context(|| unreadable(path))?;
            let last = piece.len() - before < READ_BYTES;
            let mut reader = Reader::new(&piece, place, last);
            if columns.is_none() {
                columns = reader.header()?;
            }
            let Some(columns) = &columns else {
                anyhow::bail!("{path} has no header");
            };
            loop {
                match reader.next(columns)? {
                    Next::Row(row) => self.take(&mut found, row, columns).await?,
                    Next::Bad(BadRow { line, fault }) => found.bad(json!(
                        {"line": line, "problem": fault.english, "problem_zh": fault.chinese}
                    )),
                    Next::Nothing => break,
                }
            }
            let seen = usize::try_from(reader.place().byte - place.byte)?;
            place = reader.place();
            piece.drain(..seen);
            if last {
                self.ask(&mut found, columns).await?;
                break;
            }
        }
        found.problems.sort_by_key(|one| one["line"].as_u64());
        Ok(json!({"rows": found.rows, "bad_rows": found.bad, "problems": found.problems}))
    }

    async fn take(&self, found: &mut Found, row: Row, columns: &[String]) -> anyhow::Result<()> {
        found.bytes += row.values.iter().map(String::len).sum::<usize>() + 64 * (columns.len() + 1);
        found.waiting.push(row);
        if found.waiting.len() == ROWS_AT_A_TIME || found.bytes >= BYTES_AT_A_TIME {
            self.ask(found, columns).await?;
        }
        Ok(())
    }

    /// Has the rows that wait checked, in as many parts as the gateway takes them in.
    async fn ask(&self, found: &mut Found, columns: &[String]) -> anyhow::Result<()> {
        let rows = std::mem::take(&mut found.waiting);
        found.bytes = 0;
        let (mut rest, mut most) = (&rows[..], rows.len());
        while !rest.is_empty() {
            let (part, later) = rest.split_at(most.min(rest.len()));
            match self.answered(part, columns).await {
                Err(error) if too_large(&error) && part.len() > 1 => most = part.len().div_ceil(2),
                answer => {
                    found.take_in(&answer?, part);
                    self.bar.inc(part.len() as u64);
                    rest = later;
                }
            }
        }
        Ok(())
    }

    async fn answered(&self, rows: &[Row], columns: &[String]) -> anyhow::Result<Value> {
        let recipients = rows.iter().map(|row| {
            let mut fields = Map::from_iter([(OPENID.to_owned(), row.openid.as_str().into())]);
            for (column, value) in columns.iter().zip(&row.values) {
                fields.insert(column.clone(), value.as_str().into());
            }
            Value::from(fields)
        });
        let body = self.body(recipients.collect::<Vec<_>>().into())?;
        self.again(async || self.client.post(TARGET, &body).await)
            .await
    }
}

/// The line in the file of a row that the gateway names by its line in the list it was given, whose first line is a header.
fn line_of(rows: &[Row], line: u64) -> Option<u64> {
    let mut at = 2;
    for row in rows {
        if at == line {
            return Some(row.line);
        }
        let ends = row.values.iter().map(|value| value.matches('\n').count());
        at += 1 + ends.sum::<usize>() as u64;
    }
    None
}
