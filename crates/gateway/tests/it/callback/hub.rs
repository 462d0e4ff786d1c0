//! WeChat's other messages and events reach the programs that want them, signed anew, and one of them may reply.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hongyan_wechat::callback::event::Event;
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::seal::{Seal, Signer, seal_reply};
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, Format};
use hongyan_wechat_sim::Push;
use http::StatusCode;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;

use super::*;

const TOKEN: &str = "consumertoken";
const CONSUMER_KEY: &str = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210zyxwvut";
const REPLY: &str =
    "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hello]]></Content></xml>";
/// What a user writes.
const TEXT: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
    <MsgType>text</MsgType><Content>hi</Content></xml>";

/// A program that WeChat's pushes are passed on to.
#[derive(Default)]
struct Kept {
    pushes: Mutex<Vec<(CallbackQuery, Vec<u8>)>>,
    /// What it answers; `success` where there is nothing here.
    answer: Mutex<Option<String>>,
    /// It answers with 500 so many times first.
    refusals: Mutex<u32>,
    /// Before that it never answers so many times.
    silences: Mutex<u32>,
}

struct Program {
    kept: Arc<Kept>,
    address: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(kept): State<Arc<Kept>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let silent = {
        let mut silences = kept.silences.lock().unwrap();
        let silent = *silences > 0;
        *silences = silences.saturating_sub(1);
        silent
    };
    if silent {
        std::future::pending::<()>().await;
    }
    {
        let mut refusals = kept.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    }
    let query = axum::extract::Query::try_from_uri(&parts.uri).unwrap().0;
    kept.pushes.lock().unwrap().push((query, body.to_vec()));
    let answer = kept.answer.lock().unwrap().clone();
    answer
        .unwrap_or_else(|| "success".to_owned())
        .into_response()
}

