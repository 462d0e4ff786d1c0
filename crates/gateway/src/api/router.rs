//! Every handler at its route; `access` says who may call it. The OpenAPI document is made of both, so it cannot drift.
//! It must not do a route's work.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Response;
use hongyan_courier::audit::Audit;
use hongyan_courier::bulk_retry::BulkRetry;
use hongyan_courier::change::Changes;
use http::{Method, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::api::access;
use crate::api::accounts::{self, AccountBook};
use crate::api::attention::{self, Attention};
use crate::api::audit;
use crate::api::broadcasts::{
    Broadcasting, change as broadcast_change, create as broadcast_create, list as broadcast_list,
    rows as broadcast_rows, show as broadcast_show,
};
use crate::api::callback::{self, Callbacks, Entrance};
use crate::api::clients::{self, ClientTokens};
use crate::api::docs;
use crate::api::door::Door;
use crate::api::error::Problem;
use crate::api::health::{self, Readiness};
use crate::api::messages::{batch, change, list, retry_all, send, show};
use crate::api::oauth::{self, Oauth};
use crate::api::openapi;
use crate::api::quota;
use crate::api::receipts;
use crate::api::recipients::{self, Contacts};
use crate::api::routes::{Misfit, Routes};
use crate::api::templates::{self, Templates};
use crate::api::token::{self, Tokens};
use crate::api::webhooks::{self, Webhooks};
use crate::compat::{self, Compat};
use crate::telemetry::prometheus::Metrics;
use crate::telemetry::request::request_context;

/// What the routes are made of, one use case each.
#[derive(Clone)]
pub struct UseCases {
    pub door: Arc<Door>,
    pub intake: Arc<send::Intake>,
    pub messages: Arc<show::Messages>,
    pub changes: Arc<Changes>,
    pub retries: Arc<BulkRetry>,
    pub attention: Arc<Attention>,
    pub audit: Arc<dyn Audit>,
    pub accounts: Arc<AccountBook>,
    pub tokens: Arc<Tokens>,
    pub client_tokens: Arc<ClientTokens>,
    pub compat: Arc<Compat>,
    pub templates: Arc<Templates>,
    pub contacts: Arc<Contacts>,
    pub broadcasts: Arc<Broadcasting>,
    pub webhooks: Arc<Webhooks>,
    pub callbacks: Arc<Callbacks>,
    pub oauth: Arc<Oauth>,
    pub readiness: Arc<Readiness>,
    pub metrics: Metrics,
}

/// The routes for callers and for WeChat.
fn service(parts: &UseCases) -> Result<OpenApiRouter, Misfit> {
    let mut routes = Routes::new(parts.door.clone(), access::SERVICE);
    routes = messages(routes, parts);
    routes = templates(routes, &parts.templates);
    routes = broadcasts(routes, &parts.broadcasts);
    routes = recipients(routes, &parts.contacts);
    routes = accounts(routes, parts);
    let entrance = Arc::new(Entrance::new(parts.callbacks.clone()));
    routes
        .mount(routes!(webhooks::list).with_state(parts.webhooks.clone()))
        .mount(routes!(webhooks::events).with_state(parts.webhooks.clone()))
        .mount(routes!(webhooks::redeliver).with_state(parts.webhooks.clone()))
        .mount(routes!(webhooks::resume).with_state(parts.webhooks.clone()))
        .mount(routes!(callback::check, callback::push).with_state(entrance))
        .mount(routes!(oauth::start).with_state(parts.oauth.clone()))
        .mount(routes!(oauth::callback).with_state(parts.oauth.clone()))
        .finish()
}

fn messages(routes: Routes, parts: &UseCases) -> Routes {
    routes
        .mount(routes!(send::send).with_state(parts.intake.clone()))
        .mount(routes!(batch::send_batch).with_state(parts.intake.clone()))
        .mount(routes!(list::list).with_state(parts.messages.clone()))
        .mount(routes!(show::show).with_state(parts.messages.clone()))
        .mount(routes!(change::cancel).with_state(parts.changes.clone()))
        .mount(routes!(change::retry).with_state(parts.changes.clone()))
        .mount(routes!(retry_all::retry_all).with_state(parts.retries.clone()))
        .mount(routes!(attention::list).with_state(parts.attention.clone()))
        .mount(routes!(audit::list).with_state(parts.audit.clone()))
}

fn templates(routes: Routes, cases: &Arc<Templates>) -> Routes {
    use templates::{industries, library, list, show, sync};
    routes
        .mount(routes!(list::list).with_state(cases.clone()))
        .mount(routes!(library::add).with_state(cases.clone()))
        .mount(routes!(show::show).with_state(cases.clone()))
        .mount(routes!(library::delete).with_state(cases.clone()))
        .mount(routes!(sync::sync).with_state(cases.clone()))
        .mount(routes!(sync::resume).with_state(cases.clone()))
        .mount(routes!(industries::industries).with_state(cases.clone()))
        .mount(routes!(industries::set_industries).with_state(cases.clone()))
}

fn broadcasts(routes: Routes, cases: &Arc<Broadcasting>) -> Routes {
    routes
        .mount(routes!(broadcast_create::create).with_state(cases.clone()))
        .mount(routes!(broadcast_list::list).with_state(cases.clone()))
        .mount(routes!(broadcast_show::show).with_state(cases.clone()))
        .mount(routes!(broadcast_rows::append).with_state(cases.clone()))
        .mount(routes!(broadcast_change::start).with_state(cases.clone()))
        .mount(routes!(broadcast_change::pause).with_state(cases.clone()))
        .mount(routes!(broadcast_change::resume).with_state(cases.clone()))
        .mount(routes!(broadcast_change::cancel).with_state(cases.clone()))
}

fn recipients(routes: Routes, cases: &Arc<Contacts>) -> Routes {
    routes
        .mount(routes!(recipients::list::list).with_state(cases.clone()))
        .mount(routes!(recipients::show).with_state(cases.clone()))
        .mount(routes!(recipients::change::suppress).with_state(cases.clone()))
        .mount(routes!(recipients::change::resume).with_state(cases.clone()))
        .mount(routes!(recipients::forget::forget).with_state(cases.clone()))
}

fn accounts(routes: Routes, parts: &UseCases) -> Routes {
    routes
        .mount(routes!(accounts::list).with_state(parts.accounts.clone()))
        .mount(routes!(quota::clear).with_state(parts.accounts.clone()))
        .mount(routes!(token::show).with_state(parts.tokens.clone()))
        .mount(routes!(token::refresh).with_state(parts.tokens.clone()))
        .mount(routes!(receipts::take).with_state(parts.callbacks.clone()))
        .mount(routes!(clients::revoke).with_state(parts.client_tokens.clone()))
}

/// The routes for supervisors and scrapers.
fn ops(parts: &UseCases) -> Result<OpenApiRouter, Misfit> {
    Routes::new(parts.door.clone(), access::OPS)
        .mount(routes!(health::live))
        .mount(routes!(health::alias))
        .mount(routes!(health::ready).with_state(parts.readiness.clone()))
        .mount(routes!(health::metrics).with_state(parts.metrics.clone()))
        .finish()
}

/// Who is let in at the main listener.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// Callers and WeChat.
    pub callers: bool,
    /// Supervisors and scrapers have a listener of their own.
    pub ops_elsewhere: bool,
}

