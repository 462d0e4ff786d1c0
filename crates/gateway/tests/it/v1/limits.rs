//! How much is taken from whom, and what whoever comes too often is told.

use hongyan_gateway::clock::SystemClock;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{ACCOUNT, Call, Reply, Settings, TestGateway, get, message, openid, post};

/// As the default configuration has it.
const FAILURES: usize = 30;

fn limited(lines: &str) -> Settings {
    Settings {
        sections: format!("[limits]\n{lines}"),
        ..Settings::default()
    }
}

fn guess(n: usize) -> Call {
    get("/v1/accounts").secret(&format!("guess {n}"))
}

fn header(reply: &Reply, name: &str) -> u64 {
    let value = reply
        .headers
        .get(name)
        .unwrap_or_else(|| panic!("no {name}: {reply:?}"));
    value.to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn signatures_cannot_be_tried_at_will() {
    let gateway = TestGateway::start().await;
    for n in 0..FAILURES {
        gateway.call(guess(n)).await.problem(401, "unauthenticated");
    }
    // From now on one a second, and in between nothing of this address is looked at, not even what is right.
    let mut turned_away = 0;
    for n in 0..10 {
        let reply = gateway.call(guess(FAILURES + n)).await;
        if reply.status == 429 {
            reply.problem(429, "rate_limited");
            assert_eq!(header(&reply, "retry-after"), 1);
            turned_away += 1;
        }
    }
    assert!(turned_away >= 5, "{turned_away} of 10");
    gateway.until_let_in().await;
    let metrics = gateway.call(get("/metrics").unsigned()).await;
    let counted = "hongyan_rate_limited_total{limit=\"failures\",name=\"\"}";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    gateway.finish().await;
}

/// Who says that a long body comes, and sends none, takes no room from others.
#[tokio::test]
async fn bodies_that_are_announced_and_do_not_come_harm_nobody() {
    let gateway = TestGateway::start().await;
    let now = SystemClock::new().wall().0 / 1000;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\nX-Client-Id: nobody\r\n\
         X-Timestamp: {now}\r\nX-Nonce: 0123456789abcdef\r\nX-Signature: {}\r\n\r\n",
        "0".repeat(64)
    );
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    drop(silent);
    gateway.finish().await;
}

/// That its nonce is stored concerns nobody who waits for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_waits_for_no_store() {
    let gateway = TestGateway::start().await;
    let database = rusqlite::Connection::open(gateway.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    for n in 0..20 {
        let mut bad = message(&openid(n));
        bad["rate"] = json!(1);
        let refused = gateway.post("/v1/messages", &bad).await;
        refused.problem(422, "invalid_message");
    }
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    database.execute_batch("ROLLBACK").unwrap();
    gateway.finish().await;
}

