//! What the token endpoints' refusals do: one account stands, says why, keeps its messages, and goes on by itself.
//! The process starts and stays up whatever they say.

use hongyan_wechat::errcode::KNOWN;
use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::fault::{Place, What};
use serde_json::json;

use crate::rig::{Rig, appid, name_of};
use crate::token_table::{Back, NOT_LISTED, ROWS, Row};

const WELL: &str = "well";

fn cases() -> impl Iterator<Item = (i64, &'static Row)> {
    ROWS.iter()
        .flat_map(|row| row.codes.iter().map(move |code| (*code, row)))
}

fn names() -> impl Iterator<Item = String> {
    cases()
        .map(|(code, _)| name_of(code))
        .chain([WELL.to_owned()])
}

fn refuse(errcode: i64, account: &str) -> Fault {
    let about_address = matches!(errcode, 40164 | 45035 | 61004 | 89501..=89507);
    let errmsg = about_address.then(|| NOT_LISTED.to_owned());
    Fault::new(What::Code { errcode, errmsg })
        .at(Place::Tokens)
        .account(&appid(account))
}

#[test]
fn the_table_has_every_known_code_once() {
    let listed = cases().map(|(code, _)| code);
    let mut listed: Vec<i64> = listed.filter(|code| *code != 99_999).collect();
    listed.sort_unstable();
    let refusals = KNOWN.iter().copied().filter(|code| *code != 0);
    assert_eq!(listed, refusals.collect::<Vec<_>>());
}

#[tokio::test]
async fn every_refusal_of_a_stable_token_stops_one_account_and_no_message_is_lost() {
    let rig = every_refusal("token_mode = \"stable\"\n").await;
    let calls = rig.sim.calls();
    assert_eq!((calls.token, calls.forced), (0, 0));
    rig.stop().await;
}

#[tokio::test]
async fn every_refusal_of_a_plain_token_stops_one_account_and_no_message_is_lost() {
    let rig = every_refusal("token_mode = \"plain\"\n").await;
    let calls = rig.sim.calls();
    assert_eq!((calls.stable_token, calls.forced), (0, 0));
    rig.stop().await;
}

async fn every_refusal(token_mode: &str) -> Rig {
    let faults = cases()
        .map(|(code, _)| refuse(code, &name_of(code)))
        .collect();
    let rig = Rig::with(names(), faults, token_mode).await;
    rig.send_all().await;
    rig.until("asked for a token", |rig, account| {
        rig.calls(account).fetches() > 0
    })
    .await;
    rig.until("sent where all is well", |rig, account| {
        account != WELL || rig.calls(account).accepted == 1
    })
    .await;
    let accounts = rig.accounts().await;
    assert_eq!(accounts[WELL]["state"], "ok");
    for (code, row) in cases() {
        let name = name_of(code);
        let account = &accounts[&name];
        assert_eq!(account["state"], row.state, "{code}: {account}");
        let detail = account["detail"].as_str().unwrap();
        assert!(detail.contains(row.detail), "{code}: {detail}");
        assert_eq!(account["flags"], json!([]), "{code}: nothing was sent");
        let shown = rig.shown(&name).await;
        assert_eq!(
            (&shown["status"], rig.calls(&name).sends),
            (&"queued".into(), 0),
            "{code}: {shown}"
        );
    }
    rig.sim.clear_faults();
    let later = |account: &str| {
        cases().any(|(code, row)| row.back == Back::Later && name_of(code) == account)
    };
    rig.until("resumed", |rig, account| {
        later(account) || rig.calls(account).accepted == 1
    })
    .await;
    for (code, row) in cases() {
        let calls = rig.calls(&name_of(code));
        match row.back {
            Back::Soon => assert_eq!(
                (calls.sends, rig.seen(&name_of(code)).len()),
                (1, 1),
                "{code}"
            ),
            Back::Later => assert_eq!(
                (calls.sends, calls.fetches()),
                (0, 1),
                "{code} is not asked about again"
            ),
        }
    }
    rig
}
