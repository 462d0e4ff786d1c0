//! What no story can show of a browser's way: crowds, two windows, and a configuration that changes while it is under way.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_store::sqlite::SqliteStore;
use sha2::Sha256;
use tempfile::TempDir;

use super::*;

fn way(client: &str, redirect: &str) -> Way {
    Way {
        account: AccountName::from("clinic"),
        appid: "wx1".to_owned(),
        client: client.to_owned(),
        public_url: "https://h.example".to_owned(),
        authorize_base: "https://w.example".to_owned(),
        redirects: vec![Rule::parse(redirect).unwrap()],
    }
}

/// A gateway of one account that asks WeChat about so many codes at once.
fn oauth(at_once: usize, dir: &TempDir) -> Oauth {
    let clock = Arc::new(SystemClock::new());
    let store = SqliteStore::open(&dir.path().join("store.db"), clock.now()).unwrap();
    let secrets = ["new", "old"].map(SecretString::from).to_vec();
    Oauth {
        ways: vec![way("orders", "https://a.example/")],
        secrets: HashMap::from([
            ("orders".to_owned(), secrets.clone()),
            ("shop".to_owned(), secrets),
        ]),
        ledger: store,
        clock,
        ask: Arc::new(|_, _| {
            Box::pin(async {
                Ok(Authorised {
                    openid: "o1".to_owned(),
                    unionid: None,
                })
            })
        }),
        asked: Semaphore::new(at_once),
    }
}

/// A user who has begun: what the browser is to keep, and its state.
fn begun(oauth: &Oauth) -> (String, String) {
    let start: Uri = "/start?redirect=https://a.example/shop/in".parse().unwrap();
    let begun = oauth.begin("clinic", &start).unwrap();
    let kept = begun.headers()[SET_COOKIE].to_str().unwrap();
    let of_https = kept.ends_with("; HttpOnly; SameSite=Lax; Secure");
    assert!(
        of_https,
        "no script and no plain connection gets it: {kept}"
    );
    let kept = kept.split(';').next().unwrap();
    let state = kept.split('=').next().unwrap().rsplit('_').next().unwrap();
    (kept.to_owned(), state.to_owned())
}

async fn back(oauth: &Oauth, cookies: &str, state: &str) -> Result<Response, Refusal> {
    let headers = HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())]);
    let back: Uri = format!("/callback?code=c&state={state}").parse().unwrap();
    oauth.finish("clinic", &headers, &back).await
}

#[tokio::test]
async fn who_is_turned_away_for_the_crowd_may_come_again() {
    let dir = TempDir::new().unwrap();
    let oauth = oauth(0, &dir);
    let (kept, state) = begun(&oauth);
    let away = back(&oauth, &kept, &state).await.unwrap_err();
    assert_eq!(away, Refusal::Away);
    oauth.asked.add_permits(1);
    let sent = back(&oauth, &kept, &state).await.unwrap();
    assert_eq!(sent.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn two_windows_of_a_browser_do_not_meet() {
    let dir = TempDir::new().unwrap();
    let oauth = oauth(1, &dir);
    let windows = [begun(&oauth), begun(&oauth)];
    let cookies = format!("{}; {}", windows[0].0, windows[1].0);
    for (_, state) in &windows {
        let sent = back(&oauth, &cookies, state).await.unwrap();
        assert_eq!(sent.status(), StatusCode::FOUND);
    }
}

#[tokio::test]
async fn an_openid_is_signed_with_the_newest_secret() {
    let dir = TempDir::new().unwrap();
    let oauth = oauth(1, &dir);
    let (kept, state) = begun(&oauth);
    let sent = back(&oauth, &kept, &state).await.unwrap();
    let to = sent.headers()[LOCATION].to_str().unwrap();
    let (_, token) = to.split_once("hongyan_token=").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let by = |secret: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.chain_update(signed).verify_slice(&signature).is_ok()
    };
    assert!(by("new") && !by("old"));
}

#[tokio::test]
async fn whoever_gets_a_place_meanwhile_does_not_get_the_user_who_was_on_the_way() {
    let dir = TempDir::new().unwrap();
    let mut oauth = oauth(1, &dir);
    let (kept, state) = begun(&oauth);
    oauth.ways = vec![way("shop", "https://a.example/shop/")];
    let refused = back(&oauth, &kept, &state).await.unwrap_err();
    assert_eq!(refused, Refusal::Redirect);
}
