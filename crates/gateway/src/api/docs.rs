//! The documents that the gateway's own answers point to, served by it so that they fit its version.
//! It must not hold any text of its own.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa_swagger_ui::SwaggerUi;

use crate::api::error::Problem;

const ERRORS: &str = include_str!("../../../../docs/errors.md");
const SIGNING: &str = include_str!("../../../../docs/signing.md");

/// The page of the interface with the documents beside it.
pub fn router(page: SwaggerUi) -> Router {
    Router::from(page)
        .route("/docs/errors", get(async || markdown(ERRORS)))
        .route("/docs/signing.md", get(async || markdown(SIGNING)))
        .layer(from_fn(refused_as_elsewhere))
}

fn markdown(text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text)
}

/// The page's own 404 is bare.
async fn refused_as_elsewhere(request: Request, next: Next) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    let response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return nothing_under(&path).into_response();
    }
    response
}

pub fn nothing_under(path: &str) -> Problem {
    Problem::not_found(format!(
        "there is nothing under {path}; /docs lists what there is"
    ))
}
