//! The vocabulary: a message, its status and the reasons for it, spelled as users see them.
//! What changes over a message's life is in `delivery`; here is what it is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::broadcast::BroadcastRow;
use crate::delivery::Delivery;
use crate::kind::Extras;
pub use crate::kind::Kind;
use crate::recipient::forget::PSEUDONYM;
use crate::time::UnixMs;

/// A message's id: a UUID of version 7, so ids sort by time. Shown as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

/// 2020 in Unix milliseconds: from here the numbers of ids are counted, and they have 18 digits until 2050.
const NUMBERS_BEGIN: i64 = 1_577_836_800_000;
/// So many of an id's random bits are in its number.
const RANDOM_BITS: u32 = 20;

impl MessageId {
    /// An id for a message accepted at `now`; the rest of it is random.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        let millis = u64::try_from(now.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
    }

    /// The least id that a message accepted at `now` or later can have.
    #[must_use]
    pub fn first_at(now: UnixMs) -> Self {
        let millis = u64::try_from(now.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }

    /// The sixteen bytes that a store keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The id as a number of at most 18 digits, for callers who know WeChat's msgids alone: those have 19. It is the time and
    /// 20 of the random bits, so now and then two messages have the same one.
    #[must_use]
    pub fn number(&self) -> i64 {
        let bytes = self.as_bytes();
        let millis = bytes[..6]
            .iter()
            .fold(0, |number, byte| number << 8 | i64::from(*byte));
        let random = i64::from(bytes[6] & 0x0f) << 16
            | i64::from(bytes[7]) << 8
            | i64::from(bytes[8] & 0x3f) << 2
            | i64::from(bytes[9] >> 6);
        (millis.saturating_sub(NUMBERS_BEGIN) << RANDOM_BITS | random) & i64::MAX
    }

    /// The least and the greatest id that have this [number](Self::number).
    #[must_use]
    pub fn of_number(number: i64) -> (Self, Self) {
        let millis = (number >> RANDOM_BITS).max(0) + NUMBERS_BEGIN;
        let millis = u64::try_from(millis).unwrap_or(0);
        let id = |rest: u8| {
            let mut random = [rest; 10];
            random[0] = (number >> 16) as u8 & 0x0f;
            random[1] = (number >> 8) as u8;
            random[2] = (number >> 2) as u8 & 0x3f;
            random[3] = (number << 6) as u8 | rest & 0x3f;
            Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
        };
        (id(0), id(u8::MAX))
    }

    /// What WeChat is given as `client_msg_id`: the id, and from the second generation on its number.
    #[must_use]
    pub fn on_the_wire(&self, generation: u32) -> String {
        if generation == 0 {
            self.to_string()
        } else {
            format!("{self}-{generation}")
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 32 hex digits were expected")]
pub struct NotAMessageId;

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        Uuid::try_parse(text).map(Self).map_err(|_| NotAMessageId)
    }
}

/// An account's name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

impl AccountName {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for AccountName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Spells a field-less enum as users see it, both ways, from one list.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that users see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of a word, if there is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Who goes first when there is more to send than slots.
    Priority {
        /// Someone waits for it: a code, a reminder.
        High = "high",
        /// The usual.
        Normal = "normal",
        /// A broadcast; it never starves the others.
        Bulk = "bulk",
    }
}

words! {
    /// Where a message stands.
    Status {
        /// Stored durably, waiting (also between retries).
        Queued = "queued",
        /// Leased by a node; a call to WeChat may be under way.
        Sending = "sending",
        /// WeChat accepted it.
        Sent = "sent",
        /// The receipt says that the user got it.
        Delivered = "delivered",
        /// Refused for good, by WeChat, by its receipt, or after the last retry.
        Failed = "failed",
        /// Not sent, because the recipient is suppressed.
        Suppressed = "suppressed",
        /// Cancelled by a caller before it was sent.
        Cancelled = "cancelled",
        /// `expires_at` passed before it could be sent.
        Expired = "expired",
        /// Nobody can tell.
        Unconfirmed = "unconfirmed",
    }
}

impl Status {
    /// Whether nothing will be sent any more without a caller's wish.
    #[must_use]
    pub fn ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending | Self::Sent)
    }

    /// A settlement may raise a message along this order and never lower it.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Queued | Self::Sending => 0,
            Self::Unconfirmed => 1,
            Self::Sent => 2,
            Self::Delivered | Self::Failed | Self::Suppressed | Self::Cancelled | Self::Expired => {
                3
            }
        }
    }
}

