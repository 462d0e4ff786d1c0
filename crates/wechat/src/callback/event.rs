//! What a push says: receipts of template messages, subscription events, followers coming and going.
//! Reads plain bodies, XML or JSON; whether to believe one is `open`'s to decide.

use super::CallbackError;
use super::body::{self, Body, Text};
use super::fields::{HeaderFields, Item, Kind, Lists, ReceiptFields};

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

impl Event {
    /// The event's name, or the type of a message: `subscribe`, `CLICK`, `text`, ...
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::TemplateSendJobFinish(_) => "TEMPLATESENDJOBFINISH",
            Self::SubscribeMsgPopup(_) => "subscribe_msg_popup_event",
            Self::SubscribeMsgChange(_) => "subscribe_msg_change_event",
            Self::SubscribeMsgSent(_) => "subscribe_msg_sent_event",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Other { event } => event,
            Self::Message { msg_type } => msg_type,
        }
    }
}

/// Who, to whom, and when.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The account's original id (`gh_...`).
    pub to_user_name: String,
    /// The user's openid (`FromUserName`).
    pub openid: String,
    /// Unix seconds, by WeChat's clock.
    pub create_time: i64,
}

crate::debug_without!(
    Header: to_user_name, create_time; openid
);

/// WeChat's later word on a template message.
#[derive(Clone, PartialEq, Eq)]
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
    /// The same in WeChat's own words, as pushed.
    pub raw_status: String,
}

crate::debug_without!(Receipt: to_user_name, create_time, msgid, status, raw_status; openid);

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
    let body = Body::new(body::text(body)?)?;
    // Its kind first: a push that nobody here asks for is named and passed on, in whatever shape its fields are.
    let kind: Kind = body.fields()?;
    let msg_type = present(kind.msg_type.as_ref(), "it has no MsgType")?;
    if msg_type != "event" {
        return Ok(Event::Message {
            msg_type: msg_type.to_owned(),
        });
    }
    match present(kind.event.as_ref(), "it has no Event")? {
        "TEMPLATESENDJOBFINISH" => receipt(&body).map(Event::TemplateSendJobFinish),
        "subscribe" => header(&body).map(Event::Subscribe),
        "unsubscribe" => header(&body).map(Event::Unsubscribe),
        "subscribe_msg_popup_event" => {
            choices(&body, Lists::of_popup).map(Event::SubscribeMsgPopup)
        }
        "subscribe_msg_change_event" => {
            choices(&body, Lists::of_change).map(Event::SubscribeMsgChange)
        }
        "subscribe_msg_sent_event" => {
            let header = header(&body)?;
            let items = body.fields::<Lists>()?.of_sent();
            let list = items.into_iter().map(outcome).collect::<Result<_, _>>()?;
            Ok(Event::SubscribeMsgSent(SubscriptionReceipts {
                header,
                list,
            }))
        }
        other => Ok(Event::Other {
            event: other.to_owned(),
        }),
    }
}

/// Reads who pushed to whom, and when, of a plain push of any sort.
///
/// # Errors
/// As [`parse`].
pub fn header_of_push(body: &[u8]) -> Result<Header, CallbackError> {
    header(&Body::new(body::text(body)?)?)
}

fn receipt(body: &Body<'_>) -> Result<Receipt, CallbackError> {
    let fields: ReceiptFields = body.fields()?;
    let Header {
        to_user_name,
        openid,
        create_time,
    } = header_of(HeaderFields {
        to_user_name: fields.to_user_name,
        from_user_name: fields.from_user_name,
        create_time: fields.create_time,
    })?;
    let msgid = number(
        present(fields.msgid.as_ref(), "it has no MsgID")?,
        "its MsgID is not a number",
    )?;
    let raw_status = owned(fields.status, "it has no Status")?;
    let status = ReceiptStatus::parse(&raw_status);
    Ok(Receipt {
        to_user_name,
        openid,
        create_time,
        msgid,
        status,
        raw_status,
    })
}

fn header(body: &Body<'_>) -> Result<Header, CallbackError> {
    header_of(body.fields()?)
}

fn header_of(fields: HeaderFields) -> Result<Header, CallbackError> {
    let created = present(fields.create_time.as_ref(), "it has no CreateTime")?;
    let create_time = number(created, "its CreateTime is not a number")?;
    Ok(Header {
        to_user_name: owned(fields.to_user_name, "it has no ToUserName")?,
        openid: owned(fields.from_user_name, "it has no FromUserName")?,
        create_time,
    })
}

fn choices(
    body: &Body<'_>,
    of: impl FnOnce(Lists) -> Vec<Item>,
) -> Result<Subscriptions, CallbackError> {
    let header = header(body)?;
    let items = of(body.fields()?).into_iter();
    let list = items
        .map(|item| Subscription {
            template_id: item.template_id.0,
            status: item.subscribe_status_string.0,
        })
        .collect();
    Ok(Subscriptions { header, list })
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

fn owned(field: Option<Text>, absent: &'static str) -> Result<String, CallbackError> {
    field
        .map(|text| text.0)
        .ok_or(CallbackError::Malformed(absent))
}

fn number(text: &str, wrong: &'static str) -> Result<i64, CallbackError> {
    text.trim()
        .parse()
        .map_err(|_| CallbackError::Malformed(wrong))
}
