//! The message that a made-up row would be: an order is judged by it before there are rows, and once more when their columns
//! are known. Only what holds for every row may be wrong with it.

use hongyan_courier::broadcast::recipe::{Press, named_columns};
use hongyan_courier::broadcast::rows::Row;
use hongyan_courier::template::book::Lists;
use hongyan_courier::time::UnixMs;
use serde_json::{Map, Value, json};

use super::Broadcasting;
use super::drafts::Of;
use crate::api::error::{FieldProblem, Problem};
use crate::api::messages::draft::Draft;
use crate::auth::client::Identity;

/// What stands for a column's text.
const TEXT: &str = "1";
const LINK: &str = "https://example.com/";
/// An order is kept whole, and made into a message for each row.
const RECIPE_BYTES_MAX: usize = 256 * 1024;
/// Each place where a column is named may become a value of some kilobytes.
const NAMED_MAX: usize = 256;

/// Why an order would make too much of its rows, if it would.
pub(super) fn too_rich(recipe: &Map<String, Value>) -> Option<FieldProblem> {
    let strings = || recipe.iter().map(|(name, value)| (name, value.to_string()));
    if strings().map(|(_, text)| text.len()).sum::<usize>() > RECIPE_BYTES_MAX {
        let text = format!("the message is longer than {RECIPE_BYTES_MAX} bytes");
        return Some(FieldProblem::new("data", text));
    }
    let mut named = 0;
    let (name, _) = strings().find(|(_, text)| {
        named += text.matches("{{").count();
        named > NAMED_MAX
    })?;
    let text = format!("columns are named more than {NAMED_MAX} times");
    Some(FieldProblem::new(name.as_str(), text))
}

impl Broadcasting {
    /// Judges an order whose rows have these columns after `openid`; none while nobody knows them. An order that was taken
    /// is judged for its client's name alone.
    pub(super) async fn sample(
        &self,
        recipe: &Map<String, Value>,
        columns: Option<&[String]>,
        (client, caller): (&str, Option<&Identity>),
        now: UnixMs,
    ) -> Result<Draft, Problem> {
        let body = body(recipe, columns)?;
        let mut of = Of {
            client,
            caller,
            asked: false,
        };
        let shape = self.drafts.read(&body, of, now, &());
        let draft = shape.map_err(|refusal| refusal.problem)?;
        let lists = &*self.book as &dyn Lists;
        let mut judged = self.drafts.read(&body, of, now, lists);
        if let Some(unlisted) = judged.as_ref().err().and_then(|refusal| refusal.unlisted()) {
            self.drafts.look_again(&self.book, unlisted).await;
            of.asked = true;
            judged = self.drafts.read(&body, of, now, lists);
        }
        let Err(refusal) = judged else {
            return Ok(draft);
        };
        let mut errors = refusal.problem.errors;
        errors.retain(|error| !varies(error, recipe, columns.is_some()));
        if errors.is_empty() {
            return Ok(draft);
        }
        Err(Problem::invalid_message(errors))
    }
}

/// Whether a fault is one of the made-up row alone.
fn varies(error: &FieldProblem, recipe: &Map<String, Value>, columns_known: bool) -> bool {
    let names_columns = |value: &Value| {
        let text = value.to_string();
        text.contains("{{")
    };
    let (field, key) = match error.field.split_once('.') {
        Some((field, rest)) => (field, rest.strip_suffix(".value").unwrap_or(rest)),
        None => (error.field.as_str(), ""),
    };
    match recipe.get(field) {
        // Every column is a key; which those are is known with the header.
        None if field == "data" => !columns_known || error.field.ends_with(".value"),
        None => false,
        Some(data) if field == "data" => data.get(key).is_some_and(names_columns),
        Some(value) => names_columns(value),
    }
}

fn body(recipe: &Map<String, Value>, columns: Option<&[String]>) -> Result<String, Problem> {
    let mut recipe = recipe.clone();
    if columns.is_none() {
        recipe
            .entry("data")
            .or_insert_with(|| json!({"thing1": {"value": TEXT}}));
    }
    let named = named_columns(&recipe);
    let columns = columns.unwrap_or(&named);
    let press = Press::new(&recipe, columns).map_err(|unknown| {
        let text = format!(
            "names the column {:?}, which the rows do not have; their columns: {}",
            unknown.column, unknown.known
        );
        Problem::invalid_message(vec![FieldProblem::new(unknown.field, text)])
    })?;
    // A link that is a column's text alone must look like one.
    let link = recipe
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let named = link
        .trim()
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let linked = named.map(str::trim);
    let values = columns.iter().map(|column| {
        let text = if linked == Some(column.as_str()) {
            LINK
        } else {
            TEXT
        };
        text.to_owned()
    });
    Ok(press.body(&Row {
        line: 0,
        openid: "oSample".to_owned(),
        values: values.collect(),
    }))
}
