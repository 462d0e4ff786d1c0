//! Accounts and clients: what follows from their keys, and which of them cannot work.

use super::*;
use hongyan_courier::retention::ENDS;

use crate::config::accounts::{CallbackMode, Receipts, WECHAT_API};

#[test]
fn an_account_fills_in_what_follows_from_its_keys() {
    let account = |more: &str| {
        place(&[("hongyan.toml", &format!("{CLINIC}{more}"))], &[])
            .load()
            .accounts
            .remove(0)
    };
    let plain = account("");
    assert_eq!(
        (plain.callback_mode, plain.receipts),
        (CallbackMode::Plain, Receipts::None)
    );
    assert_eq!(
        (plain.api_base, plain.max_concurrency),
        (vec![WECHAT_API.to_owned()], 64)
    );
    let full = account(
        "callback_token = [\"env:NEW\", \"env:OLD\"]\nencoding_aes_key = \"env:KEY\"\nreceipt_timeout = \"30s\"\n",
    );
    assert_eq!(
        (full.callback_mode, full.receipts),
        (CallbackMode::Safe, Receipts::Direct)
    );
    assert_eq!(
        full.callback_token
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["env:NEW", "env:OLD"]
    );
    assert_eq!(full.receipt_timeout.as_secs(), 30);
}

#[test]
fn accounts_that_cannot_work_are_refused() {
    let with = |more: &str| format!("{CLINIC}{more}\n");
    for (toml, expected) in [
        (
            "[[accounts]]\n",
            vec![
                "accounts[0].name (hongyan.toml): is missing; give a short name of a-z 0-9 - _",
                "accounts[0].appid (hongyan.toml): is missing; give the account's AppID, wx…",
                "accounts[0].secret (hongyan.toml): is missing; give a reference such as env:NAME",
            ],
        ),
        (
            &with("callback_mode = \"safe\""),
            vec![
                "accounts[clinic].callback_mode (hongyan.toml): needs encoding_aes_key; set it, or use callback_mode = \"plain\"",
            ],
        ),
        (
            &with("callback_mode = \"save\""),
            vec![
                "accounts[clinic].callback_mode (hongyan.toml): unknown variant `save`, expected one of `plain`, `compatible`, `safe`",
            ],
        ),
        (
            &with("receipts = \"direct\""),
            vec![
                "accounts[clinic].receipts (hongyan.toml): \"direct\" needs callback_token; set it, or use receipts = \"none\"",
            ],
        ),
        (
            &with("api_base = \"https://h/cgi-bin\""),
            vec![
                "accounts[clinic].api_base (hongyan.toml): \"https://h/cgi-bin\" is not scheme://host[:port], such as https://api.weixin.qq.com",
            ],
        ),
        (
            &with("callback_token = \"vault:\""),
            vec![
                "accounts[clinic].callback_token (hongyan.toml): names nothing after the colon; write vault:MOUNT/PATH#FIELD",
            ],
        ),
        (
            &with("callback_token = 12345"),
            vec![
                "accounts[clinic].callback_token (hongyan.toml): must be a secret reference in quotes: env:NAME or file:PATH",
            ],
        ),
        (
            &CLINIC.replace("\"clinic\"", "\"Clinic 1\""),
            vec![
                "accounts[Clinic 1].name (hongyan.toml): \"Clinic 1\" is not a name; use 1 to 64 of a-z 0-9 - _",
            ],
        ),
        (
            &with(CLINIC),
            vec![
                "accounts[clinic].name (hongyan.toml): there are two accounts called clinic",
                "accounts[clinic].appid (hongyan.toml): wx0123456789abcdef belongs to another account already; two would take each other's token and quota",
            ],
        ),
    ] {
        check("dev", toml, &expected);
    }
}

#[test]
fn clients_that_cannot_work_are_refused() {
    for (toml, expected) in [
        (
            "[[clients]]\nid = \"a\"\nsecrets = []\n",
            vec![
                "clients[a].secrets (hongyan.toml): is an empty list; give at least one value or leave the key out",
                "clients[a].scopes (hongyan.toml): is missing, so the client could do nothing; give a list such as [\"messages:send\"]",
                "clients[a].secrets (hongyan.toml): is missing; give a list such as [\"env:NAME\"]",
            ],
        ),
        (
            "[[clients]]\nid = \"a\"\nsecrets = \"env:A\"\nscopes = [\"message:send\"]\n",
            vec![
                "clients[a].scopes (hongyan.toml): unknown scope \"message:send\"; did you mean messages:send?",
            ],
        ),
        (
            "[[clients]]\nid = \"a\"\nsecrets = \"env:A\"\nscopes = [\"token\"]\ntemplates = [\"t\"]\naccounts = [\"x\"]\n",
            vec![
                "clients[a].scopes (hongyan.toml): has `token`, with which any template can be sent past the gateway; leave out `token` or `templates`",
                "clients[a].accounts (hongyan.toml): there is no account called x",
            ],
        ),
        (
            "[[clients]]\nid = \"a\"\nsecrets = \"env:A\"\nscopes = [\"token\"]\naccounts = []\n",
            vec![
                "clients[a].accounts (hongyan.toml): is an empty list; give at least one value or leave the key out",
            ],
        ),
    ] {
        check("dev", toml, &expected);
    }
}

