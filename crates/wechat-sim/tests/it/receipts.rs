//! Receipts as a receiver meets them: covers, formats, repeats, order, and what happens when it does not answer.
//! The receiver here is a bare socket; what it gets is opened with the real callback code.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_wechat::callback::event::{Event, Receipt, ReceiptStatus};
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, CallbackToken, Format, Mode};
use hongyan_wechat_sim::config::CallbackKeys;
use hongyan_wechat_sim::{CallbackTarget, ReceiptPolicy, SimHandle};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::wire::{APPID, OPENID, demo, send, token};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const OLD_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess";
const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const NO: &str = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";

#[derive(Clone, Debug)]
struct Push {
    query: CallbackQuery,
    body: Vec<u8>,
}

/// Answers every push alike and keeps them all.
#[derive(Clone)]
struct Receiver {
    addr: SocketAddr,
    pushes: Arc<Mutex<Vec<Push>>>,
    connections: Arc<Mutex<u32>>,
    tasks: TaskTracker,
}

impl Receiver {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            addr: listener.local_addr().unwrap(),
            pushes: Arc::default(),
            connections: Arc::default(),
            tasks: TaskTracker::new(),
        };
        let serving = receiver.clone();
        receiver.tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                let connection = serving.clone().connection(stream, answer);
                serving.tasks.spawn(connection);
            }
        });
        receiver
    }

    async fn connection(self, stream: TcpStream, answer: &'static str) {
        let mut stream = BufReader::new(stream);
        while let Some(push) = read_push(&mut stream).await {
            self.pushes.lock().unwrap().push(push);
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn target(&self) -> CallbackTarget {
        CallbackTarget::new(
            &format!("http://{}/wx/callback?tenant=1", self.addr),
            "pamtest",
        )
    }

    fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Push> {
        for _ in 0..400 {
            if self.pushes().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.pushes().len(), count);
        self.pushes()
    }
}

async fn read_push(stream: &mut BufReader<TcpStream>) -> Option<Push> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let target = first.strip_prefix("POST /wx/callback?tenant=1&")?;
    let pairs = target.split(' ').next()?.split('&');
    let pairs: Map<String, Value> = pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().split_once(": ") {
            None => break,
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Push {
        query: serde_json::from_value(pairs.into()).unwrap(),
        body,
    })
}

fn opened(push: &Push, mode: Mode) -> (Receipt, Option<usize>, Format) {
    let secrets = CallbackSecrets {
        appid: APPID.to_owned(),
        tokens: vec![CallbackToken::new("pamtest"), CallbackToken::new("old")],
        keys: vec![KEY.parse().unwrap(), OLD_KEY.parse().unwrap()],
    };
    let opened = open(mode, &secrets, &push.query, &push.body).unwrap();
    match opened.event {
        Event::TemplateSendJobFinish(receipt) => (receipt, opened.key, opened.format),
        other => panic!("not a receipt: {other:?}"),
    }
}

async fn simulator(target: CallbackTarget, policy: ReceiptPolicy) -> (SimHandle, String) {
    let sim = demo().await;
    sim.set_callback(APPID, Some(target));
    sim.set_receipts(policy);
    let token = token(&sim).await;
    (sim, token)
}

fn at_once() -> ReceiptPolicy {
    ReceiptPolicy {
        delay_min_ms: 0,
        delay_max_ms: 0,
        ..ReceiptPolicy::default()
    }
}

#[tokio::test]
async fn every_cover_and_format_opens_with_the_real_callback_code() {
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        for format in [Format::Xml, Format::Json] {
            let receiver = Receiver::start(OK).await;
            let target = CallbackTarget {
                aes_key: Some(KEY.to_owned()),
                mode,
                format,
                ..receiver.target()
            };
            let (sim, token) = simulator(target, at_once()).await;
            let msgid = send(&sim, &token, "m1").await.json()["msgid"].clone();
            let pushes = receiver.wait_for(1).await;
            let (receipt, _, written) = opened(&pushes[0], mode);
            assert_eq!(receipt.msgid, msgid.as_i64().unwrap());
            assert_eq!(receipt.openid, OPENID);
            assert_eq!(receipt.to_user_name, "gh_0000c0ffee01");
            assert_eq!(receipt.status, ReceiptStatus::Success);
            assert_eq!(written, format);
            assert_eq!(pushes[0].query.openid.as_deref(), Some(OPENID));
        }
    }
}

#[tokio::test]
async fn while_keys_are_rotated_both_are_used() {
    let receiver = Receiver::start(EMPTY).await;
    let target = CallbackTarget {
        aes_key: Some(KEY.to_owned()),
        mode: Mode::Safe,
        previous: Some(CallbackKeys {
            token: "old".to_owned(),
            aes_key: Some(OLD_KEY.to_owned()),
        }),
        ..receiver.target()
    };
    let (sim, token) = simulator(target, at_once()).await;
    for id in ["m1", "m2"] {
        send(&sim, &token, id).await;
    }
    let pushes = receiver.wait_for(2).await;
    let mut keys: Vec<_> = pushes
        .iter()
        .map(|push| opened(push, Mode::Safe).1)
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, [Some(0), Some(1)]);
}

