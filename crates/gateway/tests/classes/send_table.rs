//! Every errcode that a send may be answered with, and where its message stands after the first such answer.
//! `flag` is what a human should heed from then on, under the message's reason.

use crate::rig::Step;

/// What follows from any of `codes` after one call.
pub(crate) struct Row {
    pub(crate) codes: &'static [i64],
    pub(crate) status: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) flag: Option<&'static str>,
    pub(crate) waits: Waits,
}

/// How long a message that stays queued waits for its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It has ended.
    No,
    /// Until there is a new token.
    ForToken,
    /// So many seconds, from and to.
    Seconds(i64, i64),
    NextMinute,
    /// So many seconds, because its account stands still.
    Stopped(i64),
    /// The same, until the day changes in Beijing.
    NextDay,
}

impl Waits {
    /// It is called again within a few seconds, whatever its account does meanwhile.
    pub(crate) fn is_short(self) -> bool {
        matches!(self, Self::Seconds(_, to) if to < 5)
    }

    /// It is due again within seconds, and it is its account that stands still.
    pub(crate) fn is_for_account(self) -> bool {
        matches!(self, Self::Stopped(60) | Self::NextDay)
    }

    /// It is not called again while a test looks on.
    pub(crate) fn is_long(self) -> bool {
        match self {
            Self::Seconds(from, _) => from >= 30,
            Self::Stopped(_) | Self::NextDay => true,
            Self::No | Self::ForToken | Self::NextMinute => false,
        }
    }
}

impl Row {
    pub(crate) fn step(&self) -> Step {
        (self.status, self.reason)
    }
}

use Waits::{ForToken, NextDay, NextMinute, No, Seconds, Stopped};

const fn ends(codes: &'static [i64], reason: &'static str, flag: Option<&'static str>) -> Row {
    Row {
        codes,
        status: "failed",
        reason: Some(reason),
        flag,
        waits: No,
    }
}

const fn waits(
    codes: &'static [i64],
    reason: &'static str,
    flag: Option<&'static str>,
    waits: Waits,
) -> Row {
    Row {
        codes,
        status: "queued",
        reason: Some(reason),
        flag,
        waits,
    }
}

const NOTHING: Option<&str> = None;
const ACCOUNT: Option<&str> = Some("account");
const TEMPLATE: Option<&str> = Some("template");
const RECIPIENT: Option<&str> = Some("recipient");

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // Accepted.
    Row { codes: &[0], status: "sent", reason: None, flag: NOTHING, waits: No },
    // WeChat cannot say: repeated with the same client_msg_id while it would drop a repeat.
    Row { codes: &[-1, 61450, 200_001, 268_487_001, 268_487_002], status: "queued", reason: None, flag: NOTHING, waits: Seconds(1, 3) },
    // The token is stale: a new one, then again. No retry is spent.
    waits(&[40001, 40014, 42001], "token_rejected", NOTHING, ForToken),
    // Too fast, or a day's quota spent.
    waits(&[45011], "rate_limited", NOTHING, NextMinute),
    waits(&[43108, 43117], "frequency_limited", RECIPIENT, Seconds(60, 180)),
    waits(&[43100], "invalid_template", TEMPLATE, Seconds(30, 30)),
    waits(&[45009, 45040, 45104, 48006], "quota_exhausted", ACCOUNT, NextDay),
    // The address is retired: another try at another one.
    waits(&[48017], "upstream_unavailable", NOTHING, Seconds(1, 1)),
    // The message can never be accepted.
    ends(&[40003, 49003], "invalid_openid", RECIPIENT),
    ends(&[40062, 45002, 45005, 45012, 45013, 45014, 47003], "invalid_data", NOTHING),
    ends(&[40039, 40165, 40166, 40168, 41030, 45051, 45082], "invalid_link", NOTHING),
    ends(&[40004, 40008, 40033, 40035, 40097, 41001, 41009, 41011, 43001, 43002, 43003, 44002, 45015, 45021, 45047,
           47001, 47002, 9_001_001], "invalid_request", NOTHING),
    // The template. 40037 is believed when it is said twice, half a minute apart.
    waits(&[40037], "invalid_template", NOTHING, Seconds(30, 30)),
    ends(&[40036, 40081, 40176, 43107, 43116, 48011], "invalid_template", TEMPLATE),
    ends(&[40249, 45168], "content_blocked", TEMPLATE),
    // The recipient.
    ends(&[43004, 50005], "not_subscribed", RECIPIENT),
    ends(&[43101, 48002], "user_refused", RECIPIENT),
    ends(&[43019], "user_blocked", RECIPIENT),
    ends(&[50002], "user_unavailable", RECIPIENT),
    // A duplicate without an earlier call in doubt is another message's content.
    ends(&[40241, 44007], "duplicate_content", NOTHING),
    // The account stands still, and its messages wait.
    waits(&[45102, 45501, 48004, 50004, 50007], "account_unusable", ACCOUNT, Stopped(60)),
    waits(&[43104, 45103, 48001, 48008, 48009], "account_unusable", ACCOUNT, Stopped(60)),
    waits(&[40002, 40013, 40125, 40243, 41002, 41004], "account_unusable", ACCOUNT, Stopped(60)),
    waits(&[40164, 45035, 61004, 89501, 89502, 89503, 89504, 89505], "account_unusable", ACCOUNT, Stopped(60)),
    waits(&[89507], "account_unusable", ACCOUNT, Stopped(3_600)),
    waits(&[89506], "account_unusable", ACCOUNT, Stopped(86_400)),
    // What no table lists is tried once more, then believed.
    waits(&[99_999], "unknown_code", NOTHING, Seconds(0, 1)),
];
