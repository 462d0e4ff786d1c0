//! The layers, which of them wins, and how unknown keys and broken files are told.

use super::*;
use crate::config::profile::Profile;
use crate::config::store::StoreUrl;

#[test]
fn without_any_file_the_defaults_hold() {
    let config = place(&[], &[]).load();
    assert_eq!(config.profile, Profile::Dev);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.url, StoreUrl::Sqlite("hongyan.db".into()));
    assert_eq!(
        (config.delivery.concurrency, config.delivery.max_retries),
        (64, 3)
    );
    assert_eq!(config.delivery.receipt_timeout.as_secs(), 86_400);
    assert_eq!(
        (config.limits.body_bytes, config.limits.batch_messages),
        (1 << 20, 1000)
    );
}

#[test]
fn later_layers_win_and_are_named() {
    let port = |n: u8| format!("[server]\nlisten = \"127.0.0.1:{n}\"\n");
    let mut place = place(&[("hongyan.toml", &port(1))], &[]);
    let listen = |place: &Place| place.load().server.listen.port();
    assert_eq!(listen(&place), 1);
    std::fs::write(place.0.path().join("hongyan.dev.toml"), port(2)).unwrap();
    std::fs::write(place.0.path().join("hongyan.prod.toml"), port(9)).unwrap();
    assert_eq!(listen(&place), 2);
    place.1.environment.insert(
        "HONGYAN__SERVER__LISTEN".to_owned(),
        "127.0.0.1:3".to_owned(),
    );
    assert_eq!(listen(&place), 3);
    place
        .1
        .overrides
        .push(("server.listen".to_owned(), "127.0.0.1:4".to_owned()));
    assert_eq!(listen(&place), 4);

    let rows = load(&place.1).unwrap().rows;
    let layer = |key: &str| {
        rows.iter()
            .find(|row| row.key == key)
            .map(|row| row.layer.as_str())
    };
    assert_eq!(layer("server.listen"), Some("--set"));
    assert_eq!(layer("delivery.concurrency"), Some("default"));
}

#[test]
fn text_from_the_environment_takes_the_type_of_its_key() {
    let place = place(
        &[],
        &[
            ("HONGYAN__DELIVERY__CONCURRENCY", "8"),
            ("HONGYAN__DELIVERY__RECEIPT_TIMEOUT", "30s"),
            ("HONGYAN__SERVER__OPS_LISTEN", "127.0.0.1:9090"),
            (
                "HONGYAN__CLIENTS",
                r#"[{ id = "a", secrets = ["env:A"], scopes = ["token"] }]"#,
            ),
            ("HONGYAN_SERVICE_HOST", "10.0.0.1"),
        ],
    );
    let config = place.load();
    assert_eq!(
        (
            config.delivery.concurrency,
            config.delivery.receipt_timeout.as_secs()
        ),
        (8, 30)
    );
    assert_eq!(config.server.ops_listen.unwrap().port(), 9090);
    assert_eq!(config.clients[0].id, "a");
}

#[test]
fn unknown_keys_name_their_layer_and_the_nearest_known() {
    let file = "concurrency = 3\n[server]\nlissten = \"x\"\n[sevrer]\n[delivery]\nbanana = 1\n[[accounts]]\nsecrt = \"x\"\n\
        [[accounts.consumers]]\nurll = \"x\"\n[[accounts.quiet_hours]]\nform = \"22:00\"\n";
    let place = place(
        &[("hongyan.toml", file)],
        &[
            ("HONGYAN__STORE__URI", "sqlite://a"),
            ("HONGYAN__STOER__URL", "sqlite://a"),
            ("HONGYAN__ACCOUNTS__0__SECRET", "x"),
        ],
    );
    let problems = place.problems();
    for expected in [
        "concurrency (hongyan.toml): unknown key; did you mean delivery.concurrency?",
        "server.lissten (hongyan.toml): unknown key; did you mean server.listen?",
        "sevrer (hongyan.toml): unknown key; did you mean server?",
        "delivery.banana (hongyan.toml): unknown key; known here: concurrency, max_retries, receipt_timeout",
        "accounts[0].secrt (hongyan.toml): unknown key; did you mean accounts.secret?",
        "accounts[0].consumers[0].urll (hongyan.toml): unknown key; did you mean accounts.consumers.url?",
        "accounts[0].quiet_hours[0].form (hongyan.toml): unknown key; did you mean accounts.quiet_hours.from?",
        "store.uri (HONGYAN__STORE__URI): unknown key; did you mean store.url?",
        "stoer (HONGYAN__STOER__URL): unknown key; did you mean store?",
        "accounts (HONGYAN__ACCOUNTS__0__SECRET): is a list of tables; write [[accounts]] and its keys below, in a file",
    ] {
        assert!(
            problems.lines().any(|line| line == expected),
            "lacks {expected:?}:\n{problems}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    check(
        "dev",
        "[server]\nlisten = \"localhost\"\n[delivery]\nconcurrency = 0\nreceipt_timeout = 24\nmax_retries = \"few\"\n",
        &[
            "delivery.max_retries (hongyan.toml): invalid type: string \"few\", expected u32",
            "delivery.receipt_timeout (hongyan.toml): 24 is not a duration; give it a unit in quotes, such as \"24s\"",
            "server.listen (hongyan.toml): \"localhost\" is not an IP address with a port; write it as \"127.0.0.1:8080\"",
            "delivery.concurrency (hongyan.toml): 0 is out of range; use 1 to 10000",
        ],
    );
}

#[test]
fn a_file_that_is_asked_for_must_be_there_and_be_toml() {
    let mut missing = place(&[], &[]);
    missing.1.file = Some(missing.0.path().join("other.toml"));
    assert_eq!(
        missing.problems(),
        "other.toml: there is no such file; check --config"
    );

    let broken = place(&[("hongyan.toml", "[server]\nlisten = \"hunter2\n")], &[]);
    let problems = broken.problems();
    assert!(
        problems.starts_with("hongyan.toml: line 2, column "),
        "{problems}"
    );
    assert!(
        problems.contains("is not valid TOML: ") && !problems.contains("hunter2"),
        "{problems}"
    );
}

#[test]
fn a_profile_is_one_of_three() {
    let place = place(&[], &[("HONGYAN_PROFILE", "production")]);
    assert_eq!(
        place.problems(),
        "HONGYAN_PROFILE: there is no profile \"production\"; use dev, staging or prod"
    );
}

#[test]
fn what_is_included_is_a_list_of_whole_documents() {
    let shape = "include (hongyan.toml): is a list of whole documents, such as [\"nacos:GROUP/DATA_ID\", \"consul:PATH\"]";
    for include in [
        "7",
        "[7]",
        "\"a\"",
        "[\"file:a\"]",
        "[\"nacos:a\", \"nacos:b/c#d\"]",
    ] {
        check("dev", &format!("include = {include}\n"), &[shape]);
    }
    let many = format!("include = [{}]\n", "\"consul:a\",".repeat(17));
    check(
        "dev",
        &many,
        &["include (hongyan.toml): names 17 documents; at most 16 may be included"],
    );
    check(
        "staging",
        "include = [\"nacos:a\"]\n[nacos]\naddress = \"http://nacos.example.com:8848\"\n",
        &[
            "nacos.address (hongyan.toml): would send secrets in the clear; http:// beyond this machine is for dev alone, \
             not staging",
        ],
    );
    check(
        "dev",
        "include = [\"nacos:a\"]\n",
        &["include: names documents, which are not read here"],
    );
    place(&[("hongyan.toml", "include = []\n")], &[]).load();
}
