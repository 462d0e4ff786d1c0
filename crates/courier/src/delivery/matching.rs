//! Which message a receipt means that names none: WeChat's event for a subscription message tells openid, template and
//! time alone. It is joined only where exactly one message can be meant; a wrong join would be a lie to somebody.

use std::time::Duration;

use hongyan_wechat::errcode::{Class, classify};

use super::Delivery;
use crate::kind::{Kind, ReceiptBy};
use crate::message::{Message, MessageId, Status};
use crate::recipient::forget::PSEUDONYM;
use crate::time::UnixMs;

/// How long after a call the time that its event tells can be, at the most. The event tells when WeChat sent the message,
/// not when it got round to saying so; and a receipt that was lost must not keep those of later messages from being joined.
pub const EVENT_AFTER_CALL: Duration = Duration::from_secs(3_600);
/// How far WeChat's clock can be behind ours.
pub const CLOCKS_APART: Duration = Duration::from_secs(60);
/// The most messages that are looked through for one receipt; where there are more, it stays unmatched.
pub const MATCH_AMONG: usize = 200;

/// Whether a receipt for this openid can be about a message to `touser`, who may have been forgotten since. One that names
/// the call of somebody else's message is not believed.
#[must_use]
pub fn may_be_to(touser: &str, openid: &str) -> bool {
    touser == openid || touser.starts_with(PSEUDONYM)
}

impl Delivery {
    /// Whether a receipt that names no call can be about this message: it was called at about that time, WeChat may have
    /// taken it, and nothing was heard of it since.
    #[must_use]
    pub fn can_be_meant(&self, kind: Kind, event_at: UnixMs) -> bool {
        if kind.traits().receipt != ReceiptBy::Match || self.msgid.is_some() {
            return false;
        }
        let open = match self.status {
            Status::Sent | Status::Unconfirmed => true,
            Status::Sending => self.call_started_at.is_some() || self.old_doubt,
            // Sent anew by force while nobody knows what became of the former call.
            Status::Queued => self.old_doubt,
            _ => false,
        };
        let (from, to) = (
            event_at.minus(EVENT_AFTER_CALL),
            event_at.plus(CLOCKS_APART),
        );
        let near = |at: UnixMs| from <= at && at <= to;
        let may_be_taken = |errcode: Option<i64>| match errcode {
            None => true,
            Some(code) => matches!(
                classify(kind.traits().endpoint, code),
                Class::Ok | Class::Busy
            ),
        };
        let called = self
            .attempts
            .iter()
            .any(|call| near(call.at) && may_be_taken(call.errcode));
        open && (called || self.call_started_at.is_some_and(near) || self.doubt.is_some_and(near))
    }
}

/// The one message among these that a receipt without msgid can mean, if it is one alone.
pub fn the_one_meant<'a>(
    messages: impl IntoIterator<Item = &'a Message>,
    template_id: &str,
    event_at: UnixMs,
) -> Option<MessageId> {
    let mut meant = messages.into_iter().filter(|message| {
        message.content.template_id == template_id
            && message
                .delivery
                .can_be_meant(message.content.kind, event_at)
    });
    let first = meant.next()?;
    meant.next().is_none().then_some(first.id)
}
