//! Rows whose values no message may have stop a broadcast before it is started, as rows that are none do.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::TO_PEOPLE;
use crate::harness::{Settings, TEMPLATE, TestGateway, openid};
use crate::program::{ended, operating};

fn folder(links: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let rows = links.iter().enumerate();
    let rows: String = rows
        .map(|(n, link)| format!("{},{link}\n", openid(n)))
        .collect();
    std::fs::write(
        folder.path().join("people.csv"),
        format!("openid,link\n{rows}"),
    )
    .unwrap();
    folder
}

const VALUES: [&str; 4] = ["--data", "thing1=a", "--url", "{{link}}"];

fn words(more: &[&'static str]) -> Vec<&'static str> {
    [&TO_PEOPLE[..], &VALUES, more].concat()
}

#[tokio::test]
async fn rows_that_break_the_template_stop_it_before_it_is_started() {
    let gateway = TestGateway::start().await;
    let folder = folder(&["https://example.com/", "nowhere", "https://example.com/2"]);
    let output = ended(operating(&gateway, folder.path(), &words(&[]))).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("3     url: must be an http"), "{said}");
    assert!(said.contains("2 good, 1 bad; not started"), "{said}");
    let list = gateway.get("/v1/broadcasts").await.json();
    assert_eq!(list["broadcasts"][0]["status"], "ready");
    let passed_over = words(&["--skip-bad-rows", "--json"]);
    let output = ended(operating(&gateway, folder.path(), &passed_over)).await;
    assert!(output.status.success());
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["id"], list["broadcasts"][0]["id"]);
    assert_eq!(
        (&done["progress"]["sent"], &done["progress"]["refused"]),
        (&json!(2), &json!(1))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_broadcast_that_nobody_could_check_ends_with_an_error_if_rows_were_refused() {
    let gateway = TestGateway::start().await;
    let folder = folder(&["https://example.com/", "nowhere"]);
    let order =
        json!({"template_id": TEMPLATE, "data": {"thing1": {"value": "a"}}, "url": "{{link}}"});
    let order = gateway.post("/v1/broadcasts", &order).await.json();
    let id = order["id"].as_str().unwrap();
    let resume = ["broadcast", "--resume", id, "--recipients", "people.csv"];
    let output = ended(operating(&gateway, folder.path(), &resume)).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 of its rows became no message"), "{said}");
    assert_eq!(gateway.sim.calls().accepted, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_check_goes_in_parts_that_the_gateway_takes() {
    let settings = Settings {
        server: "[limits]\nbody_bytes = 8192\n".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let mut links = ["https://example.com/"; 600];
    links[555] = "nowhere";
    let folder = folder(&links);
    let words = self::words(&["--dry-run", "--json"]);
    let output = ended(operating(&gateway, folder.path(), &words)).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["rows"], &found["bad_rows"]),
        (&json!(599), &json!(1))
    );
    assert_eq!(found["problems"][0]["line"], 557);
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_readers_language() {
    let text = "项目:{{thing1.DATA}}";
    let gateway = TestGateway::with(Settings::listing(&[(TEMPLATE, text)])).await;
    gateway.until_listed().await;
    let folder = TempDir::new().unwrap();
    let long = "一二三四五六七八九十一二三四五六七八九十一";
    let file = format!(
        "openid,thing1\n{},复诊\n{},{long}\n,a\n",
        openid(0),
        openid(1)
    );
    std::fs::write(folder.path().join("people.csv"), file).unwrap();
    let words = [&TO_PEOPLE[..], &["--dry-run"]].concat();
    let mut command = operating(&gateway, folder.path(), &words);
    command.env("LANG", "zh_CN.UTF-8");
    let said = String::from_utf8(ended(command).await.stdout).unwrap();
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "LINE  PROBLEM",
            "3     data.thing1.value: 有 21 个字符；thing 最多 20 个",
            "4     缺少 openid",
            "1 行正确，2 行有误；未发送任何消息",
        ]
    );
    let order =
        json!({"template_id": TEMPLATE, "recipients": [{"openid": openid(1), "thing1": long}]});
    let order = gateway.post("/v1/broadcasts", &order).await.json();
    let path = format!("/v1/broadcasts/{}", order["id"].as_str().unwrap());
    gateway.post(&format!("{path}/start"), &json!({})).await;
    let done = gateway.until_reply(&path, "its end", |one| one["status"] == "done");
    let problem = done.await["problems"][0].clone();
    assert_eq!(
        problem["problem_zh"],
        "data.thing1.value: 有 21 个字符；thing 最多 20 个"
    );
    gateway.finish().await;
}
