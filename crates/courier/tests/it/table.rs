//! Every kind × every code × every receipt: where the message stands, why, and whether it is called again; how its
//! recipient stands then, and whether its template is stopped. The table is written out by hand, from WeChat's codes, so that
//! a change of the rules shows here.

mod second;

use std::time::Duration;

use hongyan_courier::conformance::fixture::{NODE, NOW, POLICY, at, content};
use hongyan_courier::delivery::{
    Addressed, Attempt, Delivery, Lease, Look, Outcome, ReceiptRecord, ReceiptWord, Settlement,
};
use hongyan_courier::kind::{Kind, ReceiptBy};
use hongyan_courier::message::{Content, MessageId, Reason, Status};
use hongyan_courier::next::Roll;
use hongyan_courier::receipt::NewReceipt;
use hongyan_courier::recipient::{Following, News, Recipient};
use hongyan_courier::template::stop::StopCause;
use hongyan_wechat::callback::event::{ReceiptStatus, SubscriptionReceipt};
use hongyan_wechat::errcode::{KNOWN, classify};

use Reason::{
    AccountUnusable, ContentBlocked, DuplicateContent, FrequencyLimited, InvalidData, InvalidLink,
    InvalidOpenid, InvalidRequest, InvalidTemplate, NotSubscribed, OutcomeUnknown, QuotaExhausted,
    RateLimited, ReceiptFailed, SystemFailed, TokenRejected, UnknownCode, UpstreamUnavailable,
    UserBlocked, UserRefused, UserUnavailable,
};
use Status::{Delivered, Failed, Queued, Sent, Unconfirmed};

/// What a first call that is answered with one of these codes comes to; the same for every kind.
const ANSWERS: &[(&[i64], Status, Option<Reason>)] = &[
    (&[0], Sent, None),
    (&[40001, 40014, 42001], Queued, Some(TokenRejected)),
    (&[43108, 43117], Queued, Some(FrequencyLimited)),
    (&[45011], Queued, Some(RateLimited)),
    (&[45009, 45040, 45104, 48006], Queued, Some(QuotaExhausted)),
    (&[40037, 43100], Queued, Some(InvalidTemplate)),
    (&[48017], Queued, Some(UpstreamUnavailable)),
    (&[99_999], Queued, Some(UnknownCode)),
    (
        &[
            40125, 40243, 40013, 40002, 41002, 41004, 40164, 45035, 61004, 89501, 89502, 89503,
            89504, 89505, 89506, 89507, 45102, 45501, 48004, 50004, 50007, 43104, 45103, 48001,
            48008, 48009,
        ],
        Queued,
        Some(AccountUnusable),
    ),
    (&[40003, 49003], Failed, Some(InvalidOpenid)),
    (
        &[40062, 45002, 45005, 45012, 45013, 45014, 47003],
        Failed,
        Some(InvalidData),
    ),
    (
        &[40039, 40165, 40166, 40168, 41030, 45051, 45082],
        Failed,
        Some(InvalidLink),
    ),
    (
        &[
            40004, 40008, 40033, 40035, 40097, 41001, 41009, 41011, 43001, 43002, 43003, 44002,
            45015, 45021, 45047, 47001, 47002, 9_001_001,
        ],
        Failed,
        Some(InvalidRequest),
    ),
    (
        &[40036, 40081, 40176, 48011, 43107, 43116],
        Failed,
        Some(InvalidTemplate),
    ),
    (&[40249, 45168], Failed, Some(ContentBlocked)),
    (&[43004, 50005], Failed, Some(NotSubscribed)),
    (&[43101, 48002], Failed, Some(UserRefused)),
    (&[43019], Failed, Some(UserBlocked)),
    (&[50002], Failed, Some(UserUnavailable)),
    (&[40241, 44007], Failed, Some(DuplicateContent)),
];

/// How a recipient stands, what is held back from then on and whether whatever the template, and whether WeChat is to be
/// asked if the user follows.
type Heard = (Following, Option<(Reason, bool)>, bool);

const NOTHING: Heard = (Following::Unknown, None, false);

/// What an answer with one of these codes says of the recipient; all others say nothing. The same for every kind.
const RECIPIENTS: &[(&[i64], Heard)] = &[
    (&[43004, 50005], (Following::Unknown, None, true)),
    (
        &[43101, 48002],
        (Following::Unknown, Some((UserRefused, false)), false),
    ),
    (
        &[43019],
        (Following::Blacklisted, Some((UserBlocked, true)), false),
    ),
    (
        &[50002],
        (Following::Dead, Some((UserUnavailable, true)), false),
    ),
    (
        &[40003, 49003],
        (Following::Unknown, Some((InvalidOpenid, true)), false),
    ),
    (
        &[43117],
        (Following::Unknown, Some((FrequencyLimited, true)), false),
    ),
];

