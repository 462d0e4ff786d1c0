//! A WeChat whose answers are told call by call, for tests of one rule at a time.
//! The explorer uses the simulator's world instead.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{Granted, SendCall, TokenMode, Upstream};
use hongyan_courier::{Clock, UnixMs};
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::Endpoint;
use hongyan_wechat::error::{ApiError, CallError, Doubt, DoubtCause, NotSent, NotSentCause};

use super::clock::PausedClock;

/// What WeChat says to a send.
pub(crate) type Answer = Result<Option<i64>, CallError>;

type Say<C, A> = Box<dyn Fn(&C) -> A + Send + Sync>;

/// One send as it came.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: UnixMs,
    pub(crate) account: AccountName,
    pub(crate) content: Arc<hongyan_courier::message::Content>,
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

/// A scripted WeChat.
pub(crate) struct Scripted {
    clock: Arc<PausedClock>,
    /// How long every send takes.
    pub(crate) latency: Duration,
    on_send: Say<Sent, Answer>,
    on_fetch: Say<Fetched, Result<Granted, CallError>>,
    pub(crate) sent: Mutex<Vec<Sent>>,
    pub(crate) fetched: Mutex<Vec<Fetched>>,
}

impl Scripted {
    /// Takes every message and hands out one token, unless told otherwise.
    pub(crate) fn generous(clock: &Arc<PausedClock>) -> Self {
        Self {
            clock: clock.clone(),
            latency: Duration::from_millis(50),
            on_send: Box::new(|_| Ok(None)),
            on_fetch: Box::new(|_| Ok(token("t1"))),
            sent: Mutex::default(),
            fetched: Mutex::default(),
        }
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

    pub(crate) fn sends(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn fetches(&self) -> Vec<Fetched> {
        self.fetched.lock().unwrap().clone()
    }
}

#[async_trait]
impl Upstream for Scripted {
    async fn send(&self, call: SendCall) -> Answer {
        let sent = Sent {
            at: self.clock.now(),
            account: call.content.account.clone(),
            content: call.content.clone(),
            wire_id: call.wire_id,
            token: call.token.expose().to_owned(),
        };
        let answer = (self.on_send)(&sent);
        self.sent.lock().unwrap().push(sent);
        tokio::time::sleep(self.latency).await;
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
        tokio::time::sleep(self.latency).await;
        answer
    }
}

/// A token that lasts two hours.
pub(crate) fn token(text: &str) -> Granted {
    Granted {
        secret: AccessToken::new(text),
        expires_in: Duration::from_secs(7_200),
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

/// WeChat said no, in these words.
pub(crate) fn refused_at(endpoint: Endpoint, code: i64, errmsg: &str) -> CallError {
    CallError::Refused(ApiError {
        endpoint,
        code,
        errmsg: errmsg.into(),
        rid: None,
    })
}
