//! Callbacks and API calls of random and mutated bytes: each is answered, none brings the program down, and none is kept in
//! memory. The long form makes a million of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hongyan_wechat::callback::{CallbackToken, signature};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::caller::{Caller, TEMPLATE, unix_seconds};
use crate::program::{APPID, CALLBACK_TOKEN, CLIENT_SECRET, Gateway, Wish};

const CONNECTIONS: u64 = 16;
/// Nobody is turned away, or little would be looked at.
const LIMITS: &str = "[limits]\nfailures = { burst = 1000000, per_second = 1000000 }\n";
/// What a program may grow by once it is warm: its caches are full by then.
const GROWTH_MIB: u64 = 48;

/// Numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1))
            .map(|_| self.next() as u8)
            .collect()
    }

    /// A few bytes changed, cut out, doubled or put in.
    fn mutated(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => {
                    let end = at + self.below(bytes.len() - at + 1);
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => {
                    let word =
                        self.one(&["\0", "\"", "{", "]]>", "&lt;", "\u{202e}", "-1", "null"]);
                    bytes.splice(at..at, word.bytes());
                }
            }
        }
        bytes
    }

    /// What can stand in a target that is signed, so from ASCII alone.
    fn text(&mut self, most: usize) -> String {
        escaped(self.bytes(most).into_iter().map(|byte| byte & 0x7f))
    }

    /// What can stand in a target, from any bytes.
    fn escaped(&mut self, most: usize) -> String {
        escaped(self.bytes(most).into_iter())
    }
}

fn escaped(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

const ROUTES: &[&str] = &[
    "/v1/messages",
    "/v1/messages/batch",
    "/v1/messages/retry",
    "/v1/messages/0198c7a1f0c27d3aa5c2f4d1e8b97f10",
    "/v1/messages/0198c7a1f0c27d3aa5c2f4d1e8b97f10/cancel",
    "/v1/broadcasts",
    "/v1/accounts",
    "/v1/accounts/main/token",
    "/v1/accounts/main/receipts",
    "/v1/attention",
    "/v1/recipients/o1",
    "/v1/templates",
    "/v1/webhooks",
    "/wechat/oauth/main/start",
    "/openapi.json",
    "/health/ready",
];
const WECHAT: &[&str] = &[
    "/cgi-bin/message/template/send",
    "/cgi-bin/message/subscribe/bizsend",
    "/cgi-bin/message/template/subscribe",
    "/cgi-bin/stable_token",
    "/cgi-bin/user/info",
    "/cgi-bin/clear_quota/v2",
    "/cgi-bin/menu/create",
    "/wxa/anything",
];

fn message(dice: &mut Dice) -> String {
    let openid = format!("oGarbage{:020}", dice.below(1_000));
    let words = [
        "",
        "ok",
        "你好",
        "\u{0}",
        "a\nb",
        "長長長長長長長長長長長長長長長長長長長長長",
    ];
    json!({"touser": openid, "template_id": TEMPLATE, "account": "main", "url": "https://example.com/",
        "client_msg_id": format!("m{}", dice.next()), "priority": "bulk",
        "data": {"thing1": {"value": dice.one(&words)}, "first": {"value": "x"}}})
    .to_string()
}

fn event(dice: &mut Dice) -> String {
    let (kind, rest) = match dice.below(3) {
        0 => (
            "TEMPLATESENDJOBFINISH",
            "<MsgID>123</MsgID><Status><![CDATA[success]]></Status>",
        ),
        1 => ("unsubscribe", "<EventKey></EventKey>"),
        _ => (
            "subscribe_msg_popup_event",
            "<SubscribeMsgPopupEvent><List><TemplateId>t</TemplateId>\
             <SubscribeStatusString>accept</SubscribeStatusString></List></SubscribeMsgPopupEvent>",
        ),
    };
    let openid = format!("oGarbage{:020}", dice.below(1_000));
    format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>{openid}</FromUserName><CreateTime>{}</CreateTime>\
         <MsgType>event</MsgType><Event>{kind}</Event>{rest}</xml>",
        dice.below(2_000_000_000)
    )
}

fn callback(dice: &mut Dice) -> Request<Full<Bytes>> {
    let token = CallbackToken::new(CALLBACK_TOKEN);
    let (timestamp, nonce) = (unix_seconds().to_string(), dice.next().to_string());
    let signed = signature::sign(&token, &timestamp, &nonce);
    let query = match dice.below(4) {
        0 => dice.escaped(64),
        1 => format!("signature={signed}&timestamp={timestamp}&nonce=other"),
        _ => format!("signature={signed}&timestamp={timestamp}&nonce={nonce}"),
    };
    let more = dice.one(&[
        "",
        "",
        "&encrypt_type=aes&msg_signature=00",
        "&echostr=1",
        "&nonce=2",
    ]);
    let event = event(dice);
    let body = match dice.below(3) {
        0 => dice.bytes(512),
        _ => dice.mutated(&event),
    };
    let target = format!("/wechat/callback/main?{query}{more}");
    let method = dice.one(&["POST", "POST", "POST", "GET"]);
    request(method, &target, body)
}

fn request(method: &str, target: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "gateway")
        .body(Full::new(body.into()))
        .unwrap()
}

