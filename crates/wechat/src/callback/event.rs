//! What a push says: receipts of template messages, subscription events, followers coming and going.
//! Reads plain bodies, XML or JSON; whether to believe one is `open`'s to decide.

use serde::Deserialize;

use super::CallbackError;
use super::body::{self, OneOrMany, Text};

/// A push, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `TEMPLATESENDJOBFINISH`: what became of a template message.
    TemplateSendJobFinish(Receipt),
    /// `subscribe_msg_popup_event`: a user answered the subscription dialogue.
    SubscribeMsgPopup(Subscriptions),
    /// `subscribe_msg_change_event`: a user changed subscriptions in the settings.
    SubscribeMsgChange(Subscriptions),
    /// `subscribe_msg_sent_event`: what became of subscription messages.
    SubscribeMsgSent(SubscriptionReceipts),
    /// `subscribe`: a user follows the account.
    Subscribe(Header),
    /// `unsubscribe`: a user no longer follows the account.
    Unsubscribe(Header),
    /// Any other event.
    Other {
        /// The event's name, as pushed.
        event: String,
    },
    /// Not an event: a message from a user.
    Message {
        /// `text`, `image`, ...
        msg_type: String,
    },
}

/// Who, to whom, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The account's original id (`gh_...`).
    pub to_user_name: String,
    /// The user's openid (`FromUserName`).
    pub openid: String,
    /// Unix seconds, by WeChat's clock.
    pub create_time: i64,
}

/// WeChat's later word on a template message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The account's original id (`gh_...`).
    pub to_user_name: String,
    /// The recipient's openid (`FromUserName`).
    pub openid: String,
    /// Unix seconds, by WeChat's clock.
    pub create_time: i64,
    /// The msgid that the send call returned; up to 19 digits.
    pub msgid: i64,
    /// What became of the message.
    pub status: ReceiptStatus,
}

/// The `Status` of a receipt, read without regard to case and to spaces around the colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStatus {
    /// `success`
    Success,
    /// `failed:user block`
    UserBlock,
    /// `failed: system failed`
    SystemFailed,
    /// `failed:freq limit` (not documented; seen since 2024)
    FreqLimit,
    /// Anything else, as pushed.
    Other(String),
}

impl ReceiptStatus {
    /// Reads the raw text of the field.
    ///
    /// ```
    /// use hongyan_wechat::callback::event::ReceiptStatus;
    ///
    /// assert_eq!(ReceiptStatus::parse("failed: system failed"), ReceiptStatus::SystemFailed);
    /// assert_eq!(ReceiptStatus::parse("Failed:user block"), ReceiptStatus::UserBlock);
    /// ```
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let lower = raw.trim().to_ascii_lowercase();
        let (outcome, why) = lower.split_once(':').unwrap_or((&lower, ""));
        match (outcome.trim(), why.trim()) {
            ("success", "") => Self::Success,
            ("failed", "user block") => Self::UserBlock,
            ("failed", "system failed") => Self::SystemFailed,
            ("failed", "freq limit") => Self::FreqLimit,
            _ => Self::Other(raw.to_owned()),
        }
    }
}

/// Choices of a user about subscription templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Who, to whom, and when.
    pub header: Header,
    /// One element a template.
    pub list: Vec<Subscription>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The template.
    pub template_id: String,
    /// `SubscribeStatusString`: `accept` or `reject`.
    pub status: String,
}

