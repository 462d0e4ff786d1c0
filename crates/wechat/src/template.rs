//! Template messages: sending one, and the templates an account has: listed, added, deleted.
//! Knows the wire; whether a message fits its template is for others to check.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// A template message, as `/cgi-bin/message/template/send` takes it.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage>.
///
/// ```
/// use hongyan_wechat::template::TemplateMessage;
/// use serde_json::value::RawValue;
///
/// let data = RawValue::from_string(r#"{"thing1":{"value":"咖啡"}}"#.to_owned())?;
/// let message = TemplateMessage {
///     touser: "oia2TjuEGTNoeX76QEjQNrcURxG8",
///     template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
///     url: None,
///     miniprogram: None,
///     data: &data,
///     client_msg_id: Some("MSG_000001"),
/// };
/// assert!(serde_json::to_string(&message)?.ends_with(r#""data":{"thing1":{"value":"咖啡"}},"client_msg_id":"MSG_000001"}"#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Serialize)]
pub struct TemplateMessage<'a> {
    /// The openid of a follower of the account.
    pub touser: &'a str,
    /// The template.
    pub template_id: &'a str,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
    /// The mini-program that a tap opens; wins over `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<MiniProgram<'a>>,
    /// `{"<key>":{"value":"<text>"}}`, as JSON text.
    #[serde(serialize_with = "literal")]
    pub data: &'a RawValue,
    /// Of messages to one openid with the same id, WeChat delivers one: for 10 minutes by promise, then perhaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<&'a str>,
}

crate::debug_without!(
    TemplateMessage<'_>: template_id, client_msg_id; touser, url, miniprogram, data
);

/// A page of a mini-program that is linked to the account.
#[derive(Clone, Debug, Serialize)]
pub struct MiniProgram<'a> {
    /// The mini-program's appid.
    pub appid: &'a str,
    /// The page, with its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<&'a str>,
}

/// WeChat refuses `\u` escapes (40033, 47002), which many callers' JSON libraries write: such data is written anew.
pub(crate) fn literal<S: Serializer>(data: &RawValue, out: S) -> Result<S::Ok, S::Error> {
    if data.get().contains("\\u") {
        // What does not parse (half of a surrogate pair) goes as it is, for WeChat to refuse.
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(data.get()) {
            return value.serialize(out);
        }
    }
    data.serialize(out)
}

/// WeChat took the message; what becomes of it comes later, as a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// WeChat's id of the message, up to 19 digits: the receipt carries it.
    pub msgid: Option<i64>,
}

/// A template in an account's own list.
/// Official page: <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Template {
    /// Its id in this account.
    pub template_id: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// First-level industry.
    #[serde(default)]
    pub primary_industry: String,
    /// Second-level industry; WeChat calls it so here and `secondary_industry` elsewhere.
    #[serde(default)]
    pub deputy_industry: String,
    /// Its text, with `{{key.DATA}}` where values go.
    #[serde(default)]
    pub content: String,
    /// An example of the text.
    #[serde(default)]
    pub example: String,
}

/// A template to be added to an account's own from WeChat's library, as `/cgi-bin/template/api_add_template` takes it.
/// Official page: <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html>.
///
/// ```
/// use hongyan_wechat::template::NewTemplate;
///
/// let new = NewTemplate {
///     template_id_short: "43216",
///     keyword_name_list: &["商品名称", "取餐时间"],
/// };
/// let json = serde_json::to_string(&new)?;
/// assert_eq!(json, r#"{"template_id_short":"43216","keyword_name_list":["商品名称","取餐时间"]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewTemplate<'a> {
    /// Its number in the library: digits in the category library, as in `TM00015` in the old one.
    pub template_id_short: &'a str,
    /// The keywords it is to have, in order; the category library asks for them (40246), the old one has its own.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub keyword_name_list: &'a [&'a str],
}

#[cfg(feature = "client")]
pub(crate) use calls::accepted;

#[cfg(feature = "client")]
mod calls {
    use serde::de::IgnoredAny;
    use serde::{Deserialize, Serialize};

    use super::{Accepted, NewTemplate, Template, TemplateMessage};
    use crate::answer::integer;
    use crate::client::answer::{self, doubt};
    use crate::client::{ApiRequest, ApiResponse, Client, LIST_LIMIT};
    use crate::errcode::Endpoint;
    use crate::error::{CallError, DoubtCause};
    use crate::secret::AccessToken;

    #[derive(Deserialize)]
    struct TemplateList {
        template_list: Vec<Template>,
    }

    #[derive(Deserialize)]
    struct Added {
        template_id: String,
    }

