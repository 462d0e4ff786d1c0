//! Keys that come from elsewhere: when they are fetched, how long they are believed, and which of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::*;

/// Answers in turn; the last answer again and again.
struct Script {
    answers: Mutex<VecDeque<Result<Bytes, String>>>,
    asked: AtomicUsize,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<Value, String>>) -> Arc<Self> {
        let answers = answers.into_iter();
        Arc::new(Self {
            answers: Mutex::new(
                answers
                    .map(|one| one.map(|json| json.to_string().into()))
                    .collect(),
            ),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Fetch for Script {
    async fn fetch(&self) -> Result<Bytes, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        }
    }
}

fn jwk(kid: &str) -> Value {
    let pem = include_bytes!("../../../../tests/keys/ed.pem");
    let key = EncodingKey::from_ed_pem(pem).unwrap();
    let mut jwk =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap()).unwrap();
    jwk["kid"] = json!(kid);
    jwk
}

fn set(kids: &[&str]) -> Value {
    json!({"keys": kids.iter().map(|kid| jwk(kid)).collect::<Vec<_>>()})
}

fn keys(source: &Arc<Script>) -> KeySet {
    KeySet::new("login".to_owned(), Algorithm::EdDSA, source.clone())
}

#[tokio::test(start_paused = true)]
async fn a_key_is_fetched_once_and_remembered() {
    let source = Script::of([Ok(set(&["a", "b"]))]);
    let keys = keys(&source);
    for kid in ["a", "b", "a"] {
        assert!(keys.find(Some(kid)).await.is_some());
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn made_up_keys_do_not_have_the_source_asked_at_will() {
    let source = Script::of([Ok(set(&["a"]))]);
    let keys = keys(&source);
    for n in 0..1_000 {
        assert!(keys.find(Some(&n.to_string())).await.is_none());
    }
    assert_eq!(source.asked(), 1);
    tokio::time::advance(PAUSE).await;
    assert!(keys.find(Some("x")).await.is_none());
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_found_and_the_old_one_is_gone() {
    let source = Script::of([Ok(set(&["old"])), Ok(set(&["new"]))]);
    let keys = keys(&source);
    assert!(keys.find(Some("old")).await.is_some());
    tokio::time::advance(PAUSE).await;
    assert!(keys.find(Some("new")).await.is_some());
    assert!(keys.find(Some("old")).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_confirmed_are_believed_for_a_day() {
    let source = Script::of([Ok(set(&["a"])), Err("away".to_owned())]);
    let keys = keys(&source);
    assert!(keys.find(Some("a")).await.is_some());
    tokio::time::advance(BELIEVED).await;
    assert!(keys.find(Some("b")).await.is_none());
    assert!(keys.find(Some("a")).await.is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(keys.find(Some("a")).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_without_being_asked_for() {
    let source = Script::of([Err("away".to_owned()), Ok(set(&["a"]))]);
    let keys = keys(&source);
    let stop = CancellationToken::new();
    let watching = async {
        tokio::time::sleep(PAUSE + EVERY + Duration::from_secs(1)).await;
        stop.cancel();
    };
    tokio::join!(keys.keep(stop.clone()), watching);
    assert_eq!(source.asked(), 3);
}

#[test]
fn only_keys_for_this_algorithm_are_taken() {
    let with = |name: &str, value: &str| {
        let mut key = jwk("a");
        key[name] = json!(value);
        json!({"keys": [key]}).to_string()
    };
    let read = |text: &str| read_keys(text.as_bytes(), Algorithm::EdDSA).is_ok();
    assert!(read(&with("use", "sig")) && !read(&with("use", "enc")));
    assert!(read(&with("alg", "EdDSA")) && !read(&with("alg", "ES256")));
    assert!(!read("{}") && !read("[]") && !read("") && !read(r#"{"keys":[]}"#));
    assert!(read_keys(set(&["a"]).to_string().as_bytes(), Algorithm::RS256).is_err());
    assert!(read_keys(set(&["a"]).to_string().as_bytes(), Algorithm::HS256).is_err());
    let shared = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}).to_string();
    assert!(read_keys(shared.as_bytes(), Algorithm::HS256).is_err());
    let many: Vec<Value> = (0..=KEYS_MAX).map(|n| jwk(&n.to_string())).collect();
    assert!(!read(&json!({ "keys": many }).to_string()));
    let beside = json!({"keys": [{"kty": "unheard-of"}, jwk("a")]}).to_string();
    assert!(read(&beside));
}
