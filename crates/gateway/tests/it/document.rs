//! The document names what the gateway takes: neither more nor less. Both are asked, so they cannot drift apart.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Call, TestGateway, get, message, openid};

type Names = BTreeSet<String>;

fn names<'a>(from: impl IntoIterator<Item = &'a str>) -> Names {
    from.into_iter().map(str::to_owned).collect()
}

/// What the gateway lists after "known: ", when it is given something else.
fn known(detail: &str) -> Names {
    let Some((_, list)) = detail.split_once("; known: ") else {
        assert!(detail.ends_with("; it has none"), "{detail}");
        return Names::new();
    };
    names(list.split(", "))
}

/// The parameters of an operation's query, by the document.
fn queried(operation: &Value) -> Names {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let queried = parameters.filter(|one| one["in"] == "query");
    names(queried.map(|one| one["name"].as_str().unwrap()))
}

#[tokio::test]
async fn every_call_takes_the_query_that_the_document_names() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    let document = gateway.call(get("/openapi.json").unsigned()).await.json();
    let mut looked_at = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/v1/") {
            continue;
        }
        let address = path
            .replace("{id}", &id)
            .replace("{name}", ACCOUNT)
            .replace("{openid}", &openid(1));
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let refused = async |query: &str| {
                let call = Call::new(method.clone(), &format!("{address}?{query}"), "{}");
                gateway.call(call).await.problem(400, "malformed")
            };
            let listed = queried(operation);
            assert_eq!(known(&refused("xyzzy=1").await), listed, "{method} {path}");
            for name in listed {
                // Only what is taken is seen to come twice.
                let detail = refused(&format!("{name}=1&{name}=1")).await;
                assert_eq!(detail, format!("{name} comes more than once"), "{path}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 10, "{looked_at}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_has_the_fields_that_the_document_names() {
    let gateway = TestGateway::start().await;
    let document = gateway.call(get("/openapi.json").unsigned()).await.json();
    let body = &document["paths"]["/v1/messages"]["post"]["requestBody"];
    let body = &body["content"]["application/json"]["schema"]["$ref"];
    let schema = body.as_str().unwrap().trim_start_matches('#');
    let schema = document.pointer(schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let listed = names(properties.keys().map(String::as_str));
    let errors = async |body: String| {
        let call = Call::new(Method::POST, "/v1/messages", body);
        let reply = gateway.call(call).await;
        reply.problem(422, "invalid_message");
        let errors = reply.json()["errors"].as_array().unwrap().clone();
        let pair = |error: &Value| {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            (text("field"), text("problem"))
        };
        errors.iter().map(pair).collect::<Vec<_>>()
    };

    let of_unknown = errors(json!({"xyzzyxyzzyxyzzy": 1}).to_string()).await;
    let unknown = of_unknown
        .iter()
        .find(|(field, _)| field.starts_with("xyzzy"));
    assert_eq!(known(&unknown.unwrap().1), listed);

    let of_nothing = errors("{}".to_owned()).await;
    let missing = of_nothing
        .iter()
        .filter(|(_, problem)| problem == "is missing");
    let required = schema["required"].as_array().unwrap();
    assert_eq!(
        names(missing.map(|(field, _)| field.as_str())),
        names(required.iter().map(|name| name.as_str().unwrap()))
    );

    for name in listed {
        let of_twice = errors(format!("{{\"{name}\":1,\"{name}\":1}}")).await;
        let twice = (name.clone(), "comes more than once".to_owned());
        assert!(of_twice.contains(&twice), "{name}: {of_twice:?}");
    }
    gateway.finish().await;
}
