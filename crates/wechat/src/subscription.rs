//! Subscription messages: of a service account (`bizsend`), of a mini-program, and the one-time ones of the authorise page;
//! and the templates that the first two have: listed, added, deleted.
//! WeChat drops no repeat of any of them, so a call in doubt must not be made again.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::template::{MiniProgram, literal};

/// A subscription message of a service account, as `/cgi-bin/message/subscribe/bizsend` takes it.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html>.
///
/// ```
/// use hongyan_wechat::subscription::SubscriptionMessage;
/// use serde_json::value::RawValue;
///
/// let data = RawValue::from_string(r#"{"thing1":{"value":"咖啡"}}"#.to_owned())?;
/// let message = SubscriptionMessage {
///     touser: "oia2TjuEGTNoeX76QEjQNrcURxG8",
///     template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
///     page: Some("https://example.com/orders/42"),
///     miniprogram: None,
///     data: &data,
///     miniprogram_state: None,
///     lang: None,
/// };
/// assert!(serde_json::to_string(&message)?.contains(r#""page":"https://example.com/orders/42""#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Serialize)]
pub struct SubscriptionMessage<'a> {
    /// The openid; it need not follow the account.
    pub touser: &'a str,
    /// The subscription template.
    pub template_id: &'a str,
    /// Where a tap leads: an address for a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'a str>,
    /// The mini-program that a tap opens; wins over `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<MiniProgram<'a>>,
    /// `{"<key>":{"value":"<text>"}}`, as JSON text.
    #[serde(serialize_with = "literal")]
    pub data: &'a RawValue,
    /// `developer`, `trial` or `formal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram_state: Option<&'a str>,
    /// `zh_CN`, `en_US`, `zh_HK` or `zh_TW`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<&'a str>,
}

crate::debug_without!(
    SubscriptionMessage<'_>: template_id, miniprogram_state, lang; touser, page, miniprogram, data
);

/// A subscription message of a mini-program, as `/cgi-bin/message/subscribe/send` takes it.
#[derive(Clone, Serialize)]
pub struct MiniProgramMessage<'a> {
    /// The openid of a user of the mini-program.
    pub touser: &'a str,
    /// The subscription template.
    pub template_id: &'a str,
    /// The page of the mini-program, with its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'a str>,
    /// `{"<key>":{"value":"<text>"}}`, as JSON text.
    #[serde(serialize_with = "literal")]
    pub data: &'a RawValue,
    /// `developer`, `trial` or `formal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram_state: Option<&'a str>,
    /// `zh_CN`, `en_US`, `zh_HK` or `zh_TW`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<&'a str>,
}

crate::debug_without!(
    MiniProgramMessage<'_>: template_id, miniprogram_state, lang; touser, page, data
);

/// A one-time subscription message, as `/cgi-bin/message/template/subscribe` takes it: one for each time a user agreed
/// on the authorise page.
#[derive(Clone, Serialize)]
pub struct OneTimeMessage<'a> {
    /// The openid of the user who agreed.
    pub touser: &'a str,
    /// The template.
    pub template_id: &'a str,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
    /// The mini-program that a tap opens; wins over `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<MiniProgram<'a>>,
    /// 0 to 10000, the same as in the address of the authorise page.
    pub scene: u16,
    /// At most 15 characters.
    pub title: &'a str,
    /// `{"content":{"value":"<text>"}}`, as JSON text; at most 200 characters.
    #[serde(serialize_with = "literal")]
    pub data: &'a RawValue,
}

crate::debug_without!(
    OneTimeMessage<'_>: template_id, scene; touser, url, miniprogram, title, data
);

