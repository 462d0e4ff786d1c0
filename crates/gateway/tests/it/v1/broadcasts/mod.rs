//! `/v1/broadcasts`: one request that becomes many messages.

mod control;
mod held;
mod invalid;
mod kinds;
mod send;
mod upload;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Call, TEMPLATE, TestGateway, openid};

/// An order for rows with a column `name`.
pub(super) fn order() -> Value {
    json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}您好"}}})
}

/// A file of so many recipients.
pub(super) fn file(rows: usize) -> String {
    let each = (0..rows).map(|n| format!("{},name{n}\n", openid(n)));
    std::iter::once("openid,name\n".to_owned())
        .chain(each)
        .collect()
}

/// Hands over a piece of a file.
pub(super) fn piece(id: &str, offset: usize, last: bool, bytes: &str) -> Call {
    let path = format!("/v1/broadcasts/{id}/rows?offset={offset}&last={last}");
    Call::new(Method::POST, &path, bytes.to_owned())
}

impl TestGateway {
    pub(super) async fn ordered(&self, order: &Value) -> String {
        let reply = self.post("/v1/broadcasts", order).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn wish(&self, id: &str, wish: &str) -> Value {
        let reply = self
            .post(&format!("/v1/broadcasts/{id}/{wish}"), &json!({}))
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// The broadcast, once it stands there.
    pub(super) async fn until_broadcast(&self, id: &str, status: &str) -> Value {
        let path = format!("/v1/broadcasts/{id}");
        self.until_reply(&path, status, |broadcast| broadcast["status"] == status)
            .await
    }
}
