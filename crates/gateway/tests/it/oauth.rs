//! Web authorisation: a browser that keeps its cookies goes from a program to WeChat and back, with an openid that is signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::Sha256;

use crate::harness::{ACCOUNT, APPID, CLIENT, CLIENT_SECRET, Reply, TestGateway, get, openid};

const PROGRAM: &str = "https://orders.example.com/wechat/in?order=42";

/// A gateway with a way to one program. Where browsers reach it is known only once it listens.
async fn authorising() -> TestGateway {
    let mut gateway = TestGateway::start().await;
    gateway.settings.more = format!(
        "[[oauth]]\naccount = \"{ACCOUNT}\"\nclient = \"{CLIENT}\"\npublic_url = \"http://{}\"\n\
         redirects = [\"https://orders.example.com/wechat/\"]\nauthorize_base = \"{}\"\n",
        gateway.address(),
        gateway.sim.url()
    );
    gateway.restart().await;
    gateway
}

/// A browser as far as it matters: it keeps cookies by host and path, and goes where it is sent.
#[derive(Clone, Default)]
struct Browser {
    cookies: Vec<Cookie>,
}

#[derive(Clone)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn parts(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let path = path.split('#').next().unwrap();
    (host.to_owned(), format!("/{path}"))
}

impl Browser {
    async fn open(&mut self, url: &str) -> Reply {
        let (host, path) = parts(url);
        let fitting = self
            .cookies
            .iter()
            .filter(|cookie| cookie.host == host && path.starts_with(&cookie.path));
        let all: Vec<String> = fitting
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let mut call = get(&path).unsigned().header("accept", "text/html,*/*");
        if !all.is_empty() {
            call = call.header("cookie", &all.join("; "));
        }
        let reply = call.make(&host).await;
        for set in reply.headers.get_all("set-cookie") {
            self.keep(&host, set.to_str().unwrap());
        }
        reply
    }

