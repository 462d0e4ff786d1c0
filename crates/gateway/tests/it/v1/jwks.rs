//! Keys of an issuer that are found at its own address.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get as served;
use hongyan_gateway::clock::SystemClock;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::harness::{CLIENT, Settings, TestGateway, get};

const KEY: &str = include_str!("../../keys/ed.pem");
const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1",
    "x": "kgt-6clSXDBv8vZvRJd9UQKpm743iTQ_YJupZPNjCq8"}]}"#;
/// More than is read of such a document.
const TOO_LONG: usize = 300 * 1024;

/// An issuer's site; answers where it is.
async fn site() -> (String, tokio::task::JoinHandle<()>) {
    let long = format!("{}{KEYS}", " ".repeat(TOO_LONG));
    let routes = Router::new()
        .route("/keys", served(async || KEYS))
        .route("/moved", served(async || Redirect::temporary("/keys")))
        .route("/long", served(async move || long.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = async { axum::serve(listener, routes).await.unwrap() };
    (url, TaskTracker::new().spawn(serving))
}

#[tokio::test]
async fn keys_are_believed_from_the_issuers_own_address_alone_and_within_bounds() {
    let (url, serving) = site().await;
    for (path, status) in [("/keys", 200), ("/moved", 401), ("/long", 401)] {
        let issuer =
            format!("[[jwt]]\nname = \"sso\"\nalgorithm = \"EdDSA\"\njwks_url = \"{url}{path}\"\n");
        let gateway = TestGateway::with(Settings {
            more: issuer,
            ..Settings::default()
        })
        .await;
        let exp = SystemClock::new().wall().0 / 1000 + 60;
        let claims = json!({"sub": CLIENT, "aud": "hongyan", "exp": exp, "scope": "accounts"});
        let header = Header {
            kid: Some("k1".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let key = EncodingKey::from_ed_pem(KEY.as_bytes()).unwrap();
        let bearer = format!("Bearer {}", encode(&header, &claims, &key).unwrap());
        let call = get("/v1/accounts").unsigned();
        let reply = gateway.call(call.header("authorization", &bearer)).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        gateway.finish().await;
    }
    serving.abort();
}
