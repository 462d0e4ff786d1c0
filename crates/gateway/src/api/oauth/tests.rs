//! What no crowd of browsers can be made to show in a story.

use hongyan_store::sqlite::SqliteStore;
use tempfile::TempDir;

use super::*;

/// A gateway of one account that asks WeChat about so many codes at once.
fn oauth(at_once: usize, dir: &TempDir) -> Oauth {
    let clock = Arc::new(SystemClock::new());
    let store = SqliteStore::open(&dir.path().join("store.db"), clock.now()).unwrap();
    let rule = Rule::parse("https://a.example/").unwrap();
    Oauth {
        ways: vec![Way {
            account: AccountName::from("clinic"),
            appid: "wx1".to_owned(),
            client: "orders".to_owned(),
            public_url: "https://h.example".to_owned(),
            authorize_base: "https://w.example".to_owned(),
            redirects: vec![rule],
        }],
        secrets: HashMap::from([("orders".to_owned(), vec![SecretString::from("s")])]),
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

#[tokio::test]
async fn who_is_turned_away_for_the_crowd_may_come_again() {
    let dir = TempDir::new().unwrap();
    let oauth = oauth(0, &dir);
    let start: Uri = "/start?redirect=https://a.example/".parse().unwrap();
    let begun = oauth.begin("clinic", &start).unwrap();
    let kept = begun.headers()[SET_COOKIE].to_str().unwrap();
    let kept = kept.split(';').next().unwrap();
    let state = kept.split('=').next().unwrap().rsplit('_').next().unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, kept.parse().unwrap())]);
    let back: Uri = format!("/callback?code=c&state={state}").parse().unwrap();
    let away = oauth.finish("clinic", &headers, &back).await.unwrap_err();
    assert_eq!(away, Refusal::Away);
    oauth.asked.add_permits(1);
    let sent = oauth.finish("clinic", &headers, &back).await.unwrap();
    assert_eq!(sent.status(), StatusCode::FOUND);
}
