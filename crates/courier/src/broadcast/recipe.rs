//! What every message of a broadcast is made of: a message as a caller writes one, without its recipient, whose texts may
//! name columns as `{{column}}`. Pure; whether what comes out is a message is for others to check.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::rows::Row;

/// Fields whose text is a link, in which a value must not change where it leads.
const LINKS: [&str; 3] = ["url", "page", "pagepath"];
const TOUSER: &str = "touser";
const DATA: &str = "data";

/// A text of the recipe names a column that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} names the column {column:?}, which the rows do not have; their columns: {known}")]
pub struct UnknownColumn {
    /// Which text, as in `data.thing1.value`.
    pub field: String,
    /// The column that it names.
    pub column: String,
    /// Those that there are.
    pub known: String,
}

/// A recipe, made ready for rows of certain columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press(Vec<(String, Node)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// The same for every row, as JSON.
    Same(String),
    Text {
        pieces: Vec<Piece>,
        link: bool,
    },
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// A column after `openid`, by its number.
    Column(usize),
    Openid,
}

impl Press {
    /// Makes a recipe ready for rows with these columns after `openid`. Where it has no `data`, every column is a key.
    pub fn new(recipe: &Map<String, Value>, columns: &[String]) -> Result<Self, UnknownColumn> {
        let mut fields = Vec::with_capacity(recipe.len() + 1);
        for (name, value) in recipe {
            fields.push((name.clone(), node(value, name, name, columns)?));
        }
        if !recipe.contains_key(DATA) {
            let whole = |nth| Node::Text {
                pieces: vec![Piece::Column(nth)],
                link: false,
            };
            let each = columns.iter().enumerate().map(|(nth, column)| {
                let value = vec![("value".to_owned(), whole(nth))];
                (column.clone(), Node::Object(value))
            });
            fields.push((DATA.to_owned(), Node::Object(each.collect())));
        }
        Ok(Self(fields))
    }

    /// The message of a row, as a caller would write it.
    #[must_use]
    pub fn body(&self, row: &Row) -> String {
        let mut out = String::with_capacity(512);
        out.push('{');
        push_text(&mut out, TOUSER);
        out.push(':');
        push_text(&mut out, &row.openid);
        for (name, node) in &self.0 {
            out.push(',');
            push_text(&mut out, name);
            out.push(':');
            node.write(&mut out, row);
        }
        out.push('}');
        out
    }
}

impl Node {
    fn write(&self, out: &mut String, row: &Row) {
        match self {
            Self::Same(json) => out.push_str(json),
            Self::Text { pieces, link } => push_text(out, &filled(pieces, *link, row)),
            Self::Object(fields) => {
                out.push('{');
                for (nth, (name, node)) in fields.iter().enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    push_text(out, name);
                    out.push(':');
                    node.write(out, row);
                }
                out.push('}');
            }
            Self::Array(nodes) => {
                out.push('[');
                for (nth, node) in nodes.iter().enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    node.write(out, row);
                }
                out.push(']');
            }
        }
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

/// In a link, a value stands for itself only where it is the whole; within one it is percent-encoded.
fn filled<'r>(pieces: &'r [Piece], link: bool, row: &'r Row) -> Cow<'r, str> {
    let value = |piece: &'r Piece| match piece {
        Piece::Literal(text) => text.as_str(),
        Piece::Column(nth) => row.values.get(*nth).map_or("", String::as_str),
        Piece::Openid => &row.openid,
    };
    if let [only] = pieces {
        return value(only).into();
    }
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Column(_) | Piece::Openid if link => push_encoded(&mut text, value(piece)),
            _ => text.push_str(value(piece)),
        }
    }
    text.into()
}