/// Which codes stop the template at once, and whether they do so of a template that is in no list too.
const TEMPLATES: &[(&[i64], StopCause, bool)] = &[
    (&[40036, 40081, 40176, 48011], StopCause::Unusable, false),
    (&[43107, 43116], StopCause::Restricted, true),
    (&[40249, 45168], StopCause::ContentBlocked, true),
];

/// Those that leave it open whether WeChat took the call.
const DOUBT: [i64; 5] = [-1, 61450, 200_001, 268_487_001, 268_487_002];

/// What a receipt says, and why the message failed if it did.
const RECEIPTS: [(&str, Option<Reason>); 5] = [
    ("success", None),
    ("failed:user block", Some(UserBlocked)),
    ("failed: system failed", Some(SystemFailed)),
    ("failed:freq limit", Some(FrequencyLimited)),
    ("failed:something new", Some(ReceiptFailed)),
];

/// The same for an event of a subscription message, by its code and words.
const EVENTS: [(i64, &str, Option<Reason>); 7] = [
    (0, "success", None),
    (43101, "user refuse to accept the msg", Some(UserRefused)),
    (43004, "require subscribe", Some(NotSubscribed)),
    (-1, "system error", Some(SystemFailed)),
    (43117, "too frequently", Some(FrequencyLimited)),
    (45168, "sensitive word", Some(ContentBlocked)),
    (99_999, "failed:user block", Some(UserBlocked)),
];

/// What WeChat's later word says of the recipient, by the reason that it gives the message.
fn heard_later(reason: Option<Reason>) -> Heard {
    match reason {
        Some(why @ (UserBlocked | FrequencyLimited)) => {
            (Following::Unknown, Some((why, true)), false)
        }
        Some(UserRefused) => (Following::Unknown, Some((UserRefused, false)), false),
        _ => NOTHING,
    }
}

struct Row {
    content: Content,
    delivery: Delivery,
    recipient: Recipient,
    stop: Option<StopCause>,
    calls: u32,
}

impl Row {
    fn of(kind: Kind) -> Self {
        Self {
            content: Content {
                kind,
                ..content("o1")
            },
            delivery: Delivery::queued(NOW, None),
            recipient: Recipient::default(),
            stop: None,
            calls: 0,
        }
    }

    /// One turn: leased, looked at, called, and answered so.
    fn turn(&mut self, outcome: Outcome, seconds: u64) {
        let now = at(seconds);
        self.delivery.take_lease(Lease {
            node: NODE.into(),
            epoch: 1,
            at: now,
        });
        let lease_seq = self.delivery.lease_seq;
        let look = self.delivery.look(self.content.kind, lease_seq, None, now);
        assert_eq!(look, Look::Go);
        let marked = self.delivery.call_started_at.is_some();
        assert_eq!(marked, !self.content.kind.repeatable(), "the mark");
        self.calls += 1;
        let errcode = match &outcome {
            Outcome::Accepted { .. } => Some(0),
            Outcome::Answered { errcode, .. } => Some(*errcode),
            _ => None,
        };
        let settlement = Settlement {
            id: MessageId::new(now),
            generation: self.delivery.generation,
            lease_seq,
            attempt: Some(Attempt {
                at: now,
                errcode,
                errmsg: String::new(),
                rid: None,
                took_ms: 1,
                msgid: None,
                generation: self.delivery.generation,
            }),
            outcome,
            policy: POLICY,
            roll: Roll(0.5),
        };
        let content = self.content.clone();
        let settled = self.delivery.settle(&content, &settlement, true, now);
        if let Some((openid, news)) = settled.news {
            assert_eq!(openid, self.content.touser);
            self.recipient.hear(&news, now);
        }
        self.stop = settled.stop.map(|stop| stop.cause);
    }

    fn answered(&mut self, errcode: i64, seconds: u64) {
        let class = classify(self.content.kind.traits().endpoint, errcode);
        let outcome = match errcode {
            0 => self.acceptance(),
            errcode => Outcome::Answered { class, errcode },
        };
        self.turn(outcome, seconds);
    }