/// Both listeners' routers: the main one, and the one for operations if that listens elsewhere.
pub fn routers(parts: &UseCases, doors: Doors) -> Result<(Router, Option<Router>), Misfit> {
    let mut main = OpenApiRouter::with_openapi(openapi::base());
    if doors.callers {
        main = main.merge(service(parts)?);
    }
    let mut elsewhere = None;
    if doors.ops_elsewhere {
        elsewhere = Some(finished(ops(parts)?.into()));
    } else {
        main = main.merge(ops(parts)?);
    }
    let (mut router, document) = main.split_for_parts();
    if doors.callers {
        // WeChat's own interface, which WeChat documents.
        router = router.merge(compat::router(parts.compat.clone()));
    }
    let page = SwaggerUi::new("/docs").url("/openapi.json", document);
    Ok((finished(router.merge(docs::router(page))), elsewhere))
}

fn finished(router: Router) -> Router {
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        // As one layer: every layer of its own is a box around each route.
        .layer((from_fn(request_context), CatchPanicLayer::custom(panicked)))
}

async fn nothing_here(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    docs::nothing_under(&path)
}

async fn wrong_method(method: Method) -> Problem {
    let method: String = method.as_str().chars().take(32).collect();
    Problem::method_not_allowed(format!(
        "{method} is not for this path; the Allow header says what is"
    ))
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    tracing::error!(panic = said, "a request handler panicked");
    axum::response::IntoResponse::into_response(Problem::internal())
}
