//! The recipients that a broadcast is ordered with: a list, everybody, or rows that are still to come.
//! It must not know what they are to be sent.

use hongyan_courier::broadcast::Source;
use hongyan_courier::broadcast::rows::{OPENID, VALUE_BYTES_MAX, write_row};
use serde_json::{Map, Value};

use crate::api::error::FieldProblem;

/// More are handed over as rows.
pub(super) const LISTED_MAX: usize = 1_000;
const OPENID_BYTES_MAX: usize = 64;
/// A list full of faults need not have them all told.
const PROBLEMS_MAX: usize = 32;

/// Where the recipients come from, with the rows of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Recipients {
    pub(super) source: Source,
    /// As they would have been uploaded; none where they are still to come.
    pub(super) rows: Option<Vec<u8>>,
}

impl Recipients {
    pub(super) fn read(value: Option<Value>) -> Result<Self, Vec<FieldProblem>> {
        let (source, rows) = match value {
            None | Some(Value::Null) => (Source::Rows, None),
            Some(Value::String(word)) if word == "upload" => (Source::Rows, None),
            Some(Value::String(word)) if word == "all" => (Source::Followers, None),
            Some(Value::Array(list)) => (Source::Rows, Some(listed(list)?)),
            Some(_) => {
                let text = "must be \"upload\", \"all\" or a list of recipients";
                return Err(vec![FieldProblem::new("recipients", text)]);
            }
        };
        Ok(Self { source, rows })
    }
}

/// Openids, or objects with an openid and a text for each column that the first of them has.
fn listed(list: Vec<Value>) -> Result<Vec<u8>, Vec<FieldProblem>> {
    if list.is_empty() || list.len() > LISTED_MAX {
        let text = format!("a list has 1 to {LISTED_MAX} recipients; hand over more as rows");
        return Err(vec![FieldProblem::new("recipients", text)]);
    }
    let mut all: Vec<(usize, Map<String, Value>)> = Vec::with_capacity(list.len());
    let mut problems = Vec::new();
    for (nth, one) in list.into_iter().enumerate() {
        match one {
            Value::Object(fields) => all.push((nth, fields)),
            openid @ Value::String(_) => {
                all.push((nth, Map::from_iter([(OPENID.to_owned(), openid)])));
            }
            _ => {
                let field = format!("recipients[{nth}]");
                problems.push(FieldProblem::new(
                    field,
                    "must be an openid or an object with one",
                ));
            }
        }
    }
    let first = all.first().map(|(_, fields)| fields.clone());
    let first = first.unwrap_or_default();
    let columns: Vec<&String> = first.keys().filter(|name| *name != OPENID).collect();
    let mut rows = Vec::new();
    let header = columns.iter().map(|name| name.as_str());
    write_row(&mut rows, std::iter::once(OPENID).chain(header));
    for (nth, mut fields) in all {
        let mut take = |name: &str, bytes_max: usize| {
            let field = format!("recipients[{nth}].{name}");
            text(fields.remove(name), bytes_max).map_err(|what| FieldProblem::new(field, what))
        };
        let openid = take(OPENID, OPENID_BYTES_MAX).and_then(|openid| {
            let visible = openid.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
            let field = format!("recipients[{nth}].{OPENID}");
            let wrong = "must have 1 to 64 visible ASCII characters";
            let fine = visible && !openid.is_empty();
            fine.then_some(openid)
                .ok_or_else(|| FieldProblem::new(field, wrong))
        });
        // Each is taken, whatever is wrong with another.
        let mut texts = vec![openid];
        texts.extend(columns.iter().map(|name| take(name, VALUE_BYTES_MAX)));
        match texts.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(texts) => write_row(&mut rows, texts.iter().map(String::as_str)),
            Err(wrong) => problems.push(wrong),
        }
        if let Some(name) = fields.keys().next() {
            let field = format!("recipients[{nth}].{name}");
            problems.push(FieldProblem::new(
                field,
                "is not a column of the first recipient",
            ));
        }
    }
    if problems.is_empty() {
        return Ok(rows);
    }
    problems.truncate(PROBLEMS_MAX);
    Err(problems)
}

fn text(value: Option<Value>, bytes_max: usize) -> Result<String, String> {
    let text = match value {
        None | Some(Value::Null) => return Err("is missing".to_owned()),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err("must be text or a number".to_owned()),
    };
    if text.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes"));
    }
    if text.contains('\0') {
        return Err("must not contain NUL".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(list: Value) -> Result<String, Vec<String>> {
        match Recipients::read(Some(list)) {
            Ok(read) => Ok(String::from_utf8(read.rows.unwrap()).unwrap()),
            Err(problems) => Err(problems
                .into_iter()
                .map(|one| format!("{}: {}", one.field, one.problem))
                .collect()),
        }
    }

    #[test]
    fn a_list_becomes_rows() {
        assert_eq!(rows(json!(["o1", "o2"])).unwrap(), "openid\no1\no2\n");
        let list =
            json!([{"openid": "o1", "name": "a,b", "n": 1}, {"n": 2, "name": "", "openid": "o2"}]);
        assert_eq!(rows(list).unwrap(), "openid,n,name\no1,1,\"a,b\"\no2,2,\n");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let wrong = rows(
            json!([{"openid": "o1", "name": "a"}, {"openid": "o 2", "name": "b"}, {"openid": "o3", "nmae": "c"}, 4]),
        );
        assert_eq!(
            wrong.unwrap_err(),
            [
                "recipients[3]: must be an openid or an object with one",
                "recipients[1].openid: must have 1 to 64 visible ASCII characters",
                "recipients[2].name: is missing",
                "recipients[2].nmae: is not a column of the first recipient",
            ]
        );
        assert!(rows(json!([])).is_err());
        assert!(rows(json!(7)).is_err());
    }
}