impl TestGateway {
    /// Waits until what is right is let in again.
    async fn until_let_in(&self) {
        let began = std::time::Instant::now();
        while self.get("/v1/accounts").await.status != 200 {
            assert!(began.elapsed().as_secs() < 10, "it never is");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn whoever_fails_behind_a_trusted_proxy_locks_nobody_else_out() {
    let settings = Settings {
        server: "trusted_proxies = [\"127.0.0.0/8\"]".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let from = |address: &str, call: Call| call.header("x-forwarded-for", address);
    for n in 0..=FAILURES {
        gateway.call(from("203.0.113.7", guess(n))).await;
    }
    let refused = gateway.call(from("203.0.113.7", get("/v1/accounts"))).await;
    refused.problem(429, "rate_limited");
    // What stands before the proxy's own word is whatever a caller wrote.
    let posing = from("203.0.113.8, 203.0.113.7", get("/v1/accounts"));
    gateway.call(posing).await.problem(429, "rate_limited");
    let other = gateway
        .call(from("203.0.113.7, 203.0.113.8", get("/v1/accounts")))
        .await;
    assert_eq!(other.status, 200, "{other:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_is_told_how_its_limit_stands() {
    let gateway = TestGateway::with(limited("client = { burst = 2, per_second = 0.01 }")).await;
    for left in [1, 0] {
        let reply = gateway.get("/v1/accounts").await;
        assert_eq!(reply.status, 200);
        assert_eq!(header(&reply, "ratelimit-limit"), 2);
        assert_eq!(header(&reply, "ratelimit-remaining"), left);
        assert!(header(&reply, "ratelimit-reset") >= 99);
        assert_eq!(reply.headers["ratelimit-policy"], "2;w=200");
    }
    let reply = gateway.get("/v1/accounts").await;
    reply.problem(429, "rate_limited");
    assert!(
        (99..=100).contains(&header(&reply, "retry-after")),
        "{reply:?}"
    );
    assert_eq!(header(&reply, "ratelimit-remaining"), 0);
    let metrics = gateway.call(get("/metrics").unsigned()).await;
    let counted = "hongyan_rate_limited_total{limit=\"client\",name=\"orders\"}";
    assert!(metrics.text().contains(counted));
    gateway.finish().await;
}

#[tokio::test]
async fn another_limit_counts_from_the_next_request_on_and_a_reload_alone_refills_none() {
    let limit = |burst: u8| format!("[limits]\nclient = {{ burst = {burst}, per_second = 0.01 }}");
    let mut gateway = TestGateway::with(limited("client = { burst = 1, per_second = 0.01 }")).await;
    assert_eq!(gateway.get("/v1/accounts").await.status, 200);
    gateway.settings.account = "rate = 5\n".to_owned();
    assert_eq!(gateway.reload().await.unwrap().changed, [ACCOUNT]);
    let refused = gateway.get("/v1/accounts").await;
    refused.problem(429, "rate_limited");

    gateway.settings.sections = limit(2);
    gateway.reload().await.unwrap();
    let reply = gateway.get("/v1/accounts").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(header(&reply, "ratelimit-limit"), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_takes_so_many_messages_and_no_more() {
    let gateway = TestGateway::with(limited("account = { burst = 3, per_second = 0.01 }")).await;
    let batch = json!({"messages": [message(&openid(1)), message(&openid(2))]});
    assert_eq!(gateway.post("/v1/messages/batch", &batch).await.status, 202);
    let refused = gateway.post("/v1/messages/batch", &batch).await;
    assert!(refused.problem(429, "rate_limited").contains(ACCOUNT));
    gateway.send(&message(&openid(3))).await;
    let refused = gateway.post("/v1/messages", &message(&openid(4))).await;
    refused.problem(429, "rate_limited");
    assert!(gateway.sim.seen(&openid(4)).is_empty());
    gateway.finish().await;
}

#[tokio::test]
async fn an_address_may_ask_so_often_and_no_more() {
    let gateway = TestGateway::with(limited("ip = { burst = 2, per_second = 0.01 }")).await;
    for _ in 0..2 {
        gateway
            .call(post("/v1/messages", &json!({})).unsigned())
            .await
            .problem(401, "unauthenticated");
    }
    gateway
        .get("/v1/accounts")
        .await
        .problem(429, "rate_limited");
    // Supervisors are not turned away.
    assert_eq!(gateway.call(get("/health").unsigned()).await.status, 200);
    gateway.finish().await;
}

#[tokio::test]
async fn the_way_to_wechat_cannot_be_tried_at_will_either() {
    let gateway = TestGateway::start().await;
    let way = || get("/wechat/oauth/clinic/callback?code=x&state=y").unsigned();
    for _ in 0..FAILURES {
        gateway.call(way()).await.problem(404, "not_found");
    }
    gateway.call(way()).await.problem(429, "rate_limited");
    let page = gateway.call(way().header("accept", "text/html")).await;
    assert_eq!(page.status, 429);
    assert!(page.text().contains("<html"), "{}", page.text());
    // Nor does it close the API.
    assert_eq!(gateway.get("/v1/accounts").await.status, 200);
    gateway.finish().await;
}