/// A template of subscription messages in an account's own list, as `/wxaapi/newtmpl/gettemplate` gives it.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/notify/notify/api_getwxapubnewtemplate.html>.
///
/// ```
/// use hongyan_wechat::subscription::{Lasts, SubscriptionTemplate};
///
/// let json = r#"{"priTmplId":"cy_DfOZL7lypxHh3ja3DyAUbn1GYQRGwezuy5LBTFME","title":"设备提醒","type":3,
///     "content":"位置:{{enum_string2.DATA}}","example":"位置:客厅",
///     "keywordEnumValueList":[{"keywordCode":"enum_string2.DATA","enumValueList":["客厅","厨房"]}]}"#;
/// let template: SubscriptionTemplate = serde_json::from_str(json)?;
/// assert_eq!(template.choices[0].key(), "enum_string2");
/// assert_eq!(template.lasts, Some(Lasts::LongTerm));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionTemplate {
    /// Its id in this account.
    #[serde(rename = "priTmplId")]
    pub template_id: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Its text, with `{{key.DATA}}` where values go.
    #[serde(default)]
    pub content: String,
    /// An example of the text.
    #[serde(default)]
    pub example: String,
    /// How long a user's agreement lasts; `None` where WeChat does not say, or says something new.
    #[serde(default, rename = "type", deserialize_with = "lasts")]
    pub lasts: Option<Lasts>,
    /// The values that a key may have, where it may not have any.
    #[serde(
        default,
        rename = "keywordEnumValueList",
        deserialize_with = "null_or_list"
    )]
    pub choices: Vec<Choices>,
}

/// How long a user's agreement to messages of a template lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// For one message.
    OneTime,
    /// For any number of messages; only for public services.
    LongTerm,
}

fn lasts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Lasts>, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // A list is not to be lost for a sort of template that is new.
    Ok(match number {
        Some(2) => Some(Lasts::OneTime),
        Some(3) => Some(Lasts::LongTerm),
        _ => None,
    })
}

fn null_or_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Choices>, D::Error> {
    Option::<Vec<Choices>>::deserialize(from).map(Option::unwrap_or_default)
}

/// The values that one key may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Choices {
    /// The key, with `.DATA` behind it or without.
    #[serde(rename = "keywordCode")]
    pub code: String,
    /// The values.
    #[serde(default, rename = "enumValueList")]
    pub values: Vec<String>,
}

impl Choices {
    /// The key as a message gives it.
    #[must_use]
    pub fn key(&self) -> &str {
        let code = self.code.trim();
        code.strip_suffix(".DATA").unwrap_or(code)
    }
}

/// A template to be added to an account's own from WeChat's library of subscription templates, as
/// `/wxaapi/newtmpl/addtemplate` takes it.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/notify/notify/api_addwxanewtemplate.html>.
///
/// ```
/// use hongyan_wechat::subscription::NewSubscriptionTemplate;
///
/// let new = NewSubscriptionTemplate { tid: "401", keywords: &[1, 2], scene: Some("取餐提醒") };
/// let json = serde_json::to_string(&new)?;
/// assert_eq!(json, r#"{"tid":"401","kidList":[1,2],"sceneDesc":"取餐提醒"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewSubscriptionTemplate<'a> {
    /// The number of its title in the library.
    pub tid: &'a str,
    /// The numbers of the keywords it is to have, in order: two to five.
    #[serde(rename = "kidList")]
    pub keywords: &'a [u32],
    /// What it is for, in at most 15 characters; a mini-program may leave it out.
    #[serde(rename = "sceneDesc", skip_serializing_if = "Option::is_none")]
    pub scene: Option<&'a str>,
}

#[cfg(feature = "client")]
mod calls {
    use serde::{Deserialize, Serialize};

    use super::{
        MiniProgramMessage, NewSubscriptionTemplate, OneTimeMessage, SubscriptionMessage,
        SubscriptionTemplate,
    };
    use crate::client::answer;
    use crate::client::{ApiRequest, Client, LIST_LIMIT};
    use crate::errcode::Endpoint;
    use crate::error::{CallError, DoubtCause};
    use crate::secret::AccessToken;
    use crate::template::{Accepted, accepted};

    #[derive(Deserialize)]
    struct TemplateList {
        data: Vec<SubscriptionTemplate>,
    }

    #[derive(Deserialize)]
    struct Added {
        #[serde(rename = "priTmplId")]
        template_id: String,
    }

