//! Secrets: where a literal is refused, how references resolve, and that no value is ever shown.

use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;
use crate::config::resolved;

#[test]
fn dev_stays_at_home() {
    check(
        "dev",
        "[server]\nlisten = \"0.0.0.0:8080\"\n",
        &[
            "server.listen (hongyan.toml): 0.0.0.0:8080 is reachable from outside, and dev listens on loopback alone; \
         use 127.0.0.1 or set HONGYAN_PROFILE to staging or prod",
        ],
    );
    let literal = CLINIC.replace("env:CLINIC_SECRET", "hunter2");
    check(
        "dev",
        &literal,
        &[
            "accounts[clinic].secret (hongyan.toml): a literal secret is never sent to the real WeChat; write env:NAME or \
         file:PATH, or point api_base at the simulator",
        ],
    );
    let simulated = format!("{literal}api_base = \"http://127.0.0.1:9000/\"\n");
    assert_eq!(
        place(&[("hongyan.toml", &simulated)], &[]).load().accounts[0].api_base,
        ["http://127.0.0.1:9000"]
    );
}

#[test]
fn outside_dev_secrets_are_references_and_travel_encrypted() {
    let toml = CLINIC.replace("env:CLINIC_SECRET", "hunter2")
        + "api_base = [\"https://proxy.example\", \"http://10.0.0.1\"]\n\
           [[clients]]\nid = \"a\"\nsecrets = [\"hunter3\"]\nscopes = [\"token\"]\n";
    check(
        "staging",
        &toml,
        &[
            "accounts[clinic].secret (hongyan.toml): a literal secret is for dev alone, not staging; write env:NAME or file:PATH",
            "accounts[clinic].api_base (hongyan.toml): http://10.0.0.1 would send secrets in the clear; http:// is for dev alone",
            "clients[a].secrets (hongyan.toml): a literal secret is for dev alone, not staging; write env:NAME or file:PATH",
        ],
    );
    check(
        "prod",
        "",
        &[
            "server.ops_listen: is required in prod; give health and metrics an address of their own, such as 127.0.0.1:9090",
        ],
    );
}

#[test]
fn outside_dev_pushes_are_passed_on_encrypted() {
    let toml = CLINIC.to_owned()
        + "callback_token = \"env:TOKEN\"\n[[accounts.consumers]]\nurl = \"http://crm.example/hook\"\ntoken = \"env:CRM\"\n";
    check(
        "staging",
        &toml,
        &[
            "accounts[clinic].consumers[0].url (hongyan.toml): http:// is for dev alone, not staging; use https://",
        ],
    );
}

#[test]
fn a_proxy_is_an_address_and_its_login_a_secret() {
    let toml = CLINIC.to_owned()
        + "proxy = \"http://user:hunter2@10.0.0.9:3128\"\nproxy_login = \"user:hunter2\"\n";
    check(
        "staging",
        &toml,
        &[
            "accounts[clinic].proxy_login (hongyan.toml): a literal secret is for dev alone, not staging; write env:NAME or file:PATH",
            "accounts[clinic].proxy (hongyan.toml): is not http://host:port; a login goes into proxy_login",
        ],
    );
}

#[test]
fn rows_show_references_and_never_a_secret() {
    let toml = CLINIC.to_owned()
        + "callback_token = [\"hunter2\", \"file:/run/token\"]\n\
           [[clients]]\nid = \"a\"\nsecrets = [\"hunter3\"]\nscopes = [\"token\"]\n";
    let place = place(&[("hongyan.toml", &toml)], &[]);
    let loaded = load(&place.1).unwrap();
    let value = |key: &str| {
        loaded
            .rows
            .iter()
            .find(|row| row.key == key)
            .map(|row| row.value.to_string())
            .unwrap()
    };
    assert_eq!(value("accounts[clinic].secret"), "\"env:CLINIC_SECRET\"");
    assert_eq!(
        value("accounts[clinic].callback_token"),
        "[\"***\", \"file:/run/token\"]"
    );
    assert_eq!(value("accounts[clinic].receipts"), "\"direct\"");
    assert_eq!(value("clients[a].secrets"), "[\"***\"]");
    assert!(!format!("{loaded:?}").contains("hunter"));
}

