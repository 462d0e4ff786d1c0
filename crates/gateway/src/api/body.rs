//! Small JSON bodies that may be left out.
//! It must not know what they ask for.

use serde::de::DeserializeOwned;

use crate::api::error::Problem;

/// An empty body counts as `{}`; the content type is not looked at.
pub fn optional<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    // A struct would also be read from an array.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed("the body must be a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::malformed(format!("the body cannot be read: {error}")))
}
