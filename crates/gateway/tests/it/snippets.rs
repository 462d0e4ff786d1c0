//! The programs that the documentation shows do what it says: each runs as it stands there, where the machine has its language.

use std::io::Write as _;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_courier::time::UnixMs;
use hongyan_gateway::clock::SystemClock;
use hongyan_gateway::oauth::token::{self, Claims, LIFE_SECONDS};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;

use crate::harness::openid;

const WEBHOOKS: &str = include_str!("../../../../docs/webhooks.md");
const OAUTH: &str = include_str!("../../../../docs/oauth.md");

/// What runs a text with each case's names around it, and answers for each what the text says of it; null if it raises.
const PYTHON: &str = r#"
import json, sys
job, said = json.load(sys.stdin), []
for names in job["cases"]:
    try:
        exec(job["text"], names)
        said.append(eval(job["answer"], names))
    except Exception:
        said.append(None)
print(json.dumps(said))
"#;
const NODE: &str = r#"
const job = JSON.parse(require("node:fs").readFileSync(0));
console.log(JSON.stringify(job.cases.map((names) => {
  try {
    return new Function("require", ...Object.keys(names), `${job.text}\nreturn ${job.answer};`)(require, ...Object.values(names));
  } catch { return null; }
})));
"#;

/// The blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opened = format!("```{language}\n");
    let all = page.split(&opened).skip(1);
    all.map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a text for each case. None, and said so beside the test's captured output, if the machine cannot.
async fn ran(program: [&str; 3], text: &str, answer: &str, cases: &[Value]) -> Option<Vec<Value>> {
    let [name, flag, driver] = program;
    let mut command = tokio::process::Command::new(name);
    command.args([flag, driver]).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "NOT RUN, a snippet of docs/: {name}: {error}"
            );
            return None;
        }
    };
    let job = json!({"text": text, "answer": answer, "cases": cases}).to_string();
    let mut input = child.stdin.take().unwrap();
    input.write_all(job.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

const PYTHON_RUN: [&str; 3] = ["python3", "-c", PYTHON];
const NODE_RUN: [&str; 3] = ["node", "-e", NODE];

const SECRET: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLiE=";
const OTHER: &str = "whsec_b2xkIHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLiE=";

/// What a program gets, with its own secret: the standard's three headers and a body.
fn post(secret: &str, age_seconds: i64, signed: &str, body: &str) -> Value {
    let at = SystemClock::new().wall().0 / 1_000 - age_seconds;
    let signature = |secret: &str| {
        let key = STANDARD
            .decode(secret.trim_start_matches("whsec_"))
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("e1.{at}.{signed}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    // As during a change of secrets: the program knows one of two.
    let signatures = format!("{} {}", signature(OTHER), signature(SECRET));
    let headers = json!({"webhook-id": "e1", "webhook-timestamp": at.to_string(), "webhook-signature": signatures});
    json!({"secret": secret, "headers": headers, "body": body})
}

#[tokio::test]
async fn a_webhooks_program_tells_genuine_posts_from_others() {
    let body = r#"{"type":"message.sent","data":{"reference":"预约"}}"#;
    let cases = [
        (post(SECRET, 0, body, body), true),
        (post(OTHER, 200, body, body), true),
        (post(SECRET, 400, body, body), false),
        (post(SECRET, -400, body, body), false),
        (post(SECRET, 0, body, "{}"), false),
        (
            post("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA==", 0, body, body),
            false,
        ),
    ];
    let expected: Vec<Value> = cases.iter().map(|(_, genuine)| json!(genuine)).collect();
    let cases = cases.map(|(case, _)| case);
    for (language, program, answer) in [
        (
            "python",
            PYTHON_RUN,
            "is_genuine(secret, headers, body.encode())",
        ),
        (
            "js",
            NODE_RUN,
            "isGenuine(secret, headers, Buffer.from(body))",
        ),
    ] {
        let texts = blocks(WEBHOOKS, language);
        assert_eq!(texts.len(), 1, "{language}");
        if let Some(said) = ran(program, &texts[0], answer, &cases).await {
            assert_eq!(said, expected, "{language}");
        }
    }
}

/// A token as a program gets it, and what the program has at hand.
fn handed(signer: &str, aud: &str, age_seconds: i64, state: &str) -> Value {
    let now = SystemClock::new().wall();
    let redirect = "https://orders.example.com/wechat/in";
    let claims = Claims {
        sub: &openid(1),
        unionid: None,
        account: "clinic",
        appid: "wx00000000000000aa",
        aud,
        redirect,
        state: Some(state),
        jti: "j1",
    };
    let signed = UnixMs(now.0 - age_seconds * 1_000);
    let token = token::sign(&claims, &SecretString::from(signer), signed);
    json!({"token": token, "SECRET": "its own", "MY_PAGE": redirect, "session": {"state": "s1"}})
}

#[tokio::test]
async fn a_program_reads_an_openid_and_takes_no_other() {
    let mut forged = handed("its own", "orders", 0, "s1");
    let token = forged["token"].as_str().unwrap();
    let (head, tail) = token.split_once('.').unwrap();
    forged["token"] = format!("{head}.e30{tail}").into();
    let cases = [
        (handed("its own", "orders", 0, "s1"), json!(openid(1))),
        (handed("another's", "orders", 0, "s1"), Value::Null),
        (handed("its own", "school", 0, "s1"), Value::Null),
        (
            handed("its own", "orders", LIFE_SECONDS + 1, "s1"),
            Value::Null,
        ),
        (forged, Value::Null),
    ];
    let expected: Vec<Value> = cases.iter().map(|(_, said)| said.clone()).collect();
    let mut cases = cases.map(|(case, _)| case).to_vec();
    let [with_library, without] = blocks(OAUTH, "python").try_into().unwrap();
    let [node] = blocks(OAUTH, "js").try_into().unwrap();
    for (program, text, answer) in [
        (PYTHON_RUN, without, "claims['sub']"),
        (NODE_RUN, node, "claims.sub"),
    ] {
        if let Some(said) = ran(program, &text, answer, &cases).await {
            assert_eq!(said, expected, "{text}");
        }
    }
    // PyJWT is a library that a machine may lack.
    let has = ran(PYTHON_RUN, "import jwt", "True", &[json!({})]).await;
    if has != Some(vec![json!(true)]) {
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN, a snippet of docs/oauth.md: there is no PyJWT"
        );
        return;
    }
    cases.push(handed("its own", "orders", 0, "another session's"));
    let expected = [expected, vec![Value::Null]].concat();
    let said = ran(PYTHON_RUN, &with_library, "openid", &cases).await;
    assert_eq!(said, Some(expected));
}