#[tokio::test]
async fn three_deliveries_when_the_answer_is_wrong_or_does_not_come() {
    for answer in [NO, ""] {
        let receiver = Receiver::start(answer).await;
        let policy = ReceiptPolicy {
            timeout_ms: 50,
            ..at_once()
        };
        let (sim, token) = simulator(receiver.target(), policy).await;
        send(&sim, &token, "m1").await;
        receiver.wait_for(1).await;
        for count in [2, 3] {
            while sim.receipts().pending == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sim.advance(Duration::from_secs(1));
            receiver.wait_for(count).await;
        }
        while sim.receipts().given_up == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(sim.receipts().posted, 3);
        let pushes = receiver.pushes();
        let first = opened(&pushes[0], Mode::Plain).0;
        assert_eq!(first, opened(&pushes[2], Mode::Plain).0);
    }
}

#[tokio::test]
async fn repeats_of_a_send_have_no_receipt_of_their_own() {
    let receiver = Receiver::start(OK).await;
    let (sim, token) = simulator(receiver.target(), at_once()).await;
    for _ in 0..3 {
        send(&sim, &token, "m1").await;
    }
    receiver.wait_for(1).await;
    assert_eq!(sim.receipts().pending, 0);
}

#[tokio::test]
async fn receipts_get_lost_doubled_and_come_before_the_answer() {
    let receiver = Receiver::start(OK).await;
    let policy = ReceiptPolicy {
        lost: 1.0,
        ..at_once()
    };
    let (sim, token) = simulator(receiver.target(), policy).await;
    send(&sim, &token, "m1").await;
    assert_eq!(sim.receipts().lost, 1);

    sim.set_receipts(ReceiptPolicy {
        duplicate: 1.0,
        freq_limit: 1.0,
        ..at_once()
    });
    send(&sim, &token, "m2").await;
    let pushes = receiver.wait_for(2).await;
    assert_eq!(
        opened(&pushes[0], Mode::Plain),
        opened(&pushes[1], Mode::Plain)
    );
    let (receipt, ..) = opened(&pushes[0], Mode::Plain);
    assert_eq!(receipt.status, ReceiptStatus::FreqLimit);

    sim.set_receipts(ReceiptPolicy {
        contradicted: 1.0,
        ..at_once()
    });
    let msgid = send(&sim, &token, "m4").await.json()["msgid"].as_i64();
    let pushes = receiver.wait_for(4).await;
    let mut said = [&pushes[2], &pushes[3]].map(|push| opened(push, Mode::Plain).0.status);
    said.sort_by_key(|status| *status != ReceiptStatus::Success);
    assert_eq!(said, [ReceiptStatus::Success, ReceiptStatus::UserBlock]);
    assert_eq!(sim.receipt_of(msgid.unwrap()), Some("success"));
    assert!(sim.answered_within(1.0) > Duration::ZERO);

    sim.set_receipts(ReceiptPolicy {
        before_response: 1.0,
        ..ReceiptPolicy::default()
    });
    let msgid = send(&sim, &token, "m3").await.json()["msgid"].as_i64();
    let pushes = receiver.pushes();
    assert_eq!(pushes.len(), 5, "posted before the send was answered");
    assert_eq!(Some(opened(&pushes[4], Mode::Plain).0.msgid), msgid);
}

#[tokio::test]
async fn many_pending_receipts_wait_for_their_time_and_share_connections() {
    let receiver = Receiver::start(OK).await;
    let policy = ReceiptPolicy {
        delay_min_ms: 600_000,
        delay_max_ms: 660_000,
        ..ReceiptPolicy::default()
    };
    let (sim, token) = simulator(receiver.target(), policy).await;
    for nth in 0..200 {
        send(&sim, &token, &format!("m{nth}")).await;
    }
    assert_eq!(sim.receipts().pending, 200);
    assert!(receiver.pushes().is_empty());
    sim.advance(Duration::from_secs(661));
    let pushes = receiver.wait_for(200).await;
    let order: Vec<_> = pushes
        .iter()
        .map(|push| opened(push, Mode::Plain).0.msgid)
        .collect();
    assert!(!order.is_sorted(), "delays differ, so the order does");
    let connections = *receiver.connections.lock().unwrap();
    assert!(connections <= 64, "{connections}");
}

#[tokio::test]
async fn receipts_survive_the_host_going_away() {
    let receiver = Receiver::start(OK).await;
    let policy = ReceiptPolicy {
        delay_min_ms: 60_000,
        delay_max_ms: 60_000,
        ..ReceiptPolicy::default()
    };
    let (sim, token) = simulator(receiver.target(), policy).await;
    send(&sim, &token, "m1").await;
    sim.stop().await;
    sim.advance(Duration::from_secs(61));
    assert!(receiver.pushes().is_empty());
    sim.restart_on_same_port().await.unwrap();
    receiver.wait_for(1).await;
}
