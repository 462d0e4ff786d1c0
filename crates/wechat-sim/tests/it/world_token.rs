//! Each rule of the two token slots, on the pure world.
//! Times are milliseconds from an arbitrary zero.

use std::net::IpAddr;

use hongyan_wechat_sim::world::{Refusal, SendRequest, TokenRequest, World};
use hongyan_wechat_sim::{AccountConfig, SimConfig};

use crate::wire::{APPID, DATA, OPENID, SECRET, TEMPLATE};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn world() -> World {
    World::new(&SimConfig::demo().seed)
}

fn request() -> TokenRequest<'static> {
    TokenRequest::new(APPID, SECRET)
}

fn plain(world: &mut World, at: i64) -> String {
    world.token(at, &request()).unwrap().access_token
}

fn stable(world: &mut World, at: i64) -> (String, i64) {
    let grant = world.stable_token(at, &request(), false).unwrap();
    (grant.access_token, grant.expires_in)
}

fn forced(world: &mut World, at: i64) -> String {
    let grant = world.stable_token(at, &request(), true).unwrap();
    grant.access_token
}

/// 0 when the token is taken.
fn errcode_with(world: &mut World, at: i64, token: &str) -> i64 {
    let request = SendRequest {
        access_token: token,
        touser: OPENID,
        template_id: TEMPLATE,
        data: DATA,
        ..SendRequest::default()
    };
    world.send(at, &request).map_or_else(|no| no.errcode, |_| 0)
}

#[test]
fn a_plain_token_outlives_its_successor_by_five_minutes_and_dies_with_the_next() {
    let mut world = world();
    let first = plain(&mut world, 0);
    let second = plain(&mut world, MINUTE);
    assert_ne!(first, second);
    assert_eq!(errcode_with(&mut world, 6 * MINUTE - 1, &first), 0);
    assert_eq!(errcode_with(&mut world, 6 * MINUTE, &first), 40001);
    let third = plain(&mut world, 7 * MINUTE);
    let fourth = plain(&mut world, 7 * MINUTE);
    assert_eq!(errcode_with(&mut world, 7 * MINUTE, &second), 40001);
    assert_eq!(errcode_with(&mut world, 7 * MINUTE, &third), 0);
    assert_eq!(errcode_with(&mut world, 7 * MINUTE, &fourth), 0);
}

#[test]
fn a_plain_token_ages_out_after_two_hours() {
    let mut world = world();
    let token = plain(&mut world, 0);
    assert_eq!(errcode_with(&mut world, 2 * HOUR - 1, &token), 0);
    assert_eq!(errcode_with(&mut world, 2 * HOUR, &token), 42001);
}

#[test]
fn the_stable_token_stays_until_five_minutes_before_its_end() {
    let mut world = world();
    let (first, expires_in) = stable(&mut world, 0);
    assert_eq!(expires_in, 7200);
    assert_eq!(
        stable(&mut world, 2 * HOUR - 5 * MINUTE - 1000),
        (first.clone(), 301)
    );
    let (second, expires_in) = stable(&mut world, 2 * HOUR - 5 * MINUTE);
    assert_ne!(first, second);
    assert_eq!(expires_in, 7200);
    assert_eq!(errcode_with(&mut world, 2 * HOUR - 1, &first), 0);
    assert_eq!(errcode_with(&mut world, 2 * HOUR, &first), 42001);
    assert_eq!(errcode_with(&mut world, 2 * HOUR, &second), 0);
}

#[test]
fn a_forced_refresh_kills_at_once_but_not_twice_in_thirty_seconds() {
    let mut world = world();
    let (first, _) = stable(&mut world, 0);
    let second = forced(&mut world, 1000);
    assert_eq!(errcode_with(&mut world, 1000, &first), 40001);
    assert_eq!(forced(&mut world, 30_999), second);
    assert_ne!(forced(&mut world, 31_000), second);
    assert_eq!(errcode_with(&mut world, 31_000, &second), 40001);
}

#[test]
fn twenty_forced_refreshes_a_day_and_new_ones_after_beijing_midnight() {
    let mut world = world();
    for nth in 0..20 {
        forced(&mut world, nth * 30_000);
    }
    let refused = world.stable_token(HOUR, &request(), true).unwrap_err();
    assert_eq!(refused.errcode, 45009);
    let midnight = 16 * HOUR;
    let refused = world.stable_token(midnight - 1, &request(), true);
    assert!(refused.is_err());
    assert!(world.stable_token(midnight, &request(), true).is_ok());
}

