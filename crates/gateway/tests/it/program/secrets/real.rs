//! The real servers, where they can be had: an AWS-compatible KMS (moto, from PyPI) that checks signatures, and a
//! Nacos-compatible server (rnacos, from the crate registry). `scripts/secret-stores.sh` installs them into target/.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Kept, RIGHT, WRONG};
use crate::harness::Call;

/// What the script installs.
fn installed(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_hongyan"));
    let target = target
        .parent()
        .and_then(|profile| profile.parent())
        .unwrap();
    let path = target.join("secret-stores").join(name);
    let path = if path.exists() {
        path
    } else {
        // Where the target directory is another than the script's.
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/secret-stores")
            .join(name)
    };
    assert!(
        path.exists(),
        "{} is missing: run scripts/secret-stores.sh",
        path.display()
    );
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs a server until it answers at its port.
async fn serving(mut command: Command, port: u16) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn().unwrap();
    let answering = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, answering)
        .await
        .expect("it answers");
    child
}

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
    let (port, folder) = (free_port(), TempDir::new().unwrap());
    let address = format!("127.0.0.1:{port}");
    let mut rnacos = Command::new(installed("bin/rnacos"));
    rnacos.current_dir(folder.path());
    rnacos.env("RNACOS_HTTP_PORT", port.to_string());
    rnacos.env("RNACOS_GRPC_PORT", free_port().to_string());
    rnacos.env("RNACOS_HTTP_CONSOLE_PORT", free_port().to_string());
    rnacos.env("RNACOS_DATA_DIR", folder.path());
    let _rnacos = serving(rnacos, port).await;
    let typed = ("content-type", "application/x-www-form-urlencoded");
    let publish = async |secret: &str| {
        let body = format!("dataId=secrets&group=hongyan&content=clinic%3D{secret}");
        let publishing = async {
            // Its store elects itself first.
            loop {
                let call = Call::new(Method::POST, "/nacos/v1/cs/configs", body.clone());
                let reply = call
                    .unsigned()
                    .header(typed.0, typed.1)
                    .make(&address)
                    .await;
                if reply.status.is_success() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, publishing)
            .await
            .expect("it takes configurations");
    };
    publish(WRONG).await;
    Kept::new(
        "nacos:hongyan/secrets#clinic",
        &format!("[nacos]\naddress = \"http://{address}\"\n"),
    )
    .follows(async || publish(RIGHT).await)
    .await;
}
