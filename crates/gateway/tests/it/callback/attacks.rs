//! A table of attacks on the callback: forged, replayed with another body, stale, downgraded. Each is refused with the same
//! words, and none tells what was wrong or shows a secret.

use super::*;

const ANOTHER_KEY: &str = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210zyxwvut";

/// What an attacker who holds this token makes of a body.
fn signed_by(token: &str, timestamp: &str, nonce: &str) -> String {
    let signed = signature::sign(&CallbackToken::new(token), timestamp, nonce);
    format!("signature={signed}&timestamp={timestamp}&nonce={nonce}")
}

fn sealed_with(key: &str, appid: &str, receipt: &str) -> String {
    let key: EncodingAesKey = key.parse().unwrap();
    envelope::encrypt(&key, appid, receipt.as_bytes(), envelope::random())
}

fn assert_refused(reply: &Reply, attack: &str) {
    assert_eq!(reply.status, 403, "{attack}: {reply:?}");
    assert_eq!(
        reply.problem(403, "forbidden"),
        "this call is not WeChat's",
        "{attack}"
    );
    let said = format!("{:?} {}", reply.headers, reply.text());
    for secret in [
        CALLBACK_TOKEN,
        KEY,
        APPID,
        "panicked",
        "src/",
        "signature",
        "timestamp",
    ] {
        assert!(!said.contains(secret), "{attack} shows {secret}: {said}");
    }
}

#[tokio::test]
async fn no_attack_on_a_plain_callback_is_believed() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let (now, receipt) = (seconds(0), event(&openid(1), &msgid, "success"));
    let good = plain_query(&now, "n1");
    let (signature, rest) = good.split_once('&').unwrap();
    for (attack, query) in [
        ("unsigned", rest.to_owned()),
        ("forged", format!("signature={}&{rest}", "0".repeat(40))),
        ("by another token", signed_by("anothertoken", &now, "n1")),
        ("by no token", signed_by("", &now, "n1")),
        ("of another nonce", good.replace("nonce=n1", "nonce=n2")),
        ("of another moment", good.replace(&now, &seconds(1))),
        ("stale", plain_query(&seconds(-301), "n1")),
        ("future", plain_query(&seconds(302), "n1")),
        ("signed twice", format!("{good}&{signature}")),
        (
            "in upper case",
            good.replace(signature, &signature.to_uppercase()),
        ),
    ] {
        assert_refused(&push(&gateway, &query, &receipt).await, attack);
    }
    let other = event(&openid(1), "1", "success");
    assert_eq!(push(&gateway, &good, &other).await.text(), "success");
    let again = push(&gateway, &good, &receipt).await;
    assert_refused(&again, "replayed with another body");
    assert_nothing_came_of_it(gateway, &id).await;
}

#[tokio::test]
async fn no_attack_on_an_encrypted_callback_is_believed() {
    for mode in [Mode::Safe, Mode::Compatible] {
        let gateway = TestGateway::with(Settings::receipts(mode)).await;
        let (id, msgid) = sent(&gateway).await;
        let (now, receipt) = (seconds(0), event(&openid(1), &msgid, "success"));
        let (good, _) = sealed(&openid(1), "1");
        let (_, whole) = sealed(&openid(1), &msgid);
        let plain = plain_query(&now, "n1");
        let (other_query, other_body) = signed_around(&sealed_with(ANOTHER_KEY, APPID, &receipt));
        let (foreign_query, foreign_body) =
            signed_around(&sealed_with(KEY, "wx00000000000000bb", &receipt));
        let cut = whole.replace("</Encrypt>", "A</Encrypt>");
        let of = |name: &str| good.split('&').find(|pair| pair.starts_with(name)).unwrap();
        let by_one = format!(
            "{plain}&encrypt_type=aes&msg_signature={}",
            &of("signature=")[10..]
        );
        for (attack, query, body) in [
            ("downgraded to plain", &plain, &receipt),
            (
                "declared raw",
                &format!("{plain}&encrypt_type=raw"),
                &receipt,
            ),
            ("plain, declared encrypted", &good, &receipt),
            ("replayed with another body", &good, &whole),
            ("changed", &good, &cut),
            ("by the plain signature", &by_one, &whole),
            (
                "without its signature",
                &good.replace("msg_signature=", "x="),
                &whole,
            ),
            ("sealed with another key", &other_query, &other_body),
            ("sealed for another account", &foreign_query, &foreign_body),
            ("stale", &good.replace(&now, &seconds(-301)), &whole),
        ] {
            assert_refused(&push(&gateway, query, body).await, attack);
        }
        assert_nothing_came_of_it(gateway, &id).await;
    }
}
