//! Carries one call out under the faults in force: its effect, its delay, and the answer or what stands in its place.
//! It knows nothing of what the call does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::oneshot;

use super::Shared;
use super::answer::{self, Answer, Cut};
use crate::fault::{Endpoint, Trouble, What};
use crate::world::Accepted;

/// Who calls what: all that faults go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) appid: Option<&'a str>,
    pub(crate) openid: Option<&'a str>,
}

/// What the world said to a call.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) json: Bytes,
    /// The answer waits for this: a receipt that comes before it.
    pub(crate) hold: Option<oneshot::Receiver<()>>,
    /// Dropped when the answer is out.
    pub(crate) under_way: Option<UnderWay>,
}

/// One of the calls that its account counts.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) shared: Arc<Shared>,
    pub(crate) accepted: Accepted,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.world().leave(&self.accepted);
    }
}

impl From<Bytes> for Done {
    fn from(json: Bytes) -> Self {
        Self {
            json,
            hold: None,
            under_way: None,
        }
    }
}

/// Runs `take_effect` or not, and answers, as the faults in force will have it.
pub(crate) async fn carry(
    shared: &Shared,
    subject: Subject<'_>,
    take_effect: impl FnOnce(i64) -> Done,
) -> Result<Answer, Cut> {
    let trouble = if shared.troubled() {
        shared.trouble(subject.endpoint, subject.appid, subject.openid)
    } else {
        Trouble::default()
    };
    let now_ms = shared.clock.now_ms();
    for event in &trouble.before {
        happen(shared, now_ms, subject, event);
    }
    let done = if takes_effect(trouble.answer.as_ref()) {
        Some(take_effect(now_ms))
    } else {
        None
    };
    let (json, hold, _under_way) = match done {
        Some(done) => (Some(done.json), done.hold, done.under_way),
        None => (None, None, None),
    };
    let delay = shared.latency() + trouble.delay;
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if let Some(hold) = hold {
        // Also over when the receipt was given up.
        let _ = hold.await;
    }
    match trouble.answer {
        None => Ok(answer::json(json.unwrap_or_default())),
        Some(what) => spoiled(shared, now_ms, subject, &what, json).await,
    }
}

fn takes_effect(what: Option<&What>) -> bool {
    match what {
        None | Some(What::CutAfterAccept) => true,
        Some(
            What::Busy { accepted }
            | What::Status { accepted, .. }
            | What::Html { accepted }
            | What::HalfBody { accepted }
            | What::Hang { accepted },
        ) => *accepted,
        Some(_) => false,
    }
}

fn happen(shared: &Shared, now_ms: i64, subject: Subject<'_>, event: &What) {
    let Some(appid) = subject.appid else { return };
    match event {
        What::RevokeTokens => {
            shared.world().revoke_tokens(now_ms, appid);
        }
        What::AnotherHolder { force } => {
            shared
                .world()
                .fetch_by_another_holder(now_ms, appid, *force);
        }
        _ => {}
    }
}

/// `json` is there when the call took effect; otherwise the world has not heard of it yet.
async fn spoiled(
    shared: &Shared,
    now_ms: i64,
    subject: Subject<'_>,
    what: &What,
    json: Option<Bytes>,
) -> Result<Answer, Cut> {
    if json.is_none() {
        shared.world().arrived_at(subject.endpoint, subject.appid);
    }
    let refuse = |errcode: i64, text: Option<&str>| {
        let mut world = shared.world();
        let refusal = world.refuse_as_told(now_ms, subject.appid, errcode, text);
        answer::refusal_json(&refusal)
    };
    let spoiled = match what {
        What::Code { errcode, errmsg } => answer::json(refuse(*errcode, errmsg.as_deref())),
        What::TokenRejected => answer::json(refuse(40001, None)),
        What::Busy { .. } => answer::json(refuse(-1, None)),
        What::HalfBody { .. } => {
            let whole = json.unwrap_or_else(|| refuse(-1, None));
            answer::half(&whole)
        }
        other => return voiceless(other).await,
    };
    Ok(spoiled)
}

/// Faults whose answer, if any, says nothing of the call.
async fn voiceless(what: &What) -> Result<Answer, Cut> {
    match what {
        What::Status { status, .. } => Ok(answer::page(
            StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY),
        )),
        What::Html { .. } => Ok(answer::page(StatusCode::OK)),
        What::Hang { .. } => std::future::pending().await,
        _ => Err(Cut),
    }
}
