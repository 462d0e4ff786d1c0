//! Secrets in real servers, where they can be had: an AWS-compatible KMS that checks signatures, and Nacos.

use http::Method;
use tokio::process::Command;

use super::super::servers::{Nacos, free_port, installed, serving};
use super::{Kept, RIGHT, WRONG};
use crate::harness::Call;

async fn form(address: &str, service: &str, path: &str, body: &str, more: (&str, &str)) -> String {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let call = Call::new(Method::POST, path, body.to_owned()).unsigned();
    let call = call.header("authorization", &scope).header(more.0, more.1);
    let reply = call.make(address).await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(reply.status.is_success(), "{text}");
    text
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{text}"));
    rest.split_once(after).unwrap().0
}

#[tokio::test]
#[ignore = "needs moto: scripts/secret-stores.sh"]
async fn kms_unwraps_a_data_key_for_whoever_signs() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut moto = Command::new(installed("venv/bin/moto_server"));
    moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    // So many calls are let in unsigned; from then on signatures and policies count.
    moto.env("INITIAL_NO_AUTH_ACTION_COUNT", "4");
    let _moto = serving(moto, port).await;
    let typed = ("content-type", "application/x-www-form-urlencoded");
    let iam = async |body: &str| form(&address, "iam", "/", body, typed).await;
    iam("Action=CreateUser&UserName=h&Version=2010-05-08").await;
    let keys = iam("Action=CreateAccessKey&UserName=h&Version=2010-05-08").await;
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22kms%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    iam(&format!(
        "Action=PutUserPolicy&UserName=h&PolicyName=p&Version=2010-05-08&PolicyDocument={policy}"
    ))
    .await;
    let target = ("x-amz-target", "TrentService.CreateKey");
    let key = form(&address, "kms", "/", "{}", target).await;
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let key = key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();

    let sections = format!("[kms]\nendpoint = \"http://{address}\"\n");
    let kept = Kept::new("kms:file:sealed", &sections)
        .with("AWS_ACCESS_KEY_ID", between(&keys, "<AccessKeyId>", "<"))
        .with(
            "AWS_SECRET_ACCESS_KEY",
            between(&keys, "<SecretAccessKey>", "<"),
        );
    kept.configure("http://127.0.0.1:1");
    let sealed = kept.folder.path().join("sealed");
    let seal = async |secret: &str| {
        let reference = kept.encrypted(secret, &["--kms", &key]).await;
        assert!(!reference.contains(secret));
        reference.strip_prefix("kms:").unwrap().to_owned()
    };
    let (wrong, right) = (seal(WRONG).await, seal(RIGHT).await);
    std::fs::write(&sealed, wrong).unwrap();

    let stranger = Kept::new(&format!("kms:{right}"), &sections)
        .with("AWS_ACCESS_KEY_ID", between(&keys, "<AccessKeyId>", "<"))
        .with("AWS_SECRET_ACCESS_KEY", "another-key");
    stranger.configure("http://127.0.0.1:1");
    let said = super::run(stranger.command(&["config", "check"]))
        .await
        .unwrap_err();
    assert!(said.contains("is refused by KMS: 403"), "{said}");

    kept.follows(async move || std::fs::write(sealed, right).unwrap())
        .await;
}

#[tokio::test]
#[ignore = "needs rnacos: scripts/secret-stores.sh"]
async fn nacos_tells_of_a_change() {
    let nacos = Nacos::start().await;
    let publish = async |secret: &str| {
        let text = format!("clinic={secret}");
        nacos.publish("secrets", &text).await;
    };
    publish(WRONG).await;
    Kept::new("nacos:hongyan/secrets#clinic", &nacos.section())
        .follows(async || publish(RIGHT).await)
        .await;
}