/// Outcomes of subscription messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionReceipts {
    /// Who, to whom, and when.
    pub header: Header,
    /// One element a message.
    pub list: Vec<SubscriptionReceipt>,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionReceipt {
    /// The template.
    pub template_id: String,
    /// WeChat's id of the message, which the send call never told; `None` when it is not a number.
    pub msgid: Option<i64>,
    /// 0 is success.
    pub error_code: i64,
    /// `success`, or what went wrong.
    pub error_status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Fields {
    to_user_name: Option<Text>,
    from_user_name: Option<Text>,
    create_time: Option<Text>,
    msg_type: Option<Text>,
    event: Option<Text>,
    #[serde(rename = "MsgID", alias = "MsgId")]
    msgid: Option<Text>,
    status: Option<Text>,
    /// JSON has the list here; XML wraps it in one of the three below.
    list: OneOrMany<Item>,
    subscribe_msg_popup_event: Items,
    subscribe_msg_change_event: Items,
    subscribe_msg_sent_event: Items,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Items {
    list: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Item {
    template_id: Text,
    subscribe_status_string: Text,
    #[serde(rename = "MsgID", alias = "MsgId")]
    msgid: Text,
    error_code: Text,
    error_status: Text,
}

/// Reads a plain push body, XML or JSON.
///
/// # Errors
/// [`CallbackError::TooLarge`], [`CallbackError::Doctype`], or [`CallbackError::Malformed`] when a field that the
/// event needs is absent or not a number.
///
/// ```
/// use hongyan_wechat::callback::event::{Event, ReceiptStatus, parse};
///
/// let body = br#"{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1395658920,"MsgType":"event",
///     "Event":"TEMPLATESENDJOBFINISH","MsgID":3557254367693750277,"Status":"success"}"#;
/// let Event::TemplateSendJobFinish(receipt) = parse(body)? else { unreachable!() };
/// assert_eq!((receipt.msgid, receipt.status), (3557254367693750277, ReceiptStatus::Success));
/// # Ok::<(), hongyan_wechat::callback::CallbackError>(())
/// ```
pub fn parse(body: &[u8]) -> Result<Event, CallbackError> {
    let fields: Fields = body::parse(body::text(body)?)?;
    let msg_type = present(fields.msg_type.as_ref(), "it has no MsgType")?;
    if msg_type != "event" {
        return Ok(Event::Message {
            msg_type: msg_type.to_owned(),
        });
    }
    let event = present(fields.event.as_ref(), "it has no Event")?.to_owned();
    match event.as_str() {
        "TEMPLATESENDJOBFINISH" => receipt(&fields).map(Event::TemplateSendJobFinish),
        "subscribe" => header(&fields).map(Event::Subscribe),
        "unsubscribe" => header(&fields).map(Event::Unsubscribe),
        "subscribe_msg_popup_event" => {
            let header = header(&fields)?;
            let list = choices(fields.list, fields.subscribe_msg_popup_event);
            Ok(Event::SubscribeMsgPopup(Subscriptions { header, list }))
        }
        "subscribe_msg_change_event" => {
            let header = header(&fields)?;
            let list = choices(fields.list, fields.subscribe_msg_change_event);
            Ok(Event::SubscribeMsgChange(Subscriptions { header, list }))
        }
        "subscribe_msg_sent_event" => {
            let header = header(&fields)?;
            let items = either(fields.list, fields.subscribe_msg_sent_event);
            let list = items.into_iter().map(outcome).collect::<Result<_, _>>()?;
            Ok(Event::SubscribeMsgSent(SubscriptionReceipts {
                header,
                list,
            }))
        }
        _ => Ok(Event::Other { event }),
    }
}

fn receipt(fields: &Fields) -> Result<Receipt, CallbackError> {
    let Header {
        to_user_name,
        openid,
        create_time,
    } = header(fields)?;
    let msgid = number(
        present(fields.msgid.as_ref(), "it has no MsgID")?,
        "its MsgID is not a number",
    )?;
    let status = ReceiptStatus::parse(present(fields.status.as_ref(), "it has no Status")?);
    Ok(Receipt {
        to_user_name,
        openid,
        create_time,
        msgid,
        status,
    })
}

fn header(fields: &Fields) -> Result<Header, CallbackError> {
    let created = present(fields.create_time.as_ref(), "it has no CreateTime")?;
    Ok(Header {
        to_user_name: present(fields.to_user_name.as_ref(), "it has no ToUserName")?.to_owned(),
        openid: present(fields.from_user_name.as_ref(), "it has no FromUserName")?.to_owned(),
        create_time: number(created, "its CreateTime is not a number")?,
    })
}

fn either(list: OneOrMany<Item>, wrapped: Items) -> Vec<Item> {
    if wrapped.list.is_empty() {
        list.0
    } else {
        wrapped.list
    }
}

fn choices(list: OneOrMany<Item>, wrapped: Items) -> Vec<Subscription> {
    let items = either(list, wrapped).into_iter();
    items
        .map(|item| Subscription {
            template_id: item.template_id.0,
            status: item.subscribe_status_string.0,
        })
        .collect()
}

fn outcome(item: Item) -> Result<SubscriptionReceipt, CallbackError> {
    Ok(SubscriptionReceipt {
        msgid: item.msgid.0.trim().parse().ok(),
        error_code: number(&item.error_code.0, "its ErrorCode is not a number")?,
        template_id: item.template_id.0,
        error_status: item.error_status.0,
    })
}

fn present<'f>(field: Option<&'f Text>, absent: &'static str) -> Result<&'f str, CallbackError> {
    field
        .map(|text| text.0.as_str())
        .ok_or(CallbackError::Malformed(absent))
}

fn number(text: &str, wrong: &'static str) -> Result<i64, CallbackError> {
    text.trim()
        .parse()
        .map_err(|_| CallbackError::Malformed(wrong))
}
