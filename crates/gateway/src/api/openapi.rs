//! The document that describes the routes: what is common to all of them, and what each guard adds to its route.
//! It must not list routes: they come from the router.

use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::api::access::Need;
use crate::api::error::{FieldProblem, Problem};
use crate::auth::credentials;

const SCHEMES: [(&str, &str, &str); 4] = [
    ("client", credentials::CLIENT_ID, "The client's id"),
    (
        "timestamp",
        credentials::TIMESTAMP,
        "Unix seconds, at most 300 off",
    ),
    (
        "nonce",
        credentials::NONCE,
        "16 to 64 of A-Z a-z 0-9 - _, never twice",
    ),
    (
        "signature",
        credentials::SIGNATURE,
        "HMAC-SHA256 in lower-case hex, as docs/signing.md describes",
    ),
];

/// The other way in: a JWT.
const TOKEN: &str = "token";

/// The document before any route is in it.
pub fn base() -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .schema(Problem::name(), Problem::schema())
        .schema(FieldProblem::name(), FieldProblem::schema());
    for (name, header, description) in SCHEMES {
        let key = ApiKey::Header(ApiKeyValue::with_description(header, description));
        components = components.security_scheme(name, SecurityScheme::ApiKey(key));
    }
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("Instead of a signature; see docs/access.md"))
        .build();
    components = components.security_scheme(TOKEN, SecurityScheme::Http(token));
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Hongyan")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("A gateway for WeChat template messages."))
                .license(Some(license)),
        )
        .components(Some(components.build()))
        .build()
}

/// What every route behind the door may answer, and what it asks of its caller.
pub fn guarded(paths: &mut Paths, need: Need) {
    let scopes: Vec<&str> = need.scopes().iter().map(|scope| scope.as_str()).collect();
    let words = scopes.join("` or `");
    for operation in operations(paths) {
        let schemes = SCHEMES
            .into_iter()
            .fold(SecurityRequirement::default(), |all, (name, _, _)| {
                all.add(name, Vec::<String>::new())
            });
        let token = SecurityRequirement::new(TOKEN, Vec::<String>::new());
        operation.security = Some(vec![schemes, token]);
        let note = format!("Scope: `{words}`.");
        operation.description = Some(match operation.description.take() {
            Some(text) if !text.is_empty() => format!("{text}\n\n{note}"),
            _ => note,
        });
        for (status, description) in [
            ("400", "`malformed`"),
            ("401", "`unauthenticated`"),
            (
                "403",
                "`forbidden`: the client lacks the scope, or is confined to other accounts or templates",
            ),
            ("413", "`too_large`"),
            (
                "429",
                "`rate_limited`; Retry-After says when to come back, RateLimit-* how the limit stands",
            ),
            ("503", "`unavailable`; Retry-After says when to come back"),
        ] {
            add(operation, status, description);
        }
    }
}

/// What a route without a caller may answer besides its own replies.
pub fn open(paths: &mut Paths, refusals: &[(&str, &str)]) {
    for operation in operations(paths) {
        for (status, description) in refusals {
            add(operation, status, description);
        }
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let known = &mut operation.responses.responses;
    known
        .entry(status.to_owned())
        .or_insert_with(|| RefOr::T(problem(description)));
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

/// The method and path of each operation.
pub fn methods(paths: &Paths) -> Vec<(&'static str, &str)> {
    let of_item = |(path, item)| named(item).map(move |(method, _)| (method, path));
    let items = paths.paths.iter().map(|(path, item)| (path.as_str(), item));
    items.flat_map(of_item).collect()
}

fn named(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("HEAD", &item.head),
        ("OPTIONS", &item.options),
        ("TRACE", &item.trace),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn operations(paths: &mut Paths) -> impl Iterator<Item = &mut Operation> {
    paths.paths.values_mut().flat_map(each)
}

fn each(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut item.get,
        &mut item.post,
        &mut item.delete,
        &mut item.put,
        &mut item.patch,
    ];
    all.into_iter().flatten()
}