#[test]
fn an_odd_appid_is_a_warning() {
    let place = place(
        &[(
            "hongyan.toml",
            &CLINIC.replace("wx0123456789abcdef", "wxtest"),
        )],
        &[],
    );
    let warnings = load(&place.1).unwrap().warnings;
    assert!(
        warnings[0]
            .to_string()
            .contains("\"wxtest\" does not look like an AppID"),
        "{warnings:?}"
    );
}

#[test]
fn quotas_rates_and_quiet_hours_that_cannot_work_are_refused() {
    let with = |more: &str| format!("{CLINIC}{more}\n");
    for (toml, expected) in [
        (
            &with("quiet_hours = [{ from = \"22:00\", to = \"7\", priorities = [\"bulk\"] }]"),
            vec![
                "accounts[clinic].quiet_hours (hongyan.toml): \"7\" is not a time of day; write it as \"22:00\"",
            ],
        ),
        (
            &with("quiet_hours = [{ from = \"22:00\", to = \"07:00\", priorities = [\"low\"] }]"),
            vec![
                "accounts[clinic].quiet_hours (hongyan.toml): \"low\" is not a priority; use high, normal, bulk",
            ],
        ),
        (
            &with("quiet_hours = [{ from = \"07:00\", to = \"07:00\", priorities = [\"bulk\"] }]"),
            vec![
                "accounts[clinic].quiet_hours (hongyan.toml): messages of priority bulk would never be sent: leave them some time of the day",
            ],
        ),
        (
            &with("time_zone = \"Mars/Olympus\"\nrate = 0.0\nbulk_leaves_percent = 101"),
            vec![
                "accounts[clinic].time_zone (hongyan.toml): \"Mars/Olympus\" is not a time zone; write one such as \"Asia/Shanghai\"",
                "accounts[clinic].rate (hongyan.toml): 0 is out of range; use 0.01 to 100000",
                "accounts[clinic].bulk_leaves_percent (hongyan.toml): 101 is out of range; use 0 to 100",
            ],
        ),
    ] {
        check("dev", toml, &expected);
    }
}

#[test]
fn webhooks_that_cannot_work_are_refused() {
    let hook = |more: &str| {
        format!(
            "{CLINIC}[[clients]]\nid = \"orders\"\nsecrets = [\"env:S\"]\nscopes = [\"messages:send\"]\n\
             [[webhooks]]\nname = \"h\"\nclient = \"orders\"\nsecrets = [\"env:W\"]\n{more}\n"
        )
    };
    let at = |key: &str, text: &str| format!("webhooks[h].{key} (hongyan.toml): {text}");
    for (profile, more, expected) in [
        (
            "dev",
            "",
            at("url", "is missing; give the address to post to, https://…"),
        ),
        (
            "staging",
            "url = \"http://example.com/\"",
            at("url", "http:// is for dev alone, not staging; use https://"),
        ),
        (
            "dev",
            "url = \"https://me:secret@example.com/\"",
            at(
                "url",
                "must not name a user or a password; events are signed instead",
            ),
        ),
        (
            "dev",
            "url = \"https://169.254.169.254/latest\"",
            at(
                "url",
                "leads to an address that is not public; list it in allow if that is meant",
            ),
        ),
        (
            "dev",
            "url = \"https://example.com/\"\nallow = [\"10.0.0.0/99\"]",
            at(
                "allow",
                "\"10.0.0.0/99\" is not a network; write it as 10.1.0.0/16 or 10.1.2.3",
            ),
        ),
        (
            "dev",
            "url = \"https://example.com/\"\naccounts = [\"school\"]",
            at("accounts", "there is no account called school"),
        ),
        (
            "dev",
            "url = \"https://example.com/\"\nevents = [\"message.sending\"]",
            at(
                "events",
                "there is no event \"message.sending\"; known are message.sent, message.delivered, message.failed, \
                 message.suppressed, message.cancelled, message.expired, message.unconfirmed",
            ),
        ),
    ] {
        check(profile, &hook(more), &[&expected]);
    }
    let inside = hook("url = \"https://10.1.2.3/\"\nallow = [\"10.1.0.0/16\"]");
    let loaded = place(&[("hongyan.toml", &inside)], &[]).load();
    assert_eq!(loaded.webhooks[0].statuses.len(), 7);
}