impl Program {
    async fn start() -> Self {
        let kept = Arc::<Kept>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/wechat?for=crm", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(kept.clone());
        let serving = TaskTracker::new().spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            kept,
            address,
            serving,
        }
    }

    fn answers(&self, text: String) {
        *self.kept.answer.lock().unwrap() = Some(text);
    }

    fn refuses(&self, times: u32) {
        *self.kept.refusals.lock().unwrap() = times;
    }

    /// The names of what came, opened and checked with its own token and key, once there are so many.
    async fn until(&self, count: usize) -> Vec<String> {
        let waiting = async {
            while self.kept.pushes.lock().unwrap().len() < count {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let patience = std::time::Duration::from_secs(10);
        let come = tokio::time::timeout(patience, waiting).await;
        let pushes = self.kept.pushes.lock().unwrap();
        assert!(come.is_ok(), "{count} pushes never came: {}", pushes.len());
        let opened = pushes.iter().map(|(query, body)| {
            let mode = match query.encrypt_type {
                Some(_) => Mode::Safe,
                None => Mode::Plain,
            };
            open(mode, &secrets(), query, body).unwrap().event
        });
        opened.map(|event: Event| event.name().to_owned()).collect()
    }
}

fn secrets() -> CallbackSecrets {
    CallbackSecrets {
        appid: APPID.to_owned(),
        tokens: vec![CallbackToken::new(TOKEN)],
        keys: vec![CONSUMER_KEY.parse().unwrap()],
    }
}

fn consumer(program: &Program, more: &str) -> String {
    format!(
        "{{ url = \"{}\", token = \"{TOKEN}\"{more} }}",
        program.address
    )
}

async fn gateway(mode: Mode, consumers: &[String]) -> TestGateway {
    let settings = Settings {
        account: format!("consumers = [{}]", consumers.join(", ")),
        ..Settings::receipts(mode)
    };
    TestGateway::with(settings).await
}

/// Each push is encrypted, of this moment, and under an address of its own.
fn check_fresh(pushes: &[(CallbackQuery, Vec<u8>)]) {
    let mut nonces = std::collections::HashSet::new();
    for (query, body) in pushes {
        assert_eq!(query.encrypt_type.as_deref(), Some("aes"));
        let body = String::from_utf8_lossy(body);
        assert!(!body.contains("FromUserName"), "{body}");
        let at: i64 = query.timestamp.as_deref().unwrap().parse().unwrap();
        let now: i64 = seconds(0).parse().unwrap();
        assert!((now - at).abs() < 60, "{at} at {now}");
        assert!(nonces.insert(query.nonce.clone()), "{query:?}");
    }
}

fn text(gateway: &TestGateway) {
    let content = "你好".to_owned();
    let push = Push::Text { content };
    assert!(gateway.sim.push(APPID, &openid(1), push));
}

#[tokio::test]
async fn every_consumer_is_told_of_what_it_wants_signed_with_its_own_token() {
    let (crm, shop) = (Program::start().await, Program::start().await);
    let key = format!(", encoding_aes_key = \"{CONSUMER_KEY}\"");
    let only = format!("{key}, events = [\"subscribe\", \"TEMPLATESENDJOBFINISH\"]");
    for mode in [Mode::Plain, Mode::Safe] {
        let consumers = [consumer(&crm, &key), consumer(&shop, &only)];
        let gateway = gateway(mode, &consumers).await;
        assert!(gateway.sim.push(APPID, &openid(1), Push::Subscribe));
        text(&gateway);
        let id = gateway.send(&message(&openid(1))).await;
        gateway.until(&id, "delivered").await;
        let mut told = crm.until(2).await;
        told.sort();
        assert_eq!(told, ["subscribe", "text"]);
        let mut told = shop.until(2).await;
        told.sort();
        assert_eq!(told, ["TEMPLATESENDJOBFINISH", "subscribe"]);
        for program in [&crm, &shop] {
            let pushes: Vec<_> = program.kept.pushes.lock().unwrap().drain(..).collect();
            check_fresh(&pushes);
        }
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_reply_goes_back_to_wechat_encrypted_as_the_push_was() {
    let crm = Program::start().await;
    let key = format!(", encoding_aes_key = \"{CONSUMER_KEY}\", reply = true");
    let gateway = gateway(Mode::Safe, &[consumer(&crm, &key)]).await;
    let own: EncodingAesKey = CONSUMER_KEY.parse().unwrap();
    let token = CallbackToken::new(TOKEN);
    let seal = Seal {
        key: &own,
        appid: APPID,
        random: envelope::random(),
    };
    let signer = Signer {
        token: &token,
        timestamp: 1,
        nonce: "n",
    };
    crm.answers(seal_reply(&seal, &signer, Format::Xml, REPLY));
    let key: EncodingAesKey = KEY.parse().unwrap();
    let encrypt = envelope::encrypt(&key, APPID, TEXT.as_bytes(), envelope::random());
    let (query, body) = signed_around(&encrypt);
    let reply = push(&gateway, &query, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let ours = CallbackSecrets {
        appid: APPID.to_owned(),
        tokens: vec![CallbackToken::new(CALLBACK_TOKEN)],
        keys: vec![key],
    };
    let plain = hongyan_wechat::callback::open::open_reply(&ours, &reply.body).unwrap();
    assert_eq!(plain, REPLY.as_bytes());
    gateway.finish().await;
}

#[tokio::test]
async fn whoever_replies_is_asked_although_the_store_is_away_and_only_once() {
    let crm = Program::start().await;
    let only = Program::start().await;
    let consumers = [consumer(&crm, ", reply = true"), consumer(&only, "")];
    let gateway = gateway(Mode::Plain, &consumers).await;
    crm.answers(REPLY.to_owned());
    let database = rusqlite::Connection::open(gateway.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    let reply = push(&gateway, &plain_query(&seconds(0), "n1"), TEXT).await;
    assert_eq!(reply.text(), REPLY);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(crm.until(1).await, ["text"]);
    assert!(only.kept.pushes.lock().unwrap().is_empty(), "not before");
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(only.until(1).await, ["text"]);
    let second = TEXT.replace("hi", "there");
    let reply = push(&gateway, &plain_query(&seconds(0), "n2"), &second).await;
    assert_eq!(reply.text(), REPLY);
    // It was told of nothing in between.
    assert_eq!(crm.until(2).await, ["text", "text"]);
    let told = String::from_utf8_lossy(&crm.kept.pushes.lock().unwrap()[1].1).into_owned();
    assert!(told.contains("there"), "{told}");
    gateway.finish().await;
}

#[tokio::test]
async fn what_came_while_the_store_was_away_reaches_who_could_not_reply_when_it_is_back() {
    let crm = Program::start().await;
    crm.refuses(1);
    let mut gateway = gateway(Mode::Plain, &[consumer(&crm, ", reply = true")]).await;
    let (store, _) = gateway.store();
    store.close().await;
    let reply = push(&gateway, &plain_query(&seconds(0), "n1"), TEXT).await;
    assert_eq!(reply.text(), "success");
    gateway.restart().await;
    // By its own line or from the spool; over a restart it may be by both, as docs/callbacks.md says.
    let told = crm.until(1).await;
    assert!(
        told.len() <= 2 && told.iter().all(|one| one == "text"),
        "{told:?}"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn two_consumers_on_one_host_are_told_apart_in_the_metrics() {
    let crm = Program::start().await;
    let secret = |path: &str| {
        let address = crm.address.replace("/wechat", path);
        consumer(&crm, "").replace(&crm.address, &address)
    };
    let gateway = gateway(Mode::Plain, &[secret("/crm"), secret("/shop")]).await;
    text(&gateway);
    crm.until(2).await;
    let host = crm.address.split('/').nth(2).unwrap();
    // Their paths, which may be secret, are not shown.
    let lines = ["/crm", "/shop"].map(|path| {
        let hash = Sha256::digest(crm.address.replace("/wechat", path));
        let hash: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "hongyan_events_passed_on_total{{account=\"{ACCOUNT}\",consumer=\"{host}#{hash}\",result=\"ok\"}} 1\n"
        )
    });
    gateway.until_metrics(&lines).await;
    gateway.finish().await;
}

#[tokio::test]
async fn who_replies_is_asked_for_what_it_wants_alone() {
    let crm = Program::start().await;
    let wants = ", reply = true, events = [\"CLICK\"]";
    let gateway = gateway(Mode::Plain, &[consumer(&crm, wants)]).await;
    crm.answers(REPLY.to_owned());
    for (nonce, event, reply) in [("n1", "VIEW", "success"), ("n2", "CLICK", REPLY)] {
        let body = format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
             <MsgType>event</MsgType><Event>{event}</Event></xml>"
        );
        let answer = push(&gateway, &plain_query(&seconds(0), nonce), &body).await;
        assert_eq!(answer.text(), reply, "{event}");
    }
    assert_eq!(crm.until(1).await, ["CLICK"]);
    gateway.finish().await;
}

#[tokio::test]
async fn a_plain_reply_to_an_encrypted_push_is_not_believed() {
    let crm = Program::start().await;
    let key = format!(", encoding_aes_key = \"{CONSUMER_KEY}\", reply = true");
    let gateway = gateway(Mode::Plain, &[consumer(&crm, &key)]).await;
    crm.answers(REPLY.to_owned());
    let reply = push(&gateway, &plain_query(&seconds(0), "n1"), TEXT).await;
    assert_eq!(reply.text(), "success");
    assert_eq!(crm.until(1).await, ["text"], "it was asked");
    check_fresh(&crm.kept.pushes.lock().unwrap());
    gateway.finish().await;
}

#[tokio::test]
async fn a_plain_reply_goes_back_as_it_is_and_none_is_success() {
    let crm = Program::start().await;
    let gateway = gateway(Mode::Plain, &[consumer(&crm, ", reply = true")]).await;
    let ask = async |nonce| {
        let query = plain_query(&seconds(0), nonce);
        push(&gateway, &query, TEXT).await
    };
    assert_eq!(ask("n1").await.text(), "success");
    crm.answers(REPLY.to_owned());
    assert_eq!(ask("n2").await.text(), REPLY);
    gateway.finish().await;
}

/// WeChat waits for five seconds.
#[tokio::test]
async fn a_consumer_that_thinks_for_too_long_is_told_again_after_wechat_has_its_answer() {
    let crm = Program::start().await;
    *crm.kept.silences.lock().unwrap() = 1;
    let gateway = gateway(Mode::Plain, &[consumer(&crm, ", reply = true")]).await;
    let began = std::time::Instant::now();
    let reply = push(&gateway, &plain_query(&seconds(0), "n1"), TEXT).await;
    assert_eq!(reply.text(), "success");
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    assert_eq!(crm.until(1).await, ["text"]);
    gateway.finish().await;
}

/// WeChat delivers up to three times, and a push that somebody recorded is believed for five minutes.
#[tokio::test]
async fn what_comes_again_is_passed_on_once() {
    let crm = Program::start().await;
    let text = |id: u32| {
        format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
             <MsgType>text</MsgType><Content>hi</Content><MsgId>{id}</MsgId></xml>"
        )
    };
    let key: EncodingAesKey = KEY.parse().unwrap();
    let sealed = |id| {
        let body = text(id);
        signed_around(&envelope::encrypt(
            &key,
            APPID,
            body.as_bytes(),
            envelope::random(),
        ))
    };
    let consumers = [consumer(&crm, "")];
    for (mode, pushes) in [
        (Mode::Safe, [sealed(1), sealed(1), sealed(2)]),
        (
            Mode::Plain,
            [1, 1, 2].map(|id| (plain_query(&seconds(0), &format!("n{id}")), text(id))),
        ),
    ] {
        let gateway = gateway(mode, &consumers).await;
        let recorded = &pushes[0];
        for (query, body) in [&pushes[..2], std::slice::from_ref(recorded), &pushes[2..]].concat() {
            let reply = push(&gateway, &query, &body).await;
            assert_eq!(reply.text(), "success", "it is acknowledged all the same");
        }
        crm.until(2).await;
        // They are posted in order, so a repeat would have come before the last.
        let told: Vec<_> = crm.kept.pushes.lock().unwrap().drain(..).collect();
        let last = String::from_utf8_lossy(&told[1].1);
        assert!(last.contains("<MsgId>2</MsgId>"), "{last}");
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_consumer_that_is_away_is_told_when_it_is_back() {
    let crm = Program::start().await;
    crm.refuses(2);
    let mut gateway = gateway(Mode::Plain, &[consumer(&crm, ", reply = true")]).await;
    // It cannot reply, so WeChat is told nothing, and it is asked again.
    text(&gateway);
    crm.until(1).await;
    // What waits outlives the gateway.
    crm.refuses(1_000);
    text(&gateway);
    gateway
        .until_sim("an answer", |sim| sim.receipts().answered == 2)
        .await;
    gateway.down().await;
    crm.refuses(0);
    gateway.up().await;
    assert_eq!(crm.until(2).await, ["text", "text"]);
    gateway.finish().await;
}
