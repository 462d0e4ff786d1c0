//! Who may call which route: one line a route. The routes' guards and the OpenAPI document are made of these lines, and a
//! gateway does not start with a route that has no line, or a line that has no route. It must not know any handler.

use crate::auth::scope::Scope;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A client that proves who it is.
    Caller(Need),
    /// Anybody: the route itself knows whom to believe. With what it may answer besides its own replies.
    Open(&'static [(&'static str, &'static str)]),
    /// A user's browser, on its way to WeChat and back. Likewise.
    Browser(&'static [(&'static str, &'static str)]),
}

/// What a route asks of its caller: any one of the scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The route changes nothing.
    Read(&'static [Scope]),
    /// The route changes something: its nonce is stored with the change.
    Write(&'static [Scope]),
}

impl Need {
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Read(scopes) | Self::Write(scopes) => scopes,
        }
    }
}

/// A route, and who may call it.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    /// By which word it is written down what a caller did.
    pub noted: Option<&'static str>,
    /// Whether the body is written down as well: where it is small, and holds no values of messages.
    pub whole: bool,
}

impl Line {
    const fn noted(self, what: &'static str) -> Self {
        Self {
            noted: Some(what),
            ..self
        }
    }

    const fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }
}

const fn get(path: &'static str, scopes: &'static [Scope]) -> Line {
    line("GET", path, Access::Caller(Need::Read(scopes)))
}

const fn post(path: &'static str, scopes: &'static [Scope]) -> Line {
    line("POST", path, Access::Caller(Need::Write(scopes)))
}

const fn delete(path: &'static str, scopes: &'static [Scope]) -> Line {
    line("DELETE", path, Access::Caller(Need::Write(scopes)))
}

const fn line(method: &'static str, path: &'static str, access: Access) -> Line {
    Line {
        method,
        path,
        access,
        noted: None,
        whole: false,
    }
}

const SEND: &[Scope] = &[Scope::MessagesSend];
const LOOK: &[Scope] = &[Scope::MessagesRead];
const ACCOUNTS: &[Scope] = &[Scope::Accounts];
const TOKEN: &[Scope] = &[Scope::Token];
const TEMPLATES: &[Scope] = &[Scope::Templates];
const BROADCASTS: &[Scope] = &[Scope::Broadcasts];
const RECIPIENTS: &[Scope] = &[Scope::Recipients];
const WEBHOOKS: &[Scope] = &[Scope::Webhooks];

const CALLBACK: Access = Access::Open(&[
    ("400", "`malformed`"),
    ("403", "`forbidden`: not WeChat's"),
    ("413", "`too_large`"),
    ("503", "`unavailable`: WeChat asks again"),
]);
const OAUTH: Access = Access::Browser(&[
    ("400", "`malformed`; a page for a browser"),
    ("404", "`not_found`; a page for a browser"),
    ("429", "`rate_limited`; a page for a browser"),
    ("503", "`unavailable`; a page for a browser"),
]);

/// For callers and for WeChat.
pub const SERVICE: &[Line] = &[
    post("/v1/messages", SEND),
    post("/v1/messages/batch", SEND),
    get("/v1/messages", LOOK),
    get("/v1/messages/{id}", LOOK),
    post("/v1/messages/{id}/cancel", SEND).noted("messages.cancel"),
    post("/v1/messages/{id}/retry", SEND)
        .noted("messages.retry")
        .whole(),
    post("/v1/messages/retry", SEND)
        .noted("messages.retry_all")
        .whole(),
    get("/v1/attention", LOOK),
    get("/v1/audit", &[Scope::Audit]),
    get("/v1/templates", TEMPLATES),
    post("/v1/templates", TEMPLATES)
        .noted("templates.add")
        .whole(),
    get("/v1/templates/{id}", TEMPLATES),
    delete("/v1/templates/{id}", TEMPLATES).noted("templates.delete"),
    post("/v1/templates/sync", TEMPLATES).noted("templates.sync"),
    post("/v1/templates/{id}/resume", TEMPLATES).noted("templates.resume"),
    get("/v1/accounts/{name}/industries", TEMPLATES),
    post("/v1/accounts/{name}/industries", TEMPLATES)
        .noted("templates.set_industries")
        .whole(),
    get("/v1/broadcasts", BROADCASTS),
    post("/v1/broadcasts", BROADCASTS).noted("broadcasts.create"),
    get("/v1/broadcasts/{id}", BROADCASTS),
    post("/v1/broadcasts/{id}/rows", BROADCASTS),
    post("/v1/broadcasts/{id}/start", BROADCASTS).noted("broadcasts.start"),
    post("/v1/broadcasts/{id}/pause", BROADCASTS).noted("broadcasts.pause"),
    post("/v1/broadcasts/{id}/resume", BROADCASTS).noted("broadcasts.resume"),
    post("/v1/broadcasts/{id}/cancel", BROADCASTS).noted("broadcasts.cancel"),
    get("/v1/recipients", RECIPIENTS),
    get("/v1/recipients/{openid}", RECIPIENTS),
    post("/v1/recipients/{openid}/suppress", RECIPIENTS)
        .noted("recipients.suppress")
        .whole(),
    post("/v1/recipients/{openid}/resume", RECIPIENTS)
        .noted("recipients.resume")
        .whole(),
    post("/v1/recipients/{openid}/forget", RECIPIENTS).noted("recipients.forget"),
    post("/v1/clients/{id}/tokens/revoke", TOKEN)
        .noted("clients.revoke_tokens")
        .whole(),
    get("/v1/accounts", ACCOUNTS),
    post("/v1/accounts/{name}/quota/clear", &[Scope::Quota]).noted("quota.clear"),
    get(
        "/v1/accounts/{name}/token",
        &[Scope::Accounts, Scope::Token],
    )
    .noted("token.reveal"),
    post("/v1/accounts/{name}/token/refresh", TOKEN)
        .noted("token.refresh")
        .whole(),
    post("/v1/accounts/{name}/receipts", &[Scope::Receipts]),
    get("/v1/webhooks", WEBHOOKS),
    get("/v1/webhooks/{name}/events", WEBHOOKS),
    post("/v1/webhooks/{name}/resume", WEBHOOKS).noted("webhooks.resume"),
    post("/v1/webhooks/{name}/redeliver", WEBHOOKS)
        .noted("webhooks.redeliver")
        .whole(),
    line("GET", "/wechat/callback/{account}", CALLBACK),
    line("POST", "/wechat/callback/{account}", CALLBACK),
    line("GET", "/wechat/oauth/{account}/start", OAUTH),
    line("GET", "/wechat/oauth/{account}/callback", OAUTH),
];

/// For supervisors and scrapers.
pub const OPS: &[Line] = &[
    line("GET", "/health/live", Access::Open(&[])),
    line("GET", "/health", Access::Open(&[])),
    line(
        "GET",
        "/health/ready",
        Access::Open(&[("503", "`unavailable`")]),
    ),
    line("GET", "/metrics", Access::Open(&[])),
];