fn push_encoded(out: &mut String, value: &str) {
    use std::fmt::Write as _;
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn node(value: &Value, name: &str, path: &str, columns: &[String]) -> Result<Node, UnknownColumn> {
    Ok(match value {
        Value::String(text) => {
            let pieces = pieces(text, path, columns)?;
            let varies = pieces.iter().any(|p| !matches!(p, Piece::Literal(_)));
            if varies {
                let link = LINKS.contains(&name);
                Node::Text { pieces, link }
            } else {
                Node::Same(value.to_string())
            }
        }
        Value::Object(fields) => {
            let each = fields.iter().map(|(name, value)| {
                let path = format!("{path}.{name}");
                Ok((name.clone(), node(value, name, &path, columns)?))
            });
            Node::Object(each.collect::<Result<_, _>>()?)
        }
        Value::Array(values) => {
            let each = values.iter().map(|value| node(value, name, path, columns));
            Node::Array(each.collect::<Result<_, _>>()?)
        }
        plain => Node::Same(plain.to_string()),
    })
}

/// Braces that hold no name of a column and are not closed are text like any other.
fn pieces(text: &str, field: &str, columns: &[String]) -> Result<Vec<Piece>, UnknownColumn> {
    let mut pieces = Vec::new();
    let literal = |text: &str, pieces: &mut Vec<Piece>| {
        if !text.is_empty() {
            pieces.push(Piece::Literal(text.to_owned()));
        }
    };
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once("{{")
        && let Some((column, after)) = opened.split_once("}}")
    {
        literal(before, &mut pieces);
        let column = column.trim();
        let nth = columns.iter().position(|known| known == column);
        pieces.push(match nth {
            Some(nth) => Piece::Column(nth),
            None if column == super::rows::OPENID => Piece::Openid,
            None => {
                return Err(UnknownColumn {
                    field: field.to_owned(),
                    column: column.to_owned(),
                    known: known(columns),
                });
            }
        });
        rest = after;
    }
    literal(rest, &mut pieces);
    if pieces.is_empty() {
        pieces.push(Piece::Literal(String::new()));
    }
    Ok(pieces)
}

fn known(columns: &[String]) -> String {
    let all: Vec<&str> = std::iter::once(super::rows::OPENID)
        .chain(columns.iter().map(String::as_str))
        .collect();
    all.join(", ")
}

/// The columns that a recipe names, each once.
#[must_use]
pub fn named_columns(recipe: &Map<String, Value>) -> Vec<String> {
    fn walk(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                let mut rest = text.as_str();
                while let Some((_, opened)) = rest.split_once("{{")
                    && let Some((column, after)) = opened.split_once("}}")
                {
                    let column = column.trim();
                    if column != super::rows::OPENID && !names.iter().any(|known| known == column) {
                        names.push(column.to_owned());
                    }
                    rest = after;
                }
            }
            Value::Object(fields) => fields.values().for_each(|value| walk(value, names)),
            Value::Array(values) => values.iter().for_each(|value| walk(value, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    recipe.values().for_each(|value| walk(value, &mut names));
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[track_caller]
    fn check(recipe: Value, header: &[&str], values: &[&str], message: Value) {
        let recipe = recipe.as_object().unwrap();
        let press = Press::new(recipe, &columns(header)).unwrap();
        let row = Row {
            line: 2,
            openid: "o1".into(),
            values: columns(values),
        };
        let body: Value = serde_json::from_str(&press.body(&row)).unwrap();
        assert_eq!(body, message);
    }

    #[test]
    fn texts_are_filled_from_the_row() {
        check(
            json!({"template_id": "t", "data": {"thing1": {"value": "{{name}}您好 {{ time }}"}, "thing2": {"value": "\"{\"}"}},
                "reference": "{{openid}}-{{time}}"}),
            &["time", "name"],
            &["8:00 \"早\"", "王{{time}}"],
            json!({"touser": "o1", "template_id": "t", "data": {"thing1": {"value": "王{{time}}您好 8:00 \"早\""},
                "thing2": {"value": "\"{\"}"}}, "reference": "o1-8:00 \"早\""}),
        );
    }

    #[test]
    fn without_data_every_column_is_a_key() {
        check(
            json!({"template_id": "t"}),
            &["thing1", "time2"],
            &["a", ""],
            json!({"touser": "o1", "template_id": "t", "data": {"thing1": {"value": "a"}, "time2": {"value": ""}}}),
        );
    }

    #[test]
    fn a_value_cannot_lead_a_link_elsewhere() {
        check(
            json!({"page": "p?id={{id}}", "url": "https://example.com/{{id}}?q={{id}}", "miniprogram": {"pagepath": "p?id={{id}}", "appid": "{{id}}"},
                "data": {}}),
            &["id"],
            &["../a&b=王"],
            json!({"touser": "o1", "page": "p?id=..%2Fa%26b%3D%E7%8E%8B", "url": "https://example.com/..%2Fa%26b%3D%E7%8E%8B?q=..%2Fa%26b%3D%E7%8E%8B",
                "miniprogram": {"pagepath": "p?id=..%2Fa%26b%3D%E7%8E%8B", "appid": "../a&b=王"}, "data": {}}),
        );
        check(
            json!({"url": "{{link}}", "data": {}}),
            &["link"],
            &["https://example.com/?a=1&b=2"],
            json!({"touser": "o1", "url": "https://example.com/?a=1&b=2", "data": {}}),
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let recipe = json!({"data": {"thing1": {"value": "{{nmae}}"}}});
        let wrong = Press::new(recipe.as_object().unwrap(), &columns(&["name"])).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "data.thing1.value names the column \"nmae\", which the rows do not have; their columns: openid, name"
        );
        assert_eq!(named_columns(recipe.as_object().unwrap()), ["nmae"]);
    }
}
