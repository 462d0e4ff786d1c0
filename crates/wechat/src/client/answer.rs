//! Reads what all answers have in common, errcode and errmsg, and the fields of one.
//! Knows no HTTP, and quotes nothing of an answer that it cannot read.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::ApiResponse;
use crate::answer::{integer, rid};
use crate::errcode::Endpoint;
use crate::error::{ApiError, CallError, Doubt, DoubtCause};

/// The longest errmsg that is kept, in bytes. WeChat's own stay under 300.
const MAX_ERRMSG: usize = 1024;

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "integer")]
    errcode: Option<i64>,
    #[serde(default)]
    errmsg: Value,
}

/// Refuses an answer whose errcode is not 0, and one that is not a JSON object. An absent errcode means 0.
/// Should the errmsg echo the call's `secret`, it is masked.
pub(super) fn check(endpoint: Endpoint, body: &[u8], secret: &str) -> Result<(), CallError> {
    let envelope: Envelope = read(endpoint, body, DoubtCause::NotJson)?;
    match envelope.errcode {
        None | Some(0) => Ok(()),
        Some(code) => {
            let said = envelope.errmsg.as_str().unwrap_or_default();
            let rid = rid(said).map(str::to_owned);
            let mut errmsg = if secret.is_empty() {
                said.to_owned()
            } else {
                said.replace(secret, "[redacted]")
            };
            errmsg.truncate(errmsg.floor_char_boundary(MAX_ERRMSG));
            Err(ApiError {
                endpoint,
                code,
                errmsg,
                rid,
            }
            .into())
        }
    }
}

/// Reads the fields of an answer. The parser's own error is dropped: it may quote what it could not read.
pub(crate) fn read<T: DeserializeOwned>(
    endpoint: Endpoint,
    body: &[u8],
    otherwise: DoubtCause,
) -> Result<T, CallError> {
    // A struct would also be read from an array, which no answer of WeChat's is.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(doubt(endpoint, DoubtCause::NotJson));
    }
    serde_json::from_slice(body).map_err(|_| doubt(endpoint, otherwise))
}

/// For calls whose answer has nothing but an errcode: one without it is someone else's.
pub(crate) fn done(response: &ApiResponse) -> Result<(), CallError> {
    #[derive(Deserialize)]
    struct Done {
        #[serde(rename = "errcode")]
        _errcode: IgnoredAny,
    }

    let incomplete = DoubtCause::Incomplete("errcode");
    read::<Done>(response.endpoint, &response.body, incomplete).map(drop)
}

pub(crate) fn doubt(endpoint: Endpoint, cause: DoubtCause) -> CallError {
    Doubt {
        endpoint,
        cause,
        source: None,
    }
    .into()
}
