//! Each fault's effect over a real socket: what the caller sees, and whether the message was really shown.
//! How faults are chosen and parsed is tested beside that code.

use std::time::{Duration, Instant};

use hongyan_wechat_sim::fault::{Endpoint, Fault, Place, What};

use crate::wire::{APPID, OPENID, Reply, call, demo, send, stable_token, token};

/// One send under a fault; the reply, and how often the message was shown.
async fn send_under(fault: &str) -> (Reply, u32) {
    let sim = demo().await;
    let token = token(&sim).await;
    sim.fault(fault.parse().unwrap());
    let reply = send(&sim, &token, "m1").await;
    let calls = sim.calls();
    assert_eq!(calls.sends, 1, "{fault}");
    assert_eq!(calls.accepted, u64::from(sim.accepted("m1")), "{fault}");
    (reply, sim.accepted("m1"))
}

#[tokio::test]
async fn codes_come_without_effect() {
    let cases = [
        ("code=45009", 45009, "reach max api daily quota limit rid: "),
        ("code=43117:msg=slow down", 43117, "slow down rid: "),
        ("busy", -1, "system error rid: "),
        ("token-rejected", 40001, "invalid credential"),
    ];
    for (fault, errcode, text) in cases {
        let (reply, shown) = send_under(fault).await;
        assert_eq!(reply.status(), "200");
        assert_eq!(reply.errcode(), errcode);
        let errmsg = reply.json()["errmsg"].as_str().unwrap().to_owned();
        assert!(errmsg.starts_with(text), "{errmsg}");
        assert_eq!(shown, 0, "{fault}");
    }
}

#[tokio::test]
async fn busy_may_have_accepted() {
    let (reply, shown) = send_under("busy:accepted").await;
    assert_eq!((reply.errcode(), shown), (-1, 1));
}

#[tokio::test]
async fn cuts_say_nothing() {
    for (fault, expected) in [("cut", 1), ("cut-before", 0)] {
        let (reply, shown) = send_under(fault).await;
        assert_eq!(reply.head, "", "{fault}");
        assert_eq!(shown, expected, "{fault}");
    }
}

#[tokio::test]
async fn statuses_and_pages_are_no_json() {
    let cases = [
        ("5xx", "502", 0),
        ("status=504:accepted", "504", 1),
        ("html", "200", 0),
        ("html:accepted", "200", 1),
    ];
    for (fault, status, expected) in cases {
        let (reply, shown) = send_under(fault).await;
        assert_eq!(reply.status(), status);
        assert!(reply.body.starts_with("<!DOCTYPE html>"), "{}", reply.body);
        assert_eq!(shown, expected, "{fault}");
    }
}

#[tokio::test]
async fn half_a_body_breaks_off() {
    for (fault, expected) in [("half", 1), ("half:refused", 0)] {
        let (reply, shown) = send_under(fault).await;
        let promised: usize = reply.header("content-length").unwrap().parse().unwrap();
        assert_eq!(reply.body.len(), promised / 2, "{reply:?}");
        assert!(!reply.body.is_empty());
        assert_eq!(shown, expected, "{fault}");
    }
}

#[tokio::test]
async fn slow_answers_late_and_hang_never() {
    let sim = demo().await;
    let token = token(&sim).await;
    sim.fault("slow=60ms:first=1".parse().unwrap());
    sim.set_latency(Duration::from_millis(20));
    let began = Instant::now();
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);
    assert!(began.elapsed() >= Duration::from_millis(80));

    sim.fault("hang:accepted".parse().unwrap());
    let patience = Duration::from_millis(100);
    let hung = tokio::time::timeout(patience, send(&sim, &token, "m2")).await;
    assert!(hung.is_err());
    assert_eq!(sim.accepted("m2"), 1);
}

#[tokio::test]
async fn a_rejected_token_stays_rejected_until_cleared() {
    let sim = demo().await;
    sim.fault(Fault::new(What::TokenRejected).account(APPID));
    for force in [false, true] {
        let granted = stable_token(&sim, force).await;
        let token = granted["access_token"].as_str().unwrap();
        assert_eq!(send(&sim, token, "m1").await.errcode(), 40001);
        let target = format!("/cgi-bin/user/info?access_token={token}&openid={OPENID}");
        let info = call(sim.addr(), "GET", &target, "").await;
        assert_eq!(info.errcode(), 40001);
    }
    sim.clear_faults();
    let token = token(&sim).await;
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);
    assert_eq!(sim.calls_of(APPID).rejected_with(40001), 4);
}

#[tokio::test]
async fn tokens_are_revoked_in_the_middle_of_things() {
    let sim = demo().await;
    let first = token(&sim).await;
    assert_eq!(send(&sim, &first, "m1").await.errcode(), 0);
    sim.fault(Fault::new(What::RevokeTokens));
    assert_eq!(send(&sim, &first, "m2").await.errcode(), 40001);
    let second = token(&sim).await;
    assert_ne!(first, second);
    assert_eq!(send(&sim, &second, "m2").await.errcode(), 0);
    assert!(sim.revoke_tokens(APPID));
    assert_eq!(send(&sim, &second, "m3").await.errcode(), 40001);
}

#[tokio::test]
async fn another_holder_takes_the_token_away() {
    let sim = demo().await;
    let stable = token(&sim).await;
    sim.fault(Fault::new(What::AnotherHolder { force: true }).first(1));
    assert_eq!(send(&sim, &stable, "m1").await.errcode(), 40001);

    let fresh = token(&sim).await;
    assert!(sim.fetch_by_another_holder(APPID, false));
    let reply = send(&sim, &fresh, "m1").await;
    assert_eq!(reply.errcode(), 0, "the plain slot is another one");
}

#[tokio::test]
async fn trouble_at_the_token_endpoints() {
    let sim = demo().await;
    let place = Place::One(Endpoint::StableToken);
    sim.fault(Fault::code(45011).at(place).first(1));
    assert_eq!(stable_token(&sim, false).await["errcode"], 45011);
    assert!(stable_token(&sim, false).await["access_token"].is_string());
    assert_eq!(sim.calls().stable_token, 2);
}