#[test]
fn a_webhooks_authority_is_a_file_of_certificates() {
    for (ca, problem) in [
        (
            "/etc/ca.pem",
            "must be file:PATH, a file of certificates as PEM",
        ),
        (
            "file:/dev/null",
            "file:/dev/null holds no certificate as PEM",
        ),
    ] {
        let text = format!(
            "{CLINIC}[[clients]]\nid = \"orders\"\nsecrets = [\"env:S\"]\nscopes = [\"messages:send\"]\n\
             [[webhooks]]\nname = \"h\"\nclient = \"orders\"\nsecrets = [\"env:W\"]\n\
             url = \"https://example.com/\"\nca = \"{ca}\"\n"
        );
        let expected = format!("webhooks[h].ca (hongyan.toml): {problem}");
        check("dev", &text, &[&expected]);
    }
}

#[test]
fn web_authorisation_that_cannot_work_is_refused() {
    let way = |more: &str| {
        format!(
            "{CLINIC}[[clients]]\nid = \"orders\"\nsecrets = [\"env:S\"]\nscopes = [\"messages:send\"]\n\
             [[oauth]]\naccount = \"clinic\"\n{more}\n"
        )
    };
    let at = |key: &str, text: &str| format!("oauth[0].{key} (hongyan.toml): {text}");
    let url = "public_url = \"https://w.example\"";
    let redirects = "redirects = [\"https://o.example/\"]";
    for (profile, more, expected) in [
        (
            "dev",
            format!("client = \"other\"\n{url}\n{redirects}"),
            at("client", "there is no client called other"),
        ),
        (
            "dev",
            format!("client = \"orders\"\n{redirects}"),
            at(
                "public_url",
                "is missing; give the address at which browsers reach this gateway, https://…",
            ),
        ),
        (
            "staging",
            format!("client = \"orders\"\npublic_url = \"http://w.example\"\n{redirects}"),
            at(
                "public_url",
                "http:// is for dev alone, not staging; use https://",
            ),
        ),
        (
            "staging",
            format!("client = \"orders\"\n{url}\nredirects = [\"http://o.example/\"]"),
            at(
                "redirects",
                "http:// is for dev alone, not staging; use https://",
            ),
        ),
        (
            "dev",
            format!("client = \"orders\"\n{url}\nredirects = [\"o.example\"]"),
            at(
                "redirects",
                "\"o.example\" is not an address such as https://orders.example.com/wechat/, without a query",
            ),
        ),
    ] {
        check(profile, &way(&more), &[&expected]);
    }
}

#[test]
fn each_record_has_the_retention_that_is_written_for_it() {
    // Receipts that found no message may not be kept longer than those that did.
    let keys = [
        "orphan_receipts",
        "sent",
        "delivered",
        "failed",
        "suppressed",
        "cancelled",
        "expired",
        "unconfirmed",
        "receipts",
        "recipients",
        "template_history",
        "broadcasts",
        "webhook_events",
        "failed_webhook_events",
    ];
    let days = |nth: usize| 40 + nth as u64;
    let lines = keys.iter().enumerate();
    let lines: String = lines
        .map(|(nth, key)| format!("{key} = \"{}d\"\n", days(nth)))
        .collect();
    let text = format!("[retention]\nmessages = \"39d\"\n{lines}");
    let keep = place(&[("hongyan.toml", &text)], &[])
        .load()
        .retention
        .keep();
    let of = |key: &str| {
        let nth = keys.iter().position(|known| *known == key).unwrap();
        std::time::Duration::from_secs(days(nth) * 86_400)
    };
    let ends = ENDS.map(|status| of(status.as_str()));
    assert_eq!(keep.messages, ends);
    for (kept, key) in [
        (keep.receipts, "receipts"),
        (keep.orphan_receipts, "orphan_receipts"),
        (keep.recipients, "recipients"),
        (keep.template_history, "template_history"),
        (keep.broadcasts, "broadcasts"),
        (keep.delivered_events, "webhook_events"),
        (keep.failed_events, "failed_webhook_events"),
    ] {
        assert_eq!(kept, of(key), "{key}");
    }
}
