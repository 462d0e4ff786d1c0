//! `hongyan audit`: the list, and a check that finds whoever laid hands on it.

use serde_json::json;

use super::{hongyan, operate, run};
use crate::harness::{TestGateway, openid};

#[tokio::test]
async fn giving_a_database_to_another_profile_is_confirmed_and_written_down() {
    let folder = tempfile::TempDir::new().unwrap();
    run(hongyan(folder.path(), &["migrate"])).await.unwrap();
    let restamp = async |more: &[&str]| {
        let words = [&["migrate", "--restamp"], more].concat();
        let mut command = hongyan(folder.path(), &words);
        command.env("HONGYAN_PROFILE", "staging");
        run(command).await
    };
    let unconfirmed = restamp(&[]).await.unwrap_err();
    assert!(unconfirmed.contains("give --yes"), "{unconfirmed}");
    let done = restamp(&["--yes"]).await.unwrap();
    assert!(done.contains("belongs to staging"), "{done}");

    let hand = rusqlite::Connection::open(folder.path().join("hongyan.db")).unwrap();
    let sql = "SELECT who, what, details FROM audit";
    let mut entries = hand.prepare(sql).unwrap();
    let entries = entries.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let entries: Result<Vec<(String, String, String)>, _> = entries.unwrap().collect();
    let [(who, what, details)] = &entries.unwrap()[..] else {
        panic!("one thing was done");
    };
    assert!(who.starts_with("local:") && who.len() > 6, "{who}");
    assert_eq!(what, "store.restamp");
    assert_eq!(details, r#"{"from":"dev","to":"staging"}"#);
}

#[tokio::test]
async fn a_list_that_was_changed_is_found() {
    let gateway = TestGateway::start().await;
    for n in 1..4 {
        let path = format!("/v1/recipients/{}/suppress", openid(n));
        assert_eq!(gateway.post(&path, &json!({})).await.status, 200);
    }
    let listed = operate(&gateway, &["audit", "list"]).await.unwrap();
    assert!(listed.contains("recipients.suppress"), "{listed}");
    let checked = operate(&gateway, &["audit", "verify", "--json"])
        .await
        .unwrap();
    let checked: serde_json::Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(checked["entries"], 3);
    let head = checked["head"].as_str().unwrap().to_owned();
    operate(&gateway, &["audit", "verify", "--head", &head])
        .await
        .unwrap();
    // The seal of another entry.
    let anew = head.replacen("3:", "2:", 1);
    let error = operate(&gateway, &["audit", "verify", "--head", &anew])
        .await
        .unwrap_err();
    assert!(error.contains("was written anew"), "{error}");
    let hand = rusqlite::Connection::open(gateway.database()).unwrap();
    for sql in [
        "UPDATE audit SET who = 'nobody' WHERE number = 2",
        "DELETE FROM audit WHERE number = 3",
        "INSERT OR REPLACE INTO audit SELECT number, at, 'nobody', source, what, account, subject, recipient, details, trace_id, seal FROM audit WHERE number = 2",
    ] {
        let refused = hand.execute(sql, []).unwrap_err();
        assert!(refused.to_string().contains("only grows"), "{refused}");
    }
    hand.execute("DROP TRIGGER audit_is_not_shortened", [])
        .unwrap();
    hand.execute("DELETE FROM audit WHERE number = 3", [])
        .unwrap();
    operate(&gateway, &["audit", "verify"]).await.unwrap();
    let error = operate(&gateway, &["audit", "verify", "--head", &head])
        .await
        .unwrap_err();
    assert!(error.contains("taken off its end"), "{error}");
    hand.execute("DROP TRIGGER audit_is_not_changed", [])
        .unwrap();
    hand.execute("UPDATE audit SET who = 'nobody' WHERE number = 1", [])
        .unwrap();
    let error = operate(&gateway, &["audit", "verify"]).await.unwrap_err();
    assert!(
        error.contains("entry 1 is not what was written down"),
        "{error}"
    );
    drop(hand);
    gateway.finish().await;
}