    fn keep(&mut self, host: &str, set: &str) {
        let mut fields = set.split("; ");
        let (name, value) = fields.next().unwrap().split_once('=').unwrap();
        let fields: Vec<&str> = fields.collect();
        assert!(
            fields.contains(&"HttpOnly") && fields.contains(&"SameSite=Lax"),
            "{set}"
        );
        let path = fields
            .iter()
            .find_map(|field| field.strip_prefix("Path="))
            .unwrap();
        self.cookies.retain(|cookie| cookie.name != name);
        if !fields.contains(&"Max-Age=0") {
            self.cookies.push(Cookie {
                host: host.to_owned(),
                path: path.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
    }

    /// Where a reply sends it.
    fn sent(reply: &Reply) -> String {
        assert_eq!(reply.status, StatusCode::FOUND, "{reply:?}");
        reply.headers["location"].to_str().unwrap().to_owned()
    }

    /// Begins at the gateway, and answers WeChat's page with the state in it.
    async fn begin(&mut self, gateway: &TestGateway, query: &str) -> String {
        let start = format!(
            "http://{}/wechat/oauth/{ACCOUNT}/start?{query}",
            gateway.address()
        );
        let reply = self.open(&start).await;
        assert_eq!(reply.headers["cache-control"], "no-store");
        Self::sent(&reply)
    }

    /// Is this user at WeChat's page; answers the way back.
    async fn consent(&mut self, page: &str, openid: &str) -> String {
        let page = page.split('#').next().unwrap();
        let reply = self.open(&format!("{page}&openid={openid}")).await;
        Self::sent(&reply)
    }
}

fn begins() -> String {
    format!("redirect={}&state=basket%207", encoded(PROGRAM))
}

/// The five lines of a program.
fn verified(location: &str, secret: &str) -> Option<Value> {
    let token = location.strip_prefix(&format!("{PROGRAM}&hongyan_token="))?;
    let (signed, signature) = token.rsplit_once('.')?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?)
        .ok()?;
    let body = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    serde_json::from_slice(&body).ok()
}

#[tokio::test]
async fn a_program_learns_the_openid_of_whoever_opens_its_page() {
    let gateway = authorising().await;
    let mut browser = Browser::default();
    let page = browser.begin(&gateway, &begins()).await;
    assert!(
        page.contains("scope=snsapi_base") && page.ends_with("#wechat_redirect"),
        "{page}"
    );
    let back = browser.consent(&page, &openid(7)).await;
    let to = Browser::sent(&browser.open(&back).await);
    let claims = verified(&to, CLIENT_SECRET).expect("the openid is signed");
    assert_eq!(verified(&to, "another secret"), None);
    assert_eq!(claims["sub"], openid(7));
    assert_eq!(
        (&claims["account"], &claims["appid"]),
        (&ACCOUNT.into(), &APPID.into())
    );
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&"hongyan".into(), &CLIENT.into())
    );
    assert_eq!(
        (&claims["redirect"], &claims["state"]),
        (&PROGRAM.into(), &"basket 7".into())
    );
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 120);
    assert!(browser.cookies.is_empty(), "nothing is left in the browser");
    assert_eq!(gateway.sim.calls().oauth, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_way_back_serves_once_and_in_its_own_browser() {
    let mut gateway = authorising().await;
    let mut browser = Browser::default();
    let page = browser.begin(&gateway, &begins()).await;
    let back = browser.consent(&page, &openid(7)).await;
    // Somebody else is given the link: an openid must not get into a foreign session.
    let mut other = Browser::default();
    let foreign = other.open(&back).await;
    assert_eq!(foreign.status, 400);
    assert!(
        foreign.text().contains("begun in another browser")
            && foreign.text().contains("请返回后重试")
    );
    let other_page = other.begin(&gateway, &begins()).await;
    let state = |url: &str| url.split("state=").nth(1).unwrap()[..32].to_owned();
    let swapped = back.replace(&state(&page), &state(&other_page));
    let kept = browser.clone();
    assert_eq!(browser.open(&swapped).await.status, 400);
    assert_eq!(
        gateway.sim.calls().oauth,
        0,
        "WeChat is not asked for strangers"
    );
    Browser::sent(&browser.open(&back).await);
    // The same again, from a copy of the browser, and after a restart.
    gateway.restart().await;
    let mut copy = kept;
    assert_eq!(copy.open(&back).await.status, 400);
    assert_eq!(gateway.sim.calls().oauth, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn nobody_is_sent_where_no_rule_leads() {
    let gateway = authorising().await;
    let start = |query: &str| get(&format!("/wechat/oauth/{ACCOUNT}/start?{query}")).unsigned();
    for redirect in [
        "https://evil.example/wechat/",
        "https://orders.example.com.evil.example/wechat/",
        "https://orders.example.com/wechat/../admin",
        "https://orders.example.com@evil.example/wechat/",
        "http://orders.example.com/wechat/",
        "//orders.example.com/wechat/",
        "https://orders.example.com/wechat/?hongyan_token=x.y.z",
        "https://orders.example.com/wechat/?a=1&hongyan%5Ftoken=x.y.z",
    ] {
        let reply = gateway
            .call(start(&format!("redirect={}", encoded(redirect))))
            .await;
        let detail = reply.problem(400, "malformed");
        assert!(
            detail.starts_with("redirect is missing, or not one"),
            "{detail}"
        );
        assert!(!reply.headers.contains_key("location") && !detail.contains("evil"));
    }
    gateway.call(start("")).await.problem(400, "malformed");
    let long = format!("redirect={}&state={}", encoded(PROGRAM), "x".repeat(257));
    let reply = gateway.call(start(&long)).await;
    assert_eq!(
        reply.problem(400, "malformed"),
        "state is longer than 256 bytes"
    );
    let elsewhere = get("/wechat/oauth/school/start?redirect=x").unsigned();
    gateway.call(elsewhere).await.problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn what_wechat_says_of_a_code_is_told_as_a_page() {
    let gateway = authorising().await;
    for (fault, status, words) in [
        ("code=40029:at=oauth:first=1", 400, "请返回后重试"),
        ("code=40163:at=oauth:first=1", 400, "请返回后重试"),
        ("code=40125:at=oauth:first=1", 503, "暂时无法联系微信"),
        ("cut-before:at=oauth:first=1", 503, "暂时无法联系微信"),
    ] {
        gateway.sim.fault(fault.parse().unwrap());
        let mut browser = Browser::default();
        let page = browser.begin(&gateway, &begins()).await;
        let back = browser.consent(&page, &openid(7)).await;
        let reply = browser.open(&back).await;
        assert_eq!(reply.status, status, "{fault}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
        assert!(reply.text().contains(words), "{fault}");
        gateway.sim.clear_faults();
    }
    gateway.finish().await;
}

#[tokio::test]
async fn wechats_page_plays_by_its_domain_setting() {
    let gateway = authorising().await;
    let mut browser = Browser::default();
    let page = browser.begin(&gateway, &begins()).await;
    let asked = browser.open(page.split('#').next().unwrap()).await;
    assert!(asked.text().contains("name=\"openid\""), "{asked:?}");
    gateway
        .sim
        .set_oauth_domain(APPID, Some("wechat.example.com"));
    let refused = browser.open(page.split('#').next().unwrap()).await;
    assert!(refused.text().contains("10003"), "{refused:?}");
    gateway.sim.set_oauth_domain(APPID, Some("127.0.0.1"));
    browser.consent(&page, &openid(7)).await;
    gateway.finish().await;
}