    fn acceptance(&self) -> Outcome {
        let named = self.content.kind.traits().receipt == ReceiptBy::Msgid;
        Outcome::Accepted {
            msgid: named.then_some(7),
        }
    }

    fn told(&mut self, word: ReceiptWord, status: &str, seconds: u64) {
        let by = match self.content.kind.traits().receipt {
            ReceiptBy::Msgid => Addressed::Msgid(7),
            ReceiptBy::Match | ReceiptBy::Nothing => Addressed::Match,
        };
        let said = (word, ReceiptRecord::new(status, at(seconds)));
        let content = self.content.clone();
        let settings = (POLICY, Roll(0.5));
        let received = self
            .delivery
            .receive(&content, by, said, settings, at(seconds));
        let receipt = NewReceipt {
            account: content.account,
            msgid: 7,
            template_id: (by == Addressed::Match).then_some(content.template_id),
            openid: content.touser,
            word,
            status: status.to_owned(),
            create_time: at(seconds).0 / 1_000,
            policy: POLICY,
            roll: Roll(0.5),
        };
        if let Some(news) = News::of_joined(&receipt, &received.effect, false, at(seconds)) {
            self.recipient.hear(&news, at(seconds));
        }
    }

    fn heard(&self) -> Heard {
        let known = &self.recipient;
        let held = known.suppressions.first();
        assert!(known.suppressions.len() < 2);
        let held = held.map(|one| (one.reason, one.template_id.is_none()));
        (known.state, held, known.confirm_at.is_some())
    }

    fn stands(&self) -> (Status, Option<Reason>) {
        (self.delivery.status, self.delivery.reason)
    }
}

#[test]
fn every_code_has_its_place_for_every_kind() {
    let listed: Vec<i64> = ANSWERS
        .iter()
        .flat_map(|(codes, ..)| *codes)
        .copied()
        .collect();
    for code in KNOWN {
        assert!(
            listed.contains(code) || DOUBT.contains(code),
            "{code} is not in the table"
        );
    }
    for kind in Kind::ALL {
        for (codes, status, reason) in ANSWERS {
            for code in *codes {
                let mut row = Row::of(*kind);
                row.answered(*code, 0);
                assert_eq!(row.stands(), (*status, *reason), "{kind} {code}");
                assert_eq!(row.delivery.doubt, None, "{kind} {code}");
                assert_eq!(row.heard(), heard_at_once(*code), "{kind} {code}");
                assert_eq!(row.stop, stopped_at_once(*kind, *code), "{kind} {code}");
            }
        }
    }
}

fn heard_at_once(code: i64) -> Heard {
    let found = RECIPIENTS.iter().find(|(codes, _)| codes.contains(&code));
    found.map_or(NOTHING, |(_, heard)| *heard)
}

fn stopped_at_once(kind: Kind, code: i64) -> Option<StopCause> {
    let found = TEMPLATES.iter().find(|(codes, ..)| codes.contains(&code));
    let found = found.filter(|(.., of_any)| *of_any || kind != Kind::OneTime);
    found.map(|(_, cause, _)| *cause)
}

#[test]
fn a_code_that_is_said_twice_is_believed() {
    for kind in Kind::ALL {
        for (code, reason) in [(40037, InvalidTemplate), (99_999, UnknownCode)] {
            let mut row = Row::of(*kind);
            row.answered(code, 0);
            row.answered(code, 60);
            assert_eq!(row.stands(), (Failed, Some(reason)), "{kind} {code}");
            let denied = code == 40037 && *kind != Kind::OneTime;
            assert_eq!(row.stop, denied.then_some(StopCause::Unknown), "{kind}");
        }
    }
}

#[test]
fn doubt_is_repeated_where_wechat_would_know_the_repeat_and_nowhere_else() {
    for kind in Kind::ALL {
        let codes = DOUBT.map(|errcode| {
            let class = classify(kind.traits().endpoint, errcode);
            Outcome::Answered { class, errcode }
        });
        for outcome in codes.into_iter().chain([Outcome::InDoubt]) {
            let mut row = Row::of(*kind);
            row.turn(outcome.clone(), 0);
            assert_eq!((row.heard(), row.stop), (NOTHING, None));
            if kind.repeatable() {
                assert_eq!(row.stands(), (Queued, None), "{kind} {outcome:?}");
                assert!(row.delivery.may_be_repeated(*kind, at(479)));
                assert!(!row.delivery.may_be_repeated(*kind, at(480)));
            } else {
                let ended = (Unconfirmed, Some(OutcomeUnknown));
                assert_eq!(row.stands(), ended, "{kind} {outcome:?}");
                assert!(row.delivery.retry(&row.content, false, at(1)).is_err());
            }
        }
    }
}

