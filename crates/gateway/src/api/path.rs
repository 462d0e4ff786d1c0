//! The one variable part of a path, decoded.
//! It must not know what it names.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use crate::api::error::Problem;

pub struct PathPart(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(_) => Err(Problem::not_found("there is nothing under this path")),
        }
    }
}
