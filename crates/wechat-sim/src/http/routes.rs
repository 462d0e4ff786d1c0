//! Every route in one list, matched by path before anything else is looked at.
//! What the routes do stands in `business` (WeChat's own) and `control` (the simulator's).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::answer::{Answer, Cut};
use super::business::Call;
use super::{Shared, business, control, library, oauth, subscription};
use crate::world::SubscriptionCall;

/// More than WeChat takes; a bound all the same.
const BODY_MAX: usize = 4 << 20;

pub(crate) async fn respond(
    shared: &Arc<Shared>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let call = Call {
        shared,
        peer,
        post: head.method == Method::POST,
        query: head.uri.query(),
        body,
    };
    match head.uri.path() {
        "/cgi-bin/message/template/send" => business::send(call).await,
        "/cgi-bin/message/subscribe/bizsend" => {
            subscription::send(call, SubscriptionCall::Service).await
        }
        "/cgi-bin/message/subscribe/send" => {
            subscription::send(call, SubscriptionCall::MiniProgram).await
        }
        "/cgi-bin/message/template/subscribe" => {
            subscription::send(call, SubscriptionCall::OneTime).await
        }
        "/cgi-bin/token" => business::token(call).await,
        "/cgi-bin/stable_token" => business::stable_token(call).await,
        "/cgi-bin/template/get_all_private_template" => business::templates(call).await,
        "/wxaapi/newtmpl/gettemplate" => business::subscription_templates(call).await,
        "/wxaapi/newtmpl/addtemplate" => library::add_subscription(call).await,
        "/wxaapi/newtmpl/deltemplate" => library::delete_subscription(call).await,
        "/cgi-bin/template/api_add_template" => library::add(call).await,
        "/cgi-bin/template/del_private_template" => library::delete(call).await,
        "/cgi-bin/template/get_industry" => library::industry(call).await,
        "/cgi-bin/template/api_set_industry" => library::set_industry(call).await,
        "/cgi-bin/user/info" => business::user_info(call).await,
        "/cgi-bin/user/get" => business::followers(call).await,
        "/cgi-bin/openapi/quota/get" => business::quota(call).await,
        "/cgi-bin/clear_quota" => business::clear_quota(call).await,
        "/cgi-bin/clear_quota/v2" => business::clear_quota_by_secret(call).await,
        "/connect/oauth2/authorize" => Ok(oauth::page(&call)),
        "/sns/oauth2/access_token" => business::redeem_code(call).await,
        "/cgi-bin/get_api_domain_ip" => business::api_domain_ip(call).await,
        path => match path.strip_prefix("/__sim/") {
            Some(name) => Ok(control::respond(shared, &head.method, name, &call)),
            None => business::unknown(call).await,
        },
    }
}

/// Most bodies come in one piece, which is then not copied.
async fn read(mut body: Incoming) -> Result<Bytes, Cut> {
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut)?.into_data() else {
            continue;
        };
        if joined.len() + whole.len() + data.len() > BODY_MAX {
            return Err(Cut);
        }
        if whole.is_empty() && joined.is_empty() {
            whole = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    if joined.is_empty() {
        return Ok(whole);
    }
    Ok(joined.freeze())
}
