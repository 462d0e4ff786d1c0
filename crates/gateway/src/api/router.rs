//! Every route in one list, with the scope it asks for. The OpenAPI document is made of this list, so it cannot drift.
//! It must not do a route's work.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use hongyan_courier::bulk_retry::BulkRetry;
use hongyan_courier::change::Changes;
use http::{Method, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::api::accounts::{self, AccountBook};
use crate::api::attention::{self, Attention};
use crate::api::broadcasts::{
    Broadcasting, change as broadcast_change, create as broadcast_create, list as broadcast_list,
    rows as broadcast_rows, show as broadcast_show,
};
use crate::api::callback::{self, Callbacks, Entrance};
use crate::api::docs;
use crate::api::door::{Door, Guard, Need, admit};
use crate::api::error::Problem;
use crate::api::health::{self, Readiness};
use crate::api::messages::{batch, change, list, retry_all, send, show};
use crate::api::oauth::{self, Oauth};
use crate::api::openapi;
use crate::api::quota;
use crate::api::receipts;
use crate::api::recipients::{self, Contacts};
use crate::api::templates::{self, Templates};
use crate::api::token::{self, Tokens};
use crate::api::webhooks::{self, Webhooks};
use crate::auth::scope::Scope;
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
    pub accounts: Arc<AccountBook>,
    pub tokens: Arc<Tokens>,
    pub templates: Arc<Templates>,
    pub contacts: Arc<Contacts>,
    pub broadcasts: Arc<Broadcasting>,
    pub webhooks: Arc<Webhooks>,
    pub callbacks: Arc<Callbacks>,
    pub oauth: Arc<Oauth>,
    pub readiness: Arc<Readiness>,
    pub metrics: Metrics,
}

const SEND: Need = Need::Write(&[Scope::MessagesSend]);
const OPERATE: Need = Need::Write(&[Scope::Templates]);
const LOOK: Need = Need::Read(&[Scope::MessagesRead]);

/// The routes for callers and for WeChat.
fn service(parts: &UseCases) -> OpenApiRouter {
    let entrance = Entrance::new(parts.callbacks.clone());
    let behind = |routes, need| guarded(&parts.door, need, routes);
    OpenApiRouter::with_openapi(openapi::base())
        .merge(messages(parts))
        .merge(templates(parts))
        .merge(broadcasts(parts))
        .routes(behind(
            routes!(accounts::list).with_state(parts.accounts.clone()),
            Need::Read(&[Scope::Accounts]),
        ))
        .routes(behind(
            routes!(quota::clear).with_state(parts.accounts.clone()),
            Need::Write(&[Scope::Quota]),
        ))
        .routes(behind(
            routes!(token::show).with_state(parts.tokens.clone()),
            Need::Read(&[Scope::Accounts, Scope::Token]),
        ))
        .routes(behind(
            routes!(token::refresh).with_state(parts.tokens.clone()),
            Need::Write(&[Scope::Token]),
        ))
        .routes(behind(
            routes!(webhooks::list).with_state(parts.webhooks.clone()),
            Need::Read(&[Scope::Webhooks]),
        ))
        .routes(behind(
            routes!(webhooks::events).with_state(parts.webhooks.clone()),
            Need::Read(&[Scope::Webhooks]),
        ))
        .routes(behind(
            routes!(webhooks::redeliver).with_state(parts.webhooks.clone()),
            Need::Write(&[Scope::Webhooks]),
        ))
        .routes(behind(
            routes!(webhooks::resume).with_state(parts.webhooks.clone()),
            Need::Write(&[Scope::Webhooks]),
        ))
        .routes(behind(
            routes!(receipts::take).with_state(parts.callbacks.clone()),
            Need::Write(&[Scope::Receipts]),
        ))
        .routes(open(
            routes!(callback::check, callback::push).with_state(Arc::new(entrance)),
            CALLBACK,
        ))
        .routes(open(
            routes!(oauth::start).with_state(parts.oauth.clone()),
            OAUTH,
        ))
        .routes(open(
            routes!(oauth::callback).with_state(parts.oauth.clone()),
            OAUTH,
        ))
        .merge(of_recipients(parts))
}

/// The routes for messages.
fn messages(parts: &UseCases) -> OpenApiRouter {
    let behind = |routes, need| guarded(&parts.door, need, routes);
    OpenApiRouter::with_openapi(openapi::base())
        .routes(behind(
            routes!(send::send).with_state(parts.intake.clone()),
            SEND,
        ))
        .routes(behind(
            routes!(batch::send_batch).with_state(parts.intake.clone()),
            SEND,
        ))
        .routes(behind(
            routes!(list::list).with_state(parts.messages.clone()),
            LOOK,
        ))
        .routes(behind(
            routes!(show::show).with_state(parts.messages.clone()),
            LOOK,
        ))
        .routes(behind(
            routes!(change::cancel).with_state(parts.changes.clone()),
            SEND,
        ))
        .routes(behind(
            routes!(change::retry).with_state(parts.changes.clone()),
            SEND,
        ))
        .routes(behind(
            routes!(retry_all::retry_all).with_state(parts.retries.clone()),
            SEND,
        ))
        .routes(behind(
            routes!(attention::list).with_state(parts.attention.clone()),
            LOOK,
        ))
}

const OAUTH: &[(&str, &str)] = &[
    ("400", "`malformed`; a page for a browser"),
    ("404", "`not_found`; a page for a browser"),
    ("503", "`unavailable`; a page for a browser"),
];