    #[derive(Serialize)]
    struct Deletion<'a> {
        #[serde(rename = "priTmplId")]
        template_id: &'a str,
    }

    impl Client {
        /// Lists the templates of subscription messages that the account has.
        ///
        /// # Errors
        /// [`CallError`]; refused with 200100 for an account of a sort that has none.
        pub async fn subscription_templates(
            &self,
            token: &AccessToken,
        ) -> Result<Vec<SubscriptionTemplate>, CallError> {
            let endpoint = Endpoint::SubscriptionTemplateList;
            let query = [("access_token", token.expose())];
            let request = ApiRequest::get(endpoint, token.shared(), &query)?.limit(LIST_LIMIT);
            let response = self.call(request).await?;
            let incomplete = DoubtCause::Incomplete("data");
            let list: TemplateList = answer::read(endpoint, &response.body, incomplete)?;
            Ok(list.data)
        }

        /// Adds a template from WeChat's library of subscription templates to the account's own (25 at most). Answers its
        /// id there.
        ///
        /// Not to be repeated in doubt without looking at [`Client::subscription_templates`]: each call adds one more.
        ///
        /// # Errors
        /// [`CallError`]; refused with 200012 when there are 25, with 200014, 200020 and 200021 for a number, keywords or a
        /// scene that it does not take, with 200011 and 200013 for an account or a template that is banned.
        pub async fn add_subscription_template(
            &self,
            token: &AccessToken,
            new: NewSubscriptionTemplate<'_>,
        ) -> Result<String, CallError> {
            let endpoint = Endpoint::SubscriptionTemplateAdd;
            let query = [("access_token", token.expose())];
            let request = ApiRequest::post(endpoint, token.shared(), &query, &new)?;
            let response = self.call(request).await?;
            let incomplete = DoubtCause::Incomplete("priTmplId");
            let added: Added = answer::read(endpoint, &response.body, incomplete)?;
            Ok(added.template_id)
        }

        /// Deletes one of the account's templates of subscription messages.
        ///
        /// # Errors
        /// [`CallError`]; what WeChat answers where there is no such template is not documented.
        pub async fn delete_subscription_template(
            &self,
            token: &AccessToken,
            template_id: &str,
        ) -> Result<(), CallError> {
            let endpoint = Endpoint::SubscriptionTemplateDelete;
            let query = [("access_token", token.expose())];
            let deletion = Deletion { template_id };
            let request = ApiRequest::post(endpoint, token.shared(), &query, &deletion)?;
            answer::done(&self.call(request).await?)
        }

        /// Sends a subscription message of a service account. Its answer has no msgid: what became of it comes as a
        /// `subscribe_msg_sent_event`, which names the openid and the template.
        ///
        /// # Errors
        /// [`CallError`]; refused with 43101 when the user did not subscribe or the one-time credit is spent, and with
        /// 43108 while another message to the same openid is under way.
        pub async fn send_subscription(
            &self,
            token: &AccessToken,
            message: &SubscriptionMessage<'_>,
        ) -> Result<Accepted, CallError> {
            self.send_once(Endpoint::SubscriptionSend, token, message)
                .await
        }

        /// Sends a subscription message of a mini-program.
        ///
        /// # Errors
        /// As [`send_subscription`](Client::send_subscription); also 41030 for a page that is not there.
        pub async fn send_mini_program(
            &self,
            token: &AccessToken,
            message: &MiniProgramMessage<'_>,
        ) -> Result<Accepted, CallError> {
            self.send_once(Endpoint::MiniProgramSend, token, message)
                .await
        }

        /// Sends a one-time subscription message.
        ///
        /// # Errors
        /// [`CallError`]; refused with 43101 when the user did not agree or was sent one since, and with 40062 for a
        /// title that is too long.
        pub async fn send_one_time(
            &self,
            token: &AccessToken,
            message: &OneTimeMessage<'_>,
        ) -> Result<Accepted, CallError> {
            self.send_once(Endpoint::OneTimeSend, token, message).await
        }

        async fn send_once(
            &self,
            endpoint: Endpoint,
            token: &AccessToken,
            message: &impl Serialize,
        ) -> Result<Accepted, CallError> {
            let query = [("access_token", token.expose())];
            let request = ApiRequest::post(endpoint, token.shared(), &query, message)?;
            accepted(&self.call(request).await?)
        }
    }
}
