//! SDKs that the world uses, unmodified but for where they call: `scripts/peers.sh` installs them below target/ and runs
//! them against a gateway. What they find wrong fails the story with their own words.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hongyan_wechat_sim::world::FollowerState;
use tokio::process::Command;

use crate::compat::LISTED;
use crate::harness::{APPID, CLIENT_SECRET, Settings, TestGateway, openid};

/// With this the script says that only somebody else can install what is missing. `make test` has told of it by then.
const LEFT_OUT: i32 = 77;
/// The first time, an SDK is installed.
const PATIENCE: Duration = Duration::from_secs(240);

async fn peer(name: &str) {
    let settings = Settings::listing(&[(LISTED, "商品:{{thing1.DATA}}")]);
    let gateway = TestGateway::with(settings).await;
    gateway.until_listed().await;
    let (good, refused) = (openid(1), openid(2));
    let state = FollowerState::Refused;
    gateway.sim.add_follower(APPID, &refused, state);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join("scripts/peers.sh"));
    command
        .arg(name)
        .env(
            "PEERS",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers"),
        )
        .env("PEER_BASE", format!("http://{}", gateway.address()))
        .env("PEER_APPID", APPID)
        .env("PEER_SECRET", CLIENT_SECRET)
        .env("PEER_TEMPLATE", LISTED)
        .env("PEER_GOOD", &good)
        .env("PEER_REFUSED", &refused)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.expect("the SDK ends").unwrap();
    if output.status.code() == Some(LEFT_OUT) {
        return gateway.finish().await;
    }
    assert!(
        output.status.success(),
        "{name} is not content:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(gateway.sim.seen(&good).len(), 1, "one message was sent");
    assert_eq!(gateway.sim.calls().token, 0, "nobody fetched a real token");
    gateway.finish().await;
}

#[tokio::test]
async fn wechatpy_works_whole() {
    peer("wechatpy").await;
}

#[tokio::test]
async fn co_wechat_api_works_whole() {
    peer("co-wechat-api").await;
}
