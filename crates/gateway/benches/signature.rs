//! What it costs to know who is calling: requests a second on one core, through the gateway's own guards, with and without.
//! `cargo bench -p hongyan-gateway --bench signature` prints a table.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may fail, and prints what it measured"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use hongyan_courier::UnixMs;
use hongyan_courier::time::Clock;
use hongyan_gateway::api::access::{Access, Line, Need};
use hongyan_gateway::api::door::{Door, Signed};
use hongyan_gateway::api::routes::Routes;
use hongyan_gateway::auth::authenticator::Authenticator;
use hongyan_gateway::auth::bearer::{Issuer, Issuers, Keys, written};
use hongyan_gateway::auth::client::{ClientKeys, Clients};
use hongyan_gateway::auth::refused::RefusedNonces;
use hongyan_gateway::auth::scope::{Scope, ScopeSet};
use hongyan_gateway::auth::signer::Signer;
use hongyan_gateway::clock::SystemClock;
use hongyan_gateway::limits::governor::GovernorLimiter;
use hongyan_gateway::limits::{Allowances, Limits};
use hongyan_store::sqlite::SqliteStore;
use http::{Method, Request, Uri};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;
use tempfile::TempDir;
use tower::ServiceExt;
use utoipa_axum::routes;

const SECRET: &str = "correct-horse-battery-staple, for as long as it takes";
const EC: &str = include_str!("../tests/keys/ec.pem");
const EC_PUBLIC: &str = include_str!("../tests/keys/ec.pub.pem");
/// Requests of one measurement; the best of three counts, since others may be at work beside it.
const REQUESTS: usize = 20_000;

static TABLE: [Line; 2] = [
    Line {
        method: "POST",
        path: "/open",
        access: Access::Open(&[]),
        noted: None,
        whole: false,
    },
    Line {
        method: "POST",
        path: "/guarded",
        access: Access::Caller(Need::Read(&[Scope::MessagesSend])),
        noted: None,
        whole: false,
    },
];

#[utoipa::path(post, path = "/open", responses((status = 200)))]
async fn open(request: axum::extract::Request) -> impl IntoResponse {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    black_box(body.len());
}

#[utoipa::path(post, path = "/guarded", responses((status = 200)))]
async fn guarded(signed: Signed) -> impl IntoResponse {
    black_box(signed.body.len());
}

fn door() -> Door {
    let clients = [ClientKeys {
        id: "orders".to_owned(),
        secrets: vec![SECRET.into()],
        scopes: ScopeSet::from_iter([Scope::MessagesSend]),
        reach: Default::default(),
    }];
    let issuer = |algorithm, key: &str| Issuer {
        name: "login".to_owned(),
        issuer: None,
        algorithm,
        audience: "hongyan".to_owned(),
        leeway: Duration::from_secs(30),
        clients: Vec::new(),
        keys: Keys::Written {
            kid: None,
            keys: vec![written::key(algorithm, &SecretString::from(key)).unwrap()],
        },
    };
    let issuers = vec![
        issuer(Algorithm::HS256, SECRET),
        issuer(Algorithm::ES256, EC_PUBLIC),
    ];
    let (clock, dir) = (SystemClock::new(), TempDir::new().unwrap());
    let ledger = SqliteStore::open(&dir.path().join("store.db"), clock.now()).unwrap();
    Door {
        refused: RefusedNonces::new(ledger),
        authenticator: Authenticator::new(Clients::new(&clients), Issuers(issuers), Arc::default()),
        clock: Arc::new(clock),
        limits: Arc::new(Limits::new(
            Allowances::default(),
            Vec::new(),
            Arc::new(GovernorLimiter::default()),
        )),
        body_bytes_max: 1 << 20,
    }
}

fn router() -> Router {
    let routes = Routes::new(Arc::new(door()), &TABLE);
    let routes = routes.mount(routes!(open)).mount(routes!(guarded));
    Router::from(routes.finish().unwrap()).with_state(())
}

/// How a request says who it is from.
#[derive(Clone, Copy)]
enum Way {
    Nobody,
    Signed,
    Token(Algorithm),
}

fn requests(way: Way, body: &Bytes) -> Vec<Request<Body>> {
    let now: UnixMs = SystemClock::new().wall();
    let signer = Signer::new("orders", &SECRET.into());
    let path = match way {
        Way::Nobody => "/open",
        _ => "/guarded",
    };
    let uri: Uri = path.parse().unwrap();
    let bearer = match way {
        Way::Token(algorithm) => Some(token(algorithm, now)),
        _ => None,
    };
    let one = || {
        let mut request = Request::post(path);
        if let Way::Signed = way {
            for (name, value) in signer.headers(&Method::POST, &uri, body, now).unwrap() {
                request = request.header(name, value);
            }
        }
        if let Some(token) = &bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Body::from(body.clone())).unwrap()
    };
    (0..REQUESTS).map(|_| one()).collect()
}

fn token(algorithm: Algorithm, now: UnixMs) -> String {
    let claims = serde_json::json!({
        "sub": "orders", "aud": "hongyan", "exp": now.0 / 1000 + 600, "scope": "messages:send",
    });
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    };
    encode(&Header::new(algorithm), &claims, &key).unwrap()
}

/// Microseconds for one request.
async fn measured(way: Way, body: &Bytes) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let (router, requests) = (router(), requests(way, body));
        let began = Instant::now();
        for request in requests {
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            black_box(answer.into_body().collect().await.unwrap());
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64);
    }
    best
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "| body | open | signed | HS256 token | ES256 token |   (requests a second on one core)"
    );
    println!("| --- | --- | --- | --- | --- |");
    for bytes in [0, 300, 4096, 65_536] {
        let body = Bytes::from(vec![b'x'; bytes]);
        let row = runtime.block_on(async {
            let mut row = Vec::new();
            for way in [
                Way::Nobody,
                Way::Signed,
                Way::Token(Algorithm::HS256),
                Way::Token(Algorithm::ES256),
            ] {
                row.push(measured(way, &body).await);
            }
            row
        });
        let cells: Vec<String> = row
            .iter()
            .map(|micros| format!("{:.0} ({micros:.1} us)", 1e6 / micros))
            .collect();
        println!("| {bytes} B | {} |", cells.join(" | "));
    }
}