#[test]
fn the_two_slots_do_not_touch_each_other() {
    let mut world = world();
    let from_plain = plain(&mut world, 0);
    let (from_stable, _) = stable(&mut world, 0);
    forced(&mut world, MINUTE);
    assert_eq!(errcode_with(&mut world, MINUTE, &from_plain), 0);
    assert_eq!(errcode_with(&mut world, MINUTE, &from_stable), 40001);
    plain(&mut world, 2 * MINUTE);
    plain(&mut world, 2 * MINUTE);
    let (now, _) = stable(&mut world, 2 * MINUTE);
    assert_eq!(errcode_with(&mut world, 2 * MINUTE, &now), 0);
}

#[test]
fn a_revocation_kills_both_slots_and_the_next_normal_call_mints() {
    let mut world = world();
    let from_plain = plain(&mut world, 0);
    let (from_stable, _) = stable(&mut world, 0);
    assert!(world.revoke_tokens(MINUTE, APPID));
    assert_eq!(errcode_with(&mut world, MINUTE, &from_plain), 40001);
    assert_eq!(errcode_with(&mut world, MINUTE, &from_stable), 40001);
    let (fresh, _) = stable(&mut world, MINUTE);
    assert_eq!(errcode_with(&mut world, MINUTE, &fresh), 0);
    assert!(!world.revoke_tokens(MINUTE, "wx0000000000000000"));
}

#[test]
fn tokens_are_judged_in_order() {
    let mut world = world();
    let unknown = format!("74_{}", "x".repeat(133));
    let cases = [("", 41001), ("nonsense", 40014), (unknown.as_str(), 40001)];
    for (token, errcode) in cases {
        assert_eq!(errcode_with(&mut world, 0, token), errcode, "{token}");
    }
}

#[test]
fn limits_by_day_and_minute() {
    let mut world = world();
    for _ in 0..2000 {
        plain(&mut world, 0);
    }
    let refused = world.token(0, &request()).unwrap_err();
    assert_eq!(refused.errcode, 45009);
    let cleared = world.clear_quota_by_secret(0, APPID, SECRET);
    assert!(cleared.is_ok());
    plain(&mut world, 0);

    for _ in 0..10_000 {
        stable(&mut world, 0);
    }
    let refused = world.stable_token(59_999, &request(), false).unwrap_err();
    assert_eq!(refused.errcode, 45011);
    stable(&mut world, MINUTE);
}

fn refusal_of(change: impl FnOnce(&mut AccountConfig), request: &TokenRequest<'_>) -> Refusal {
    let mut config = SimConfig::demo();
    change(&mut config.seed.accounts[0]);
    let mut world = World::new(&config.seed);
    let plain = world.token(1_692_783_312_000, request).unwrap_err();
    let stable = world.stable_token(0, request, false).unwrap_err();
    assert_eq!(plain.errcode, stable.errcode);
    plain
}

#[test]
fn token_calls_are_refused_in_order() {
    let ok = request();
    let wrong_secret = TokenRequest::new(APPID, "wrong");
    let cases = [
        (
            40002,
            TokenRequest {
                grant_type: "",
                appid: "",
                ..ok
            },
        ),
        (
            41002,
            TokenRequest {
                appid: "",
                secret: "",
                ..ok
            },
        ),
        (41004, TokenRequest { secret: "", ..ok }),
        (40013, TokenRequest::new("wx0", "wrong")),
        (40125, wrong_secret),
    ];
    for (errcode, request) in cases {
        assert_eq!(refusal_of(|_| {}, &request).errcode, errcode);
    }
    let frozen = refusal_of(|account| account.secret_frozen = true, &wrong_secret);
    assert_eq!(frozen.errcode, 40243);
    let punished = refusal_of(|account| account.punished = true, &ok);
    assert_eq!(punished.errcode, 50004);
    let unconfirmed = refusal_of(|account| account.admin_confirm = true, &ok);
    assert_eq!(unconfirmed.errcode, 89503);
}

#[test]
fn the_whitelist_names_the_caller_and_its_rid_the_second() {
    let request = TokenRequest {
        ip: IpAddr::from([47, 94, 148, 108]),
        ..request()
    };
    let refused = refusal_of(|account| account.whitelist = Some(Vec::new()), &request);
    assert_eq!(refused.errcode, 40164);
    let start =
        "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist rid: 64e5d2d0-";
    assert!(refused.errmsg.starts_with(start), "{}", refused.errmsg);
    assert_eq!(refused.errmsg.len(), start.len() + 17);
}