/// Signed, so that it is looked at, or nearly.
fn api(dice: &mut Dice, caller: &Caller) -> Request<Full<Bytes>> {
    let method = dice.one(&["POST", "POST", "GET", "DELETE"]);
    let route = match dice.below(3) {
        0 => "/v1/messages",
        _ => dice.one(ROUTES),
    };
    let query = match dice.below(3) {
        0 => format!(
            "?{}={}",
            dice.one(&["limit", "since", "msgid", "dry_run", "x"]),
            dice.text(8)
        ),
        _ => String::new(),
    };
    let message = message(dice);
    let message = match dice.below(4) {
        0 => format!("{{\"messages\":[{message},{message}]}}"),
        _ => message,
    };
    let body = dice.mutated(&message);
    // What is signed is text; other bytes come with a signature that does not fit.
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut request = caller.request(method, &format!("{route}{query}"), &text, None);
    if dice.below(8) == 0 {
        let name = dice.one(&[
            "x-timestamp",
            "x-nonce",
            "x-signature",
            "authorization",
            "idempotency-key",
        ]);
        let value: Vec<u8> = dice
            .bytes(80)
            .into_iter()
            .filter(|b| *b >= 0x20 && *b != 0x7f)
            .collect();
        let value = hyper::header::HeaderValue::from_bytes(&value).unwrap();
        request.headers_mut().insert(name, value);
    }
    if dice.below(8) == 0 {
        *request.body_mut() = Full::new(body.into());
    }
    request
}

/// As an SDK calls, with a token that is good, or cut short now and then.
fn foreign(dice: &mut Dice, token: &str) -> Request<Full<Bytes>> {
    let path = dice.one(WECHAT);
    // Whoever comes with bad ones waits, and that is not to be found out here.
    let token = if dice.below(4_000) == 0 {
        &token[..20]
    } else {
        token
    };
    let message = message(dice);
    let body = match dice.below(4) {
        0 => dice.bytes(256),
        _ => dice.mutated(&message),
    };
    let more = if dice.below(4) == 0 {
        format!("&{}", dice.escaped(16))
    } else {
        String::new()
    };
    let method = dice.one(&["POST", "POST", "POST", "GET"]);
    request(method, &format!("{path}?access_token={token}{more}"), body)
}

/// Bytes that are hardly HTTP. Whatever is answered, the connection is over.
async fn noise(dice: &mut Dice, port: u16) {
    let whole = "POST /v1/messages HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\n\r\nhello";
    let bytes = match dice.below(2) {
        0 => dice.bytes(256),
        _ => dice.mutated(whole),
    };
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        panic!("the program does not take a connection");
    };
    let _ = stream.write_all(&bytes).await;
    let mut answer = [0; 512];
    let _ = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut answer)).await;
}

async fn talk(seed: u64, count: u64, (port, token): (u16, String), done: Arc<AtomicU64>) {
    let (mut dice, mut caller) = (Dice(seed), Caller::new(port));
    for _ in 0..count {
        let request = match dice.below(200) {
            0 => {
                noise(&mut dice, port).await;
                None
            }
            1..80 => Some(callback(&mut dice)),
            80..150 => Some(api(&mut dice, &caller)),
            _ => Some(foreign(&mut dice, &token)),
        };
        if let Some(request) = request {
            let asked = format!("{} {}", request.method(), request.uri());
            match caller.call(request).await.map(|(status, _)| status) {
                // The store may be busy for a moment, and says so.
                Ok(status) => assert!(status < 500 || status == 503, "{status}: {asked}"),
                // It may close a connection on what is no HTTP; one that it does not take is another matter.
                Err(why) => assert!(!why.contains("refused"), "{why}: {asked}"),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn make_noise(calls: u64) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let gateway = Gateway::start(Wish {
        receipt_timeout: Some("1h"),
        sections: LIMITS,
        ..Wish::slots(16)
    })
    .await;
    let mut caller = Caller::new(gateway.port);
    let path =
        format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={CLIENT_SECRET}");
    let granted = caller
        .call(request("GET", &path, Vec::new()))
        .await
        .unwrap();
    let token = granted.1["access_token"].as_str().unwrap().to_owned();
    let done = Arc::new(AtomicU64::new(0));
    let mut talking = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let place = (gateway.port, token.clone());
        talking.spawn(talk(seed ^ nth, calls / CONNECTIONS, place, done.clone()));
    }
    let mut warm = 0;
    while !talking.is_empty() {
        let turn = tokio::time::timeout(Duration::from_millis(100), talking.join_next());
        if let Ok(Some(ended)) = turn.await {
            ended.unwrap();
        }
        if warm == 0 && done.load(Ordering::Relaxed) > calls / 5 {
            warm = gateway.memory_mib();
        }
    }
    let after = gateway.memory_mib();
    println!("{calls} calls; {warm} MiB when it was warm, {after} MiB afterwards");
    assert!(after <= warm + GROWTH_MIB, "{warm} MiB became {after} MiB");
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    let alive = caller.call(request("GET", "/health/ready", Vec::new()));
    assert_eq!(alive.await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_comes_in_brings_the_program_down() {
    make_noise(4_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_million_calls_of_garbage_bring_nothing_down_and_leave_nothing_behind() {
    make_noise(1_000_000).await;
}
