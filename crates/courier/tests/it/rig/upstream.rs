//! A WeChat whose answers are told call by call, for tests of one rule at a time.
//! The explorer uses the simulator's world instead.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::message::{AccountName, Content};
use hongyan_courier::port::{Granted, SendCall, TokenMode, Upstream};
use hongyan_courier::{Clock, UnixMs};
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::Endpoint;
use hongyan_wechat::error::{ApiError, CallError, Doubt, DoubtCause, NotSent, NotSentCause};

use super::clock::{NOW, PausedClock};

/// What WeChat says to a send.
pub(crate) type Answer = Result<Option<i64>, CallError>;

type Say<C, A> = Box<dyn Fn(&C) -> A + Send + Sync>;

/// One send as it came.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: UnixMs,
    /// When it is answered.
    pub(crate) until: UnixMs,
    pub(crate) account: AccountName,
    pub(crate) content: Arc<Content>,
    pub(crate) wire_id: String,
    pub(crate) token: String,
}

/// A token fetch as it came.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) at: UnixMs,
    pub(crate) account: AccountName,
    pub(crate) mode: TokenMode,
}

/// How long WeChat takes to answer, unless told otherwise.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);

/// A scripted WeChat.
pub(crate) struct Scripted {
    clock: Arc<PausedClock>,
    takes: Say<Content, Duration>,
    on_send: Say<Sent, Answer>,
    on_fetch: Say<Fetched, Result<Granted, CallError>>,
    sent: Mutex<Vec<Sent>>,
    fetched: Mutex<Vec<Fetched>>,
}

impl Scripted {
    /// Takes every message and hands out one token, unless told otherwise.
    pub(crate) fn generous(clock: &Arc<PausedClock>) -> Self {
        Self {
            clock: clock.clone(),
            takes: Box::new(|_| LATENCY),
            on_send: Box::new(|_| Ok(None)),
            on_fetch: Box::new(|_| Ok(token("t1"))),
            sent: Mutex::default(),
            fetched: Mutex::default(),
        }
    }

    /// Says how long the answer to a send takes.
    pub(crate) fn takes(
        mut self,
        say: impl Fn(&Content) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.takes = Box::new(say);
        self
    }

    pub(crate) fn on_send(mut self, say: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> Self {
        self.on_send = Box::new(say);
        self
    }

    pub(crate) fn on_fetch(
        mut self,
        say: impl Fn(&Fetched) -> Result<Granted, CallError> + Send + Sync + 'static,
    ) -> Self {
        self.on_fetch = Box::new(say);
        self
    }

    /// How many sends there were.
    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// The sends of an account, in the order they came.
    pub(crate) fn sends(&self, account: &str) -> Vec<Sent> {
        let sent = self.sent.lock().unwrap();
        let of_account = sent.iter().filter(|send| send.account.as_str() == account);
        of_account.cloned().collect()
    }

    /// The token fetches of an account, in the order they came.
    pub(crate) fn fetches(&self, account: &str) -> Vec<Fetched> {
        let fetched = self.fetched.lock().unwrap();
        let of_account = fetched.iter().filter(|of| of.account.as_str() == account);
        of_account.cloned().collect()
    }
}

#[async_trait]
impl Upstream for Scripted {
    async fn send(&self, call: SendCall) -> Answer {
        let (now, takes) = (self.clock.now(), (self.takes)(&call.content));
        let sent = Sent {
            at: now,
            until: now.plus(takes),
            account: call.content.account.clone(),
            content: call.content,
            wire_id: call.wire_id,
            token: call.token.expose().to_owned(),
        };
        let answer = (self.on_send)(&sent);
        self.sent.lock().unwrap().push(sent);
        tokio::time::sleep(takes).await;
        answer
    }

    async fn fetch_token(
        &self,
        account: &AccountName,
        mode: TokenMode,
    ) -> Result<Granted, CallError> {
        let fetched = Fetched {
            at: self.clock.now(),
            account: account.clone(),
            mode,
        };
        let answer = (self.on_fetch)(&fetched);
        self.fetched.lock().unwrap().push(fetched);
        tokio::time::sleep(LATENCY).await;
        answer
    }
}

/// The most calls that were under way at one moment.
pub(crate) fn most_at_once<'a>(sends: impl IntoIterator<Item = &'a Sent>) -> i32 {
    let ends = |send: &Sent| [(send.at, 1), (send.until, -1)];
    let mut steps: Vec<(UnixMs, i32)> = sends.into_iter().flat_map(ends).collect();
    // An end sorts before a beginning at the same moment: its slot is free again.
    steps.sort_unstable();
    let open = steps.iter().scan(0, |open, (_, step)| {
        *open += step;
        Some(*open)
    });
    open.max().unwrap_or_default()
}

/// Whether no message was sent twice.
pub(crate) fn all_different(sends: &[Sent]) -> bool {
    let ids: HashSet<&str> = sends.iter().map(|send| &*send.wire_id).collect();
    ids.len() == sends.len()
}

/// A token that lasts two hours.
pub(crate) fn token(text: &str) -> Granted {
    Granted {
        secret: AccessToken::new(text),
        expires_in: Duration::from_secs(7_200),
    }
}

/// A new token at each fetch: t1, t2 and so on.
pub(crate) fn numbered() -> impl Fn(&Fetched) -> Result<Granted, CallError> {
    let fetches = AtomicUsize::new(0);
    move |_| {
        let nth = fetches.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(token(&format!("t{nth}")))
    }
}

/// The same token until a fetch is forced, as the stable endpoint does: t1, then t2 and so on.
pub(crate) fn stable() -> impl Fn(&Fetched) -> Result<Granted, CallError> {
    let forced = AtomicUsize::new(0);
    move |fetched| {
        let more = usize::from(fetched.mode == TokenMode::Forced);
        let nth = forced.fetch_add(more, Ordering::Relaxed) + more + 1;
        Ok(token(&format!("t{nth}")))
    }
}

/// No byte went out.
pub(crate) fn not_sent(cause: NotSentCause) -> CallError {
    CallError::NotSent(NotSent {
        endpoint: Endpoint::TemplateSend,
        cause,
        source: None,
    })
}

/// Bytes went out, and no answer came back.
pub(crate) fn in_doubt() -> CallError {
    CallError::InDoubt(Doubt {
        endpoint: Endpoint::TemplateSend,
        cause: DoubtCause::Reset,
        source: None,
    })
}

/// WeChat said no to a send.
pub(crate) fn refused(code: i64) -> CallError {
    refused_at(Endpoint::TemplateSend, code, "as told")
}

/// Hands out `t1` for so long; from then on the secret is wrong.
pub(crate) fn well_for(
    time: Duration,
) -> impl Fn(&Fetched) -> Result<Granted, CallError> + Send + Sync + 'static {
    move |fetched| match fetched.at < NOW.plus(time) {
        true => Ok(token("t1")),
        false => Err(refused_at(
            Endpoint::StableToken,
            40125,
            "invalid appsecret",
        )),
    }
}

/// WeChat said no, in these words.
pub(crate) fn refused_at(endpoint: Endpoint, code: i64, errmsg: &str) -> CallError {
    CallError::Refused(ApiError {
        endpoint,
        code,
        errmsg: errmsg.into(),
        rid: None,
    })
}