/// The routes for the accounts' templates.
fn templates(parts: &UseCases) -> OpenApiRouter {
    let behind = |routes, need| guarded(&parts.door, need, routes);
    OpenApiRouter::with_openapi(openapi::base())
        .routes(behind(
            routes!(templates::list::list).with_state(parts.templates.clone()),
            Need::Read(&[Scope::Templates]),
        ))
        .routes(behind(
            routes!(templates::library::add).with_state(parts.templates.clone()),
            OPERATE,
        ))
        .routes(behind(
            routes!(templates::show::show).with_state(parts.templates.clone()),
            Need::Read(&[Scope::Templates]),
        ))
        .routes(behind(
            routes!(templates::library::delete).with_state(parts.templates.clone()),
            OPERATE,
        ))
        .routes(behind(
            routes!(templates::sync::sync).with_state(parts.templates.clone()),
            OPERATE,
        ))
        .routes(behind(
            routes!(templates::sync::resume).with_state(parts.templates.clone()),
            OPERATE,
        ))
        .routes(behind(
            routes!(templates::industries::industries).with_state(parts.templates.clone()),
            Need::Read(&[Scope::Templates]),
        ))
        .routes(behind(
            routes!(templates::industries::set_industries).with_state(parts.templates.clone()),
            OPERATE,
        ))
}

/// The routes for broadcasts.
fn broadcasts(parts: &UseCases) -> OpenApiRouter {
    const WRITE: Need = Need::Write(&[Scope::Broadcasts]);
    const READ: Need = Need::Read(&[Scope::Broadcasts]);
    let (cases, door) = (&parts.broadcasts, &parts.door);
    let write = |routes: UtoipaMethodRouter<Arc<Broadcasting>>| {
        guarded(door, WRITE, routes.with_state(cases.clone()))
    };
    let read = |routes: UtoipaMethodRouter<Arc<Broadcasting>>| {
        guarded(door, READ, routes.with_state(cases.clone()))
    };
    OpenApiRouter::new()
        .routes(write(routes!(broadcast_create::create)))
        .routes(read(routes!(broadcast_list::list)))
        .routes(read(routes!(broadcast_show::show)))
        .routes(write(routes!(broadcast_rows::append)))
        .routes(write(routes!(broadcast_change::start)))
        .routes(write(routes!(broadcast_change::pause)))
        .routes(write(routes!(broadcast_change::resume)))
        .routes(write(routes!(broadcast_change::cancel)))
}

/// The routes about recipients.
fn of_recipients(parts: &UseCases) -> OpenApiRouter {
    let behind = |routes, need| guarded(&parts.door, need, routes);
    OpenApiRouter::new()
        .routes(behind(
            routes!(recipients::list::list).with_state(parts.contacts.clone()),
            Need::Read(&[Scope::Recipients]),
        ))
        .routes(behind(
            routes!(recipients::show).with_state(parts.contacts.clone()),
            Need::Read(&[Scope::Recipients]),
        ))
        .routes(behind(
            routes!(recipients::change::suppress).with_state(parts.contacts.clone()),
            Need::Write(&[Scope::Recipients]),
        ))
        .routes(behind(
            routes!(recipients::change::resume).with_state(parts.contacts.clone()),
            Need::Write(&[Scope::Recipients]),
        ))
}

const CALLBACK: &[(&str, &str)] = &[
    ("400", "`malformed`"),
    ("403", "`forbidden`: not WeChat's"),
    ("413", "`too_large`"),
    ("503", "`unavailable`: WeChat asks again"),
];

/// The routes for supervisors and scrapers.
fn ops(parts: &UseCases) -> OpenApiRouter {
    let not_now: &[_] = &[("503", "`unavailable`")];
    OpenApiRouter::with_openapi(openapi::base())
        .routes(open(routes!(health::live), &[]))
        .routes(open(routes!(health::alias), &[]))
        .routes(open(
            routes!(health::ready).with_state(parts.readiness.clone()),
            not_now,
        ))
        .routes(open(
            routes!(health::metrics).with_state(parts.metrics.clone()),
            &[],
        ))
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
pub fn routers(parts: &UseCases, doors: Doors) -> (Router, Option<Router>) {
    let mut main = OpenApiRouter::with_openapi(openapi::base());
    if doors.callers {
        main = main.merge(service(parts));
    }
    if !doors.ops_elsewhere {
        main = main.merge(ops(parts));
    }
    let (router, document) = main.split_for_parts();
    let page = SwaggerUi::new("/docs").url("/openapi.json", document);
    let elsewhere = doors.ops_elsewhere.then(|| finished(ops(parts).into()));
    (finished(router.merge(docs::router(page))), elsewhere)
}

fn guarded(
    door: &Arc<Door>,
    need: Need,
    (schemas, mut paths, routes): UtoipaMethodRouter,
) -> UtoipaMethodRouter {
    openapi::guarded(&mut paths, need);
    let guard = Guard {
        door: Arc::clone(door),
        need,
    };
    (
        schemas,
        paths,
        routes.route_layer(from_fn_with_state(guard, admit)),
    )
}

fn open(
    (schemas, mut paths, routes): UtoipaMethodRouter,
    refusals: &[(&str, &str)],
) -> UtoipaMethodRouter {
    openapi::open(&mut paths, refusals);
    (schemas, paths, routes)
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