    #[derive(Serialize)]
    struct Deletion<'a> {
        template_id: &'a str,
    }

    #[derive(Deserialize)]
    struct Said {
        errcode: Option<IgnoredAny>,
        #[serde(default, deserialize_with = "integer")]
        msgid: Option<i64>,
    }

    impl Client {
        /// Sends a template message.
        ///
        /// # Errors
        /// [`CallError`].
        pub async fn send_template(
            &self,
            token: &AccessToken,
            message: &TemplateMessage<'_>,
        ) -> Result<Accepted, CallError> {
            let request = send(token, message)?;
            accepted(&self.call(request).await?)
        }

        /// Sends a template message over a connection of its own, if `still_allowed` says so once that stands.
        ///
        /// For a repeat that must not leave after a deadline: nothing can be waited for between the check and the
        /// first byte. (A [layer](crate::client::Builder::layer) that moves calls to another task weakens that.)
        ///
        /// # Errors
        /// [`CallError`]; [`NotAllowed`](crate::error::NotSentCause::NotAllowed) when the check said no.
        pub async fn send_template_fresh(
            &self,
            token: &AccessToken,
            message: &TemplateMessage<'_>,
            still_allowed: &(dyn Fn() -> bool + Send + Sync),
        ) -> Result<Accepted, CallError> {
            let request = send(token, message)?;
            accepted(&self.call_fresh(request, still_allowed).await?)
        }

        /// Lists the account's templates (25 at most are in use).
        ///
        /// # Errors
        /// [`CallError`].
        pub async fn templates(&self, token: &AccessToken) -> Result<Vec<Template>, CallError> {
            let endpoint = Endpoint::TemplateList;
            let request = ApiRequest::get(
                endpoint,
                token.shared(),
                &[("access_token", token.expose())],
            )?
            .limit(LIST_LIMIT);
            let response = self.call(request).await?;
            let list: TemplateList = answer::read(
                endpoint,
                &response.body,
                DoubtCause::Incomplete("template_list"),
            )?;
            Ok(list.template_list)
        }

        /// Adds a template from WeChat's library to the account's own (25 at most). Answers its id there.
        ///
        /// Not to be repeated in doubt without looking at [`Client::templates`]: each call adds one more.
        ///
        /// ```
        /// # async fn add(client: &hongyan_wechat::client::Client, token: &hongyan_wechat::AccessToken)
        /// # -> Result<(), hongyan_wechat::error::CallError> {
        /// use hongyan_wechat::template::NewTemplate;
        ///
        /// let new = NewTemplate { template_id_short: "43216", keyword_name_list: &["商品名称", "取餐时间"] };
        /// let template_id = client.add_template(token, new).await?;
        /// client.delete_template(token, &template_id).await?;
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// [`CallError`]; refused with 45026 when there are 25, 40246 for keywords the template has not, 40247 and
        /// 45027 for a template of a library or an industry that the account does not use.
        pub async fn add_template(
            &self,
            token: &AccessToken,
            new: NewTemplate<'_>,
        ) -> Result<String, CallError> {
            let endpoint = Endpoint::TemplateAdd;
            let query = [("access_token", token.expose())];
            let request = ApiRequest::post(endpoint, token.shared(), &query, &new)?;
            let response = self.call(request).await?;
            let incomplete = DoubtCause::Incomplete("template_id");
            let added: Added = answer::read(endpoint, &response.body, incomplete)?;
            Ok(added.template_id)
        }

        /// Deletes one of the account's templates; messages of it are refused from then on (40037).
        ///
        /// # Errors
        /// [`CallError`]; refused with 40037 where there is no such template.
        pub async fn delete_template(
            &self,
            token: &AccessToken,
            template_id: &str,
        ) -> Result<(), CallError> {
            let endpoint = Endpoint::TemplateDelete;
            let query = [("access_token", token.expose())];
            let deletion = Deletion { template_id };
            let request = ApiRequest::post(endpoint, token.shared(), &query, &deletion)?;
            answer::done(&self.call(request).await?)
        }
    }

    fn send(token: &AccessToken, message: &TemplateMessage<'_>) -> Result<ApiRequest, CallError> {
        ApiRequest::post(
            Endpoint::TemplateSend,
            token.shared(),
            &[("access_token", token.expose())],
            message,
        )
    }

    /// Reads the answer to a send of any kind: with a msgid, or with an errcode alone.
    pub(crate) fn accepted(response: &ApiResponse) -> Result<Accepted, CallError> {
        let endpoint = response.endpoint;
        let said: Said = answer::read(endpoint, &response.body, DoubtCause::Incomplete("msgid"))?;
        // Every answer to a send says one or the other; one that says neither is someone else's.
        if said.errcode.is_none() && said.msgid.is_none() {
            return Err(doubt(endpoint, DoubtCause::Incomplete("errcode")));
        }
        Ok(Accepted { msgid: said.msgid })
    }
}
