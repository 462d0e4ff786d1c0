//! The authorise page in a user's browser, where one picks whom to be.
//! Whether a user may be sent back is the world's to say.

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

use super::answer::{self, Answer};
use super::business::Call;
use super::query;
use crate::world::{AuthoriseRequest, PageError};

/// `GET /connect/oauth2/authorize`. `openid=` says whom to be; without it the page asks.
pub(crate) fn page(call: &Call<'_>) -> Answer {
    let part = |name: &str| call.query(name).into_owned();
    let (appid, redirect_uri, state) = (part("appid"), part("redirect_uri"), part("state"));
    let request = AuthoriseRequest {
        appid: &appid,
        redirect_uri: &redirect_uri,
        response_type: &part("response_type"),
        scope: &part("scope"),
        state: &state,
    };
    let now_ms = call.shared.clock.now_ms();
    let mut world = call.shared.world();
    if let Err(error) = world.may_authorise(&request) {
        return refused(error);
    }
    let openid = part("openid");
    if openid.is_empty() {
        return pick(&world.pickable(&appid), call.query.unwrap_or(""));
    }
    match world.give_code(now_ms, &appid, &openid) {
        Some(code) => back(&redirect_uri, &code, &state),
        None => answer::html(
            StatusCode::BAD_REQUEST,
            "<h1>No such openid.</h1>".to_owned(),
        ),
    }
}

/// As WeChat does: the code and the state are added to whatever query there is, before a fragment.
fn back(redirect_uri: &str, code: &str, state: &str) -> Answer {
    let (address, fragment) = match redirect_uri.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (redirect_uri, String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    let location = format!("{address}{joint}code={code}&state={state}{fragment}");
    let mut answer = answer::html(StatusCode::FOUND, String::new());
    match HeaderValue::from_str(&location) {
        Ok(location) => {
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Err(_) => refused(PageError {
            code: 10003,
            text: "redirect_uri域名与后台配置不一致",
        }),
    }
}

fn refused(PageError { code, text }: PageError) -> Answer {
    let html =
        format!("<!DOCTYPE html><meta charset=\"utf-8\"><h1>{text}</h1><p>错误码:{code}</p>");
    answer::html(StatusCode::OK, html)
}

/// Links for those who are known, and a field for anybody else.
fn pick(openids: &[String], asked: &str) -> Answer {
    let link = escaped(asked);
    let mut html = String::from(
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>Simulated WeChat</title><h1>Who are you?</h1><ul>",
    );
    for openid in openids {
        let openid = escaped(openid);
        html.push_str(&format!(
            "<li><a href=\"?{link}&amp;openid={openid}\">{openid}</a></li>"
        ));
    }
    html.push_str("</ul><form method=\"get\">");
    for name in ["appid", "redirect_uri", "response_type", "scope", "state"] {
        let value = escaped(&query::value(Some(asked), name));
        html.push_str(&format!(
            "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
        ));
    }
    html.push_str("<input name=\"openid\" placeholder=\"openid\"><button>OK</button></form>");
    answer::html(StatusCode::OK, html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
