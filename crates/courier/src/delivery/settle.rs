//! A call is over: what becomes of its message. An acceptance settles the row whoever holds the lease by now;
//! a refusal speaks for its own call and needs the lease; nothing lowers `sent` or an end.

use std::time::Duration;

use hongyan_wechat::errcode::Class;

use super::{Attempt, Delivery, Policy};
use crate::account::{Flag, FlagSubject};
use crate::kind::ReceiptBy;
use crate::message::{Content, Kind, MessageId, Reason, Status};
use crate::next::{Next, REPEAT_AFTER, Roll, Tries, Verdict, next, repeat_after};
use crate::recipient::News;
use crate::template::stop::Stop;
use crate::time::UnixMs;

/// WeChat refuses the same content to the same openid within a minute (40241). What went out in this time before a call
/// makes its content not unique: the minute, and a little for calls that were slow.
pub const CONTENT_MINUTE: Duration = Duration::from_secs(90);

/// How a leased message's turn went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// WeChat took it.
    Accepted {
        /// Where the kind has one.
        msgid: Option<i64>,
    },
    /// WeChat gave a definite errcode other than 0.
    Answered {
        /// What kind of answer it is.
        class: Class,
        /// The number itself.
        errcode: i64,
    },
    /// The first byte may have gone out, and no definite answer came back.
    InDoubt,
    /// No byte went out: no connection, no token, no permission.
    NotCalled {
        /// Not to be tried before.
        until: UnixMs,
        /// Shown while it waits.
        reason: Reason,
    },
    /// No byte went out, nor ever will: the message cannot be written as a request.
    Unwritable,
}

/// What a node reports of one leased message.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The message.
    pub id: MessageId,
    /// The generation that was sent.
    pub generation: u32,
    /// The lease under which it was sent.
    pub lease_seq: u32,
    /// How it went.
    pub outcome: Outcome,
    /// The call, if one was made.
    pub attempt: Option<Attempt>,
    /// The account's settings.
    pub policy: Policy,
    /// For the jitter of what follows.
    pub roll: Roll,
}

/// What the settlement did; the store writes msgid, flag, stop and news beside the row.
#[derive(Clone, Default, PartialEq)]
pub struct Settled {
    /// A msgid by which a receipt will be known, with its generation.
    pub msgid: Option<(i64, u32)>,
    /// What is to be flagged.
    pub flag: Option<Flag>,
    /// What it tells of the recipient, with whose openid.
    pub news: Option<(String, News)>,
    /// Its template is not to be used until somebody has looked.
    pub stop: Option<Stop>,
}

hongyan_wechat::debug_without!(Settled: msgid, flag, stop; news);

/// The last of the planned repeats is due so long before the window closes, at the latest.
const LAST_REPEAT: Duration = Duration::from_secs(10);

impl Delivery {
    /// Applies a settlement. `content_is_unique` says that no other message of the same content went to the same openid
    /// in the minute before; only then does "duplicate" prove that a call of this message was accepted.
    pub fn settle(
        &mut self,
        content: &Content,
        s: &Settlement,
        content_is_unique: bool,
        now: UnixMs,
    ) -> Settled {
        let holds = self.holds(s.lease_seq);
        let tries = Tries {
            retries: self.retries,
            max_retries: s.policy.max_retries,
            last_errcode: self.last_errcode,
        };
        let called_at = s.attempt.as_ref().map_or(now, |attempt| attempt.at);
        if let Some(attempt) = &s.attempt {
            self.record(attempt.clone());
        }
        let mut settled = Settled::default();
        match &s.outcome {
            Outcome::Accepted { msgid } => {
                // Nobody asks for it where no receipt is taken.
                let asked_for = msgid.filter(|_| s.policy.receipt_timeout.is_some());
                settled.msgid = asked_for.map(|msgid| (msgid, s.generation));
                settled.news = told(content, News::of_acceptance(content, called_at));
                self.accepted(content.kind, *msgid, s, holds, now);
            }
            Outcome::Answered { class, errcode } => {
                let decided = next(*class, tries, *errcode, now, s.roll);
                let news = News::of_answer(*class, *errcode, content, called_at);
                settled.news = told(content, news);
                settled.flag = decided
                    .flag
                    .map(|(subject, reason)| flag(content, subject, reason, *errcode, now));
                if matches!(decided.verdict, Verdict::Refused(_)) {
                    settled.stop = Stop::by_answer(content, *class, *errcode, now);
                }
                let unique =
                    content_is_unique && !self.called_for_an_older_generation(s, called_at);
                self.answered(content.kind, decided, s, (holds, unique, called_at), now);
            }
            Outcome::InDoubt if holds => self.doubt_or_end(content.kind, called_at, s, now),
            Outcome::NotCalled { until, reason } if holds => {
                self.again(content.kind, *until, Some(*reason), now);
            }
            Outcome::Unwritable if holds => {
                self.finish(Status::Failed, Some(Reason::InvalidRequest));
            }
            Outcome::InDoubt | Outcome::NotCalled { .. } | Outcome::Unwritable => {}
        }
        settled
    }