#[tokio::test]
async fn secrets_are_fetched_together_and_checked() {
    let toml = CLINIC.to_owned()
        + "encoding_aes_key = \"env:AES\"\ncallback_token = \"env:MISSING\"\n\
           [[clients]]\nid = \"a\"\nsecrets = [\"env:ONE\", \"env:TWO\"]\nscopes = [\"token\"]\n\
           [[clients]]\nid = \"b\"\nsecrets = [\"env:TWO\"]\nscopes = [\"token\"]\n";
    let place = place(
        &[("hongyan.toml", &toml)],
        &[
            ("CLINIC_SECRET", "clinic-secret"),
            ("AES", "too-short"),
            ("ONE", "hunter1"),
            ("TWO", "hunter2"),
        ],
    );
    let problems = resolved::resolve(&place.load(), &place.1.environment)
        .await
        .unwrap_err();
    assert_eq!(
        problems
            .0
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "accounts[clinic].callback_token: env:MISSING is not set in the environment",
            "accounts[clinic].encoding_aes_key: is not an EncodingAESKey: WeChat's have 43 characters of A-Z a-z 0-9",
            "clients[b].secrets: is the same secret as that of client a; give each client its own",
        ]
    );

    let mut environment = place.1.environment.clone();
    environment.insert("AES".to_owned(), "k".repeat(43));
    environment.insert("MISSING".to_owned(), "token".to_owned());
    environment.insert("TWO".to_owned(), "hunter3".to_owned());
    let mut config = place.load();
    config.clients.pop();
    let secrets = resolved::resolve(&config, &environment).await.unwrap();
    assert_eq!(secrets.accounts[0].secret.expose_secret(), "clinic-secret");
    assert_eq!(secrets.clients[0].secrets.len(), 2);
}

#[tokio::test]
async fn prod_refuses_a_secret_that_others_can_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "clinic-secret\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let reference = format!("file:{}", path.display());
    let toml = format!(
        "[server]\nops_listen = \"127.0.0.1:9090\"\n{}",
        CLINIC.replace("env:CLINIC_SECRET", &reference)
    );
    for (profile, allowed) in [("dev", true), ("staging", true), ("prod", false)] {
        let place = place(&[("hongyan.toml", &toml)], &[("HONGYAN_PROFILE", profile)]);
        let result = resolved::resolve(&place.load(), &place.1.environment).await;
        assert_eq!(result.is_ok(), allowed, "{profile}");
        if let Err(problems) = result {
            let expected = format!(
                "configuration: accounts[clinic].secret: {reference} can be read by others (mode 644); chmod 600 it"
            );
            assert_eq!(problems.to_string(), expected);
        }
    }
}

#[tokio::test]
async fn a_clients_secret_is_too_long_to_be_tried_unless_it_is_for_trials() {
    let toml = CLINIC.to_owned()
        + "[[clients]]\nid = \"a\"\nsecrets = [\"env:SHORT\"]\nscopes = [\"token\"]\n";
    for (profile, refused) in [("dev", false), ("staging", true), ("prod", true)] {
        let variables = [
            ("HONGYAN_PROFILE", profile),
            ("CLINIC_SECRET", "clinic-secret"),
            ("SHORT", "fifteen-bytes-1"),
        ];
        let prod = "[server]\nops_listen = \"127.0.0.1:0\"\n";
        let place = place(&[("hongyan.toml", &format!("{prod}{toml}"))], &variables);
        let told = resolved::resolve(&place.load(), &place.1.environment).await;
        let told = told.err().map(|problems| problems.to_string());
        let short = told.is_some_and(|told| {
            told.contains("clients[a].secrets: has a secret of less than 16 bytes")
        });
        assert_eq!(short, refused, "{profile}");
    }
}
