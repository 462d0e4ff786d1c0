//! Clients that are confined to some accounts or templates: for each route of the document, what they get when they reach
//! beyond.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Call, Reply, Settings, TEMPLATE, TestGateway, get, message, openid, post};

const OTHER_TEMPLATE: &str = "kVnSCkj1_BtKyF3mKB2fDyZ0zXbGmPn0BqO27izEYt0";
const TEXT: &str = "品名{{thing1.DATA}}";

/// May have to do with `school` alone.
const PUPIL: (&str, &str) = ("pupil", "the pupils' secret");
/// May have to do with one template alone.
const CLERK: (&str, &str) = ("clerk", "the clerk's own secret");

#[derive(Clone, Copy, Debug)]
enum Gets {
    /// Refused: the call names what is beyond.
    Forbidden,
    /// As if the thing were not there.
    NotFound,
    /// Everything but what is beyond.
    TheRest,
    /// An answer that says so, as one of many.
    OneForbidden,
    /// The route has nothing to do with templates.
    Unconcerned,
}
use Gets::{Forbidden, NotFound, OneForbidden, TheRest, Unconcerned};

/// Method and route, query and body of a call that reaches beyond, and what the pupil and the clerk get.
type Row = (&'static str, &'static str, &'static str, Value, Gets, Gets);

#[expect(clippy::too_many_lines, reason = "a row for each route")]
fn table() -> Vec<Row> {
    let none = || json!({});
    let sent = || {
        let mut body = message(&openid(1));
        body["account"] = json!("clinic");
        body
    };
    let order = || json!({"account": "clinic", "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}}});
    let of_template = || json!({"template_id": TEMPLATE});
    let clinic = "?account=clinic";
    vec![
        ("POST", "/v1/messages", "", sent(), Forbidden, Forbidden),
        (
            "POST",
            "/v1/messages/batch",
            "",
            json!({"messages": [sent()]}),
            OneForbidden,
            OneForbidden,
        ),
        ("GET", "/v1/messages", "", none(), TheRest, TheRest),
        ("GET", "/v1/messages", clinic, none(), Forbidden, TheRest),
        ("GET", "/v1/messages/{id}", "", none(), NotFound, NotFound),
        (
            "POST",
            "/v1/messages/{id}/cancel",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/messages/{id}/retry",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/messages/retry",
            "",
            json!({"account": "clinic", "template_id": TEMPLATE}),
            Forbidden,
            Forbidden,
        ),
        ("GET", "/v1/attention", "", none(), TheRest, TheRest),
        ("GET", "/v1/attention", clinic, none(), Forbidden, TheRest),
        ("GET", "/v1/audit", "", none(), TheRest, Forbidden),
        ("GET", "/v1/audit", clinic, none(), Forbidden, Forbidden),
        ("GET", "/v1/templates", clinic, none(), Forbidden, TheRest),
        (
            "POST",
            "/v1/templates",
            "",
            json!({"account": "clinic", "template_id_short": "1"}),
            Forbidden,
            Forbidden,
        ),
        (
            "GET",
            "/v1/templates/{id}",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "DELETE",
            "/v1/templates/{id}",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/templates/sync",
            clinic,
            none(),
            Forbidden,
            TheRest,
        ),
        (
            "POST",
            "/v1/templates/{id}/resume",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "GET",
            "/v1/accounts/{name}/industries",
            "",
            none(),
            Forbidden,
            Unconcerned,
        ),
        (
            "POST",
            "/v1/accounts/{name}/industries",
            "",
            json!({"primary": 1, "secondary": 2}),
            Forbidden,
            Forbidden,
        ),
        ("GET", "/v1/broadcasts", "", none(), TheRest, TheRest),
        ("GET", "/v1/broadcasts", clinic, none(), Forbidden, TheRest),
        ("POST", "/v1/broadcasts", "", order(), Forbidden, Forbidden),
        ("GET", "/v1/broadcasts/{id}", "", none(), NotFound, NotFound),
        (
            "POST",
            "/v1/broadcasts/{id}/rows",
            "?offset=0",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/broadcasts/{id}/start",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/broadcasts/{id}/pause",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/broadcasts/{id}/resume",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/broadcasts/{id}/cancel",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        ("GET", "/v1/recipients", clinic, none(), Forbidden, TheRest),
        (
            "GET",
            "/v1/recipients/{openid}",
            clinic,
            none(),
            Forbidden,
            TheRest,
        ),
        (
            "POST",
            "/v1/recipients/{openid}/suppress",
            clinic,
            of_template(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/recipients/{openid}/suppress",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/recipients/{openid}/resume",
            clinic,
            of_template(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/recipients/{openid}/resume",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/recipients/{openid}/forget",
            clinic,
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/clients/{id}/tokens/revoke",
            "",
            json!({"account": "clinic"}),
            Forbidden,
            Forbidden,
        ),
        ("GET", "/v1/accounts", "", none(), TheRest, Unconcerned),
        (
            "POST",
            "/v1/accounts/{name}/quota/clear",
            "",
            none(),
            Forbidden,
            Unconcerned,
        ),
        (
            "GET",
            "/v1/accounts/{name}/token",
            "",
            none(),
            Forbidden,
            Unconcerned,
        ),
        // For want of the scope, which a client that is confined to templates cannot have.
        (
            "POST",
            "/v1/accounts/{name}/token/refresh",
            "",
            none(),
            Forbidden,
            Forbidden,
        ),
        (
            "POST",
            "/v1/accounts/{name}/receipts",
            "",
            none(),
            Forbidden,
            Unconcerned,
        ),
        ("GET", "/v1/webhooks", "", none(), TheRest, TheRest),
        (
            "GET",
            "/v1/webhooks/{name}/events",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/webhooks/{name}/resume",
            "",
            none(),
            NotFound,
            NotFound,
        ),
        (
            "POST",
            "/v1/webhooks/{name}/redeliver",
            "",
            none(),
            NotFound,
            NotFound,
        ),
    ]
}

fn settings() -> Settings {
    let scopes = "\"messages:send\", \"messages:read\", \"accounts\", \"templates\", \"quota\", \"receipts\", \
                  \"recipients\", \"broadcasts\", \"webhooks\", \"audit\"";
    Settings {
        others: vec![("school", "wx00000000000000bb")],
        templates: vec![(TEMPLATE, TEXT), (OTHER_TEMPLATE, TEXT)],
        more: format!(
            "[[clients]]\nid = \"{}\"\nsecrets = [\"{}\"]\naccounts = [\"school\"]\nscopes = [{scopes}, \"token\"]\n\
             [[clients]]\nid = \"{}\"\nsecrets = [\"{}\"]\ntemplates = [\"{OTHER_TEMPLATE}\"]\nscopes = [{scopes}]\n\
             [[webhooks]]\nname = \"hook-of-orders\"\nclient = \"orders\"\nurl = \"http://127.0.0.1:9/\"\n\
             secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\nallow = [\"127.0.0.1/32\"]\n",
            PUPIL.0, PUPIL.1, CLERK.0, CLERK.1
        ),
        ..Settings::default()
    }
}

/// What is beyond both: a message, a broadcast, a suppression.
struct Beyond {
    message: String,
    broadcast: String,
}

async fn beyond(gateway: &TestGateway) -> Beyond {
    let listed = |list: &Value| {
        list["templates"]
            .as_array()
            .is_some_and(|all| all.len() == 2)
    };
    gateway
        .until_reply("/v1/templates?account=clinic", "listed", listed)
        .await;
    let mut body = message(&openid(1));
    body["account"] = json!("clinic");
    let message = gateway.send(&body).await;
    gateway.until(&message, "sent").await;
    let order = json!({
        "account": "clinic", "template_id": TEMPLATE, "recipients": "upload",
        "data": {"thing1": {"value": "x"}},
    });
    let made = gateway.post("/v1/broadcasts", &order).await;
    assert_eq!(made.status, 201, "{made:?}");
    let broadcast = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/recipients/{}/suppress?account=clinic", openid(1));
    let suppressed = gateway.post(&path, &json!({"template_id": TEMPLATE})).await;
    assert_eq!(suppressed.status, 200, "{suppressed:?}");
    Beyond { message, broadcast }
}

impl Beyond {
    fn address(&self, path: &str, query: &str) -> String {
        let id = match path {
            path if path.starts_with("/v1/broadcasts") => &self.broadcast,
            path if path.starts_with("/v1/templates") => TEMPLATE,
            _ => &self.message,
        };
        let name = if path.starts_with("/v1/webhooks") {
            "hook-of-orders"
        } else {
            "clinic"
        };
        let path = path.replace("{id}", id).replace("{name}", name);
        format!("{}{query}", path.replace("{openid}", &openid(1)))
    }

    fn check(&self, gets: Gets, reply: &Reply, what: &str) {
        match gets {
            Forbidden => {
                reply.problem(403, "forbidden");
            }
            NotFound => {
                reply.problem(404, "not_found");
            }
            OneForbidden => {
                assert_eq!(
                    reply.json()["results"][0]["error"]["code"],
                    "forbidden",
                    "{what}"
                );
            }
            TheRest => {
                assert_eq!(reply.status, 200, "{what}: {reply:?}");
                for word in [&*self.message, &*self.broadcast, TEMPLATE, "hook-of-orders"] {
                    assert!(!reply.text().contains(word), "{what}: {}", reply.text());
                }
            }
            Unconcerned => assert_ne!(reply.status, 404, "{what}: {reply:?}"),
        }
    }
}

#[tokio::test]
async fn no_route_reaches_beyond_what_its_client_is_confined_to() {
    let gateway = TestGateway::with(settings()).await;
    let beyond = beyond(&gateway).await;
    let mut looked_at = BTreeSet::new();
    for (method, path, query, body, pupil, clerk) in table() {
        looked_at.insert(format!("{method} {path}"));
        for ((client, secret), gets) in [(PUPIL, pupil), (CLERK, clerk)] {
            let what = format!("{client}: {method} {path}{query}");
            let method: Method = method.parse().unwrap();
            let text = if method == Method::GET {
                String::new()
            } else {
                body.to_string()
            };
            let call = Call::new(method, &beyond.address(path, query), text);
            let reply = gateway.call(call.by(client, secret)).await;
            println!("{what}: {}", reply.status);
            beyond.check(gets, &reply, &what);
        }
    }
    let document = gateway.call(get("/openapi.json").unsigned()).await.json();
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if path.starts_with("/v1/") {
                listed.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert_eq!(
        looked_at, listed,
        "every route of the document is in the table"
    );
    let stands = gateway
        .get(&format!("/v1/messages/{}", beyond.message))
        .await;
    assert_eq!(stands.json()["status"], "sent", "nothing was done to it");
    gateway.finish().await;
}

#[tokio::test]
async fn a_confined_client_works_within_its_bounds() {
    let gateway = TestGateway::with(settings()).await;
    beyond(&gateway).await;
    let (client, secret) = PUPIL;
    // The only account that it knows need not be named.
    let sent = post("/v1/messages", &message(&openid(2))).by(client, secret);
    let sent = gateway.call(sent).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    let own = gateway.until(&id, "sent").await;
    assert_eq!(own["account"], "school");
    let list = gateway
        .call(get("/v1/messages").by(client, secret))
        .await
        .json();
    assert_eq!(list["messages"].as_array().map(Vec::len), Some(1), "{list}");
    let accounts = gateway
        .call(get("/v1/accounts").by(client, secret))
        .await
        .json();
    assert_eq!(accounts["accounts"].as_array().map(Vec::len), Some(1));
    let (client, secret) = CLERK;
    let mut other = message(&openid(3));
    other["account"] = json!("clinic");
    other["template_id"] = json!(OTHER_TEMPLATE);
    let sent = gateway
        .call(post("/v1/messages", &other).by(client, secret))
        .await;
    assert_eq!(sent.status, 202, "{sent:?}");
    // A row could name any template.
    let order = json!({"account": "clinic", "template_id": "{{which}}", "recipients": "upload"});
    let order = gateway
        .call(post("/v1/broadcasts", &order).by(client, secret))
        .await;
    order.problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_that_is_not_there_is_answered_like_one_that_is_beyond() {
    let gateway = TestGateway::with(settings()).await;
    let (client, secret) = PUPIL;
    let mut answers = BTreeSet::new();
    for name in ["clinic", "nowhere"] {
        let call = get(&format!("/v1/recipients/o1?account={name}")).by(client, secret);
        answers.insert(gateway.call(call).await.problem(403, "forbidden"));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    gateway.finish().await;
}