    /// WeChat may be refusing the content of a generation that it took a moment ago.
    fn called_for_an_older_generation(&self, s: &Settlement, called_at: UnixMs) -> bool {
        let recent = |call: &Attempt| call.at.plus(CONTENT_MINUTE) > called_at;
        self.attempts
            .iter()
            .any(|call| call.generation < s.generation && recent(call))
    }

    fn answered(
        &mut self,
        kind: Kind,
        decided: Next,
        s: &Settlement,
        (holds, unique, called_at): (bool, bool, UnixMs),
        now: UnixMs,
    ) {
        match decided.verdict {
            Verdict::Accepted => self.accepted(kind, None, s, holds, now),
            // The doubt is about this message alone: an earlier call of it got through.
            Verdict::Duplicate
                if self.doubt.is_some() && s.generation == self.generation && unique =>
            {
                self.accepted(kind, None, s, holds, now);
            }
            _ if !holds => {}
            // It may be another message's doing: ask again when WeChat's minute is over.
            Verdict::Duplicate if self.doubt.is_some() => {
                self.again(kind, now.plus(Duration::from_secs(61)), None, now);
            }
            Verdict::Duplicate => self.finish(Status::Failed, Some(Reason::DuplicateContent)),
            Verdict::Doubt => self.doubt_or_end(kind, called_at, s, now),
            Verdict::Refused(reason) => self.finish(Status::Failed, Some(reason)),
            Verdict::Again {
                reason,
                counts: true,
                ..
            } if self.retries >= s.policy.max_retries => {
                self.finish(Status::Failed, Some(reason));
            }
            Verdict::Again { at, counts, reason } => {
                self.retries += u16::from(counts);
                self.again(kind, at, Some(reason), now);
            }
        }
    }

    fn accepted(
        &mut self,
        kind: Kind,
        msgid: Option<i64>,
        s: &Settlement,
        holds: bool,
        now: UnixMs,
    ) {
        let late = s.generation != self.generation
            || (!holds && self.status.rank() >= Status::Sent.rank());
        if late {
            return;
        }
        self.end(Status::Sent, None);
        self.doubt = None;
        self.msgid = msgid;
        let awaited = kind.traits().receipt != ReceiptBy::Nothing;
        let timeout = s.policy.receipt_timeout.filter(|_| awaited);
        self.receipt_due = timeout.map(|timeout| now.plus(timeout));
    }

    /// The call may have been accepted: repeat it while WeChat would drop the repeat, else nobody can tell.
    fn doubt_or_end(&mut self, kind: Kind, called_at: UnixMs, s: &Settlement, now: UnixMs) {
        self.possibly_accepted(called_at);
        // A probe goes ahead of a message's turn, which comes all the same.
        if called_at < self.due_at {
            return self.again(kind, self.due_at, None, now);
        }
        let mut at = now.plus(repeat_after(self.repeats, s.roll));
        // Turns that came late in an outage must not push the last one out of the window.
        let last = self.window_end(kind).map(|end| end.minus(LAST_REPEAT));
        if let Some(last) = last.filter(|last| now < *last)
            && usize::from(self.repeats) < REPEAT_AFTER.len()
        {
            at = at.min(last);
        }
        self.repeats = self.repeats.saturating_add(1);
        self.again(kind, at, None, now);
    }

    /// Back to the queue, unless the doubt would outlast its window while it waits.
    fn again(&mut self, kind: Kind, at: UnixMs, reason: Option<Reason>, now: UnixMs) {
        if self.window_closed(kind, at.max(now)) {
            self.end(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        } else {
            self.requeue(at, reason);
        }
    }
}

fn told(content: &Content, news: Option<News>) -> Option<(String, News)> {
    news.map(|news| (content.touser.clone(), news))
}

fn flag(content: &Content, subject: FlagSubject, reason: Reason, errcode: i64, at: UnixMs) -> Flag {
    let key = match subject {
        FlagSubject::Account => content.account.as_str(),
        FlagSubject::Template => &content.template_id,
        FlagSubject::Recipient => &content.touser,
    };
    Flag {
        subject,
        key: key.to_owned(),
        reason,
        errcode: Some(errcode),
        at,
    }
}