words! {
    /// Why a message stands where it stands.
    Reason {
        /// The access_token was rejected.
        TokenRejected = "token_rejected",
        /// The openid is not one of this account's.
        InvalidOpenid = "invalid_openid",
        /// The template cannot be used.
        InvalidTemplate = "invalid_template",
        /// WeChat refused the template's data.
        InvalidData = "invalid_data",
        /// WeChat refused the link or the mini-program target.
        InvalidLink = "invalid_link",
        /// WeChat refused the request as a whole.
        InvalidRequest = "invalid_request",
        /// The user does not follow the account.
        NotSubscribed = "not_subscribed",
        /// The user switched this notification off.
        UserRefused = "user_refused",
        /// The user blocked the account (receipt), or the account black-listed the user.
        UserBlocked = "user_blocked",
        /// The user's own WeChat account is frozen or gone.
        UserUnavailable = "user_unavailable",
        /// Too many messages to this user in a short time.
        FrequencyLimited = "frequency_limited",
        /// The account sends faster than WeChat takes.
        RateLimited = "rate_limited",
        /// The day's quota is spent.
        QuotaExhausted = "quota_exhausted",
        /// WeChat blocked the content.
        ContentBlocked = "content_blocked",
        /// The account is punished, blocked or lacks the capability.
        AccountUnusable = "account_unusable",
        /// WeChat cannot be reached.
        UpstreamUnavailable = "upstream_unavailable",
        /// WeChat answered with a code that nobody knows.
        UnknownCode = "unknown_code",
        /// The outcome of a call is in doubt, and the call may not be repeated.
        OutcomeUnknown = "outcome_unknown",
        /// WeChat accepted it, but the receipt never came.
        ReceiptMissing = "receipt_missing",
        /// The receipt says that WeChat's system failed.
        SystemFailed = "system_failed",
        /// WeChat had the same content for this user within the last minute.
        DuplicateContent = "duplicate_content",
        /// The receipt gives a cause that nobody knows.
        ReceiptFailed = "receipt_failed",
        /// A person does not want the recipient written to.
        SuppressedByOperator = "suppressed_by_operator",
        /// Its template is stopped: it waits until the template is resumed.
        TemplateStopped = "template_stopped",
        /// The template asks for other values than it did.
        TemplateEdited = "template_edited",
        /// The account no longer has the template.
        TemplateGone = "template_gone",
    }
}

/// What a caller handed over; it never changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The account that sends.
    pub account: AccountName,
    /// The client that handed it over.
    pub client: String,
    /// What sort of message it is.
    pub kind: Kind,
    /// Who goes first.
    pub priority: Priority,
    /// The recipient's openid.
    pub touser: String,
    /// WeChat's template id.
    pub template_id: String,
    /// The landing page.
    pub url: Option<String>,
    /// `{"appid": …, "pagepath": …}` as JSON text.
    pub miniprogram: Option<String>,
    /// `{"key": {"value": …}}` as JSON text.
    pub data: String,
    /// What its kind has besides.
    pub extras: Option<Box<Extras>>,
    /// The caller's own word for it.
    pub reference: Option<String>,
    /// Joins logs and traces.
    pub trace_id: Option<String>,
    /// Not to be sent before.
    pub send_at: Option<UnixMs>,
    /// The row of a broadcast that it was made of.
    pub broadcast: Option<BroadcastRow>,
}

hongyan_wechat::debug_without!(
    Content: account, client, kind, priority, template_id, trace_id, send_at, broadcast; touser, url, miniprogram, data, extras, reference
);

impl Content {
    /// Whether it goes out whatever is recorded against its recipient.
    #[must_use]
    pub fn overrides_suppression(&self) -> bool {
        let extras = self.extras.as_deref();
        extras.is_some_and(|extras| extras.override_suppression)
    }

    /// Whether its recipient was forgotten, so that it is a record and can be sent no more.
    #[must_use]
    pub fn names_nobody(&self) -> bool {
        self.touser.starts_with(PSEUDONYM)
    }
}

/// A message: a record and a job at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// When it was accepted.
    pub created_at: UnixMs,
    /// What was handed over.
    pub content: Arc<Content>,
    /// Where it stands.
    pub delivery: Delivery,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let (early, late) = (MessageId::new(UnixMs(1_000)), MessageId::new(UnixMs(2_000)));
        assert!(early < late);
        assert!(MessageId::first_at(UnixMs(2_000)) <= late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!("x".parse::<MessageId>(), Err(NotAMessageId));
    }

    #[test]
    fn a_number_leads_back_to_its_id() {
        for now in [NUMBERS_BEGIN, 1_795_400_000_000, 2_500_000_000_000] {
            for _ in 0..64 {
                let id = MessageId::new(UnixMs(now));
                let (least, greatest) = MessageId::of_number(id.number());
                assert!(least <= id && id <= greatest, "{id}");
                assert_eq!(
                    (least.number(), greatest.number()),
                    (id.number(), id.number())
                );
                assert!((0..1_000_000_000_000_000_000).contains(&id.number()));
            }
        }
        let (least, greatest) = MessageId::of_number(-1);
        assert!(least <= greatest);
    }

    #[test]
    fn words_go_both_ways() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.as_str()), Some(*status));
        }
        assert_eq!(Reason::from_word("nonsense"), None);
    }
}