#[test]
fn a_crash_after_the_mark_is_doubt_for_every_kind() {
    for kind in Kind::ALL {
        let mut row = Row::of(*kind);
        row.delivery.take_lease(Lease {
            node: NODE.into(),
            epoch: 1,
            at: NOW,
        });
        let lease_seq = row.delivery.lease_seq;
        row.delivery.look(*kind, lease_seq, None, NOW);
        row.delivery.take_back(*kind, at(1));
        let status = if kind.repeatable() {
            Queued
        } else {
            Unconfirmed
        };
        assert_eq!(row.delivery.status, status, "{kind}");
        assert!(row.delivery.doubtful());
    }
}

/// What a receipt makes of a message that WeChat took.
fn settled(kind: Kind, reason: Option<Reason>) -> (Status, Option<Reason>) {
    match reason {
        None => (Delivered, None),
        // WeChat knows which call it was, and that it failed: another may follow.
        Some(SystemFailed) if kind.repeatable() => (Queued, Some(SystemFailed)),
        Some(reason) => (Failed, Some(reason)),
    }
}

#[test]
fn every_receipt_has_its_place() {
    for (status, reason) in RECEIPTS {
        let word = ReceiptWord::from(&ReceiptStatus::parse(status));
        let mut row = Row::of(Kind::Template);
        row.answered(0, 0);
        row.told(word, status, 1);
        assert_eq!(row.stands(), settled(Kind::Template, reason), "{status}");
        assert_eq!(
            (row.heard(), row.stop),
            (heard_later(reason), None),
            "{status}"
        );
        assert_eq!(row.delivery.receipt.unwrap().status, status);
    }
}

#[test]
fn every_event_has_its_place_and_sends_nothing_again() {
    for kind in [Kind::Subscription, Kind::MiniProgram] {
        for (code, text, reason) in EVENTS {
            let word = ReceiptWord::from(&SubscriptionReceipt {
                template_id: "t".into(),
                msgid: Some(1),
                error_code: code,
                error_status: text.into(),
            });
            for outcome in [None, Some(Outcome::InDoubt)] {
                let mut row = Row::of(kind);
                match outcome {
                    None => row.answered(0, 0),
                    Some(outcome) => row.turn(outcome, 0),
                }
                row.told(word, text, 1);
                assert_eq!(row.stands(), settled(kind, reason), "{kind} {code} {text}");
                let heard = (heard_later(reason), None);
                assert_eq!((row.heard(), row.stop), heard, "{kind} {code} {text}");
                assert_eq!(row.calls, 1);
            }
        }
    }
}

#[test]
fn of_two_words_the_success_wins_and_the_other_is_kept() {
    for kind in [Kind::Template, Kind::Subscription, Kind::MiniProgram] {
        for (status, reason) in RECEIPTS.into_iter().skip(1) {
            let failed = (ReceiptWord::Failed(reason.unwrap()), status);
            let success = (ReceiptWord::Success, "success");
            for words in [[failed, success], [success, failed]] {
                let mut row = Row::of(kind);
                row.answered(0, 0);
                for (word, status) in words {
                    row.told(word, status, 1);
                }
                assert_eq!(row.stands(), (Delivered, None), "{kind} {words:?}");
                assert_eq!(row.heard(), NOTHING, "{kind} {words:?}");
                let receipt = row.delivery.receipt.unwrap();
                assert_eq!(receipt.status, "success");
                assert_eq!(receipt.outweighed, [status]);
            }
        }
    }
}

#[test]
fn a_missing_receipt_ends_what_awaits_one() {
    let timeout = POLICY.receipt_timeout.unwrap_or(Duration::ZERO);
    for kind in Kind::ALL {
        let mut row = Row::of(*kind);
        row.answered(0, 0);
        let missed = row.delivery.miss_receipt(NOW.plus(timeout));
        let awaits = kind.traits().receipt != ReceiptBy::Nothing;
        assert_eq!(missed, awaits, "{kind}");
        if awaits {
            let ended = (Unconfirmed, Some(Reason::ReceiptMissing));
            assert_eq!(row.stands(), ended);
            row.told(ReceiptWord::Success, "success", 1);
            assert_eq!(row.stands(), (Delivered, None));
        }
    }
}
