//! One consumer: which events it wants, its line of waiting events on disk, and the task that posts them in order.
//! It must not lose an event without saying so.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::message::AccountName;
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_store::spool::{Spool, SpoolError};
use http::Uri;
use metrics::counter;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Reply;
use super::lately::Lately;
use super::post::{Posted, Poster};
use super::seals::Seals;

/// How long a post may take that nobody waits for.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// The first and the longest pause before a consumer that did not take an event is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// An event that its consumer refuses is given up after so many tries.
const REFUSALS_MAX: u32 = 5;
/// A consumer that cannot be reached is tried for so long, counted from the event.
const UNREACHED_MAX: Duration = Duration::from_secs(24 * 3600);
/// Receipts are Hongyan's own; only who names them gets them.
const RECEIPTS: [&str; 2] = ["TEMPLATESENDJOBFINISH", "subscribe_msg_sent_event"];

/// A program that events are passed on to.
pub struct Consumer {
    pub account: AccountName,
    /// How the log and the metrics call it: host and port, and a hash of its whole address.
    pub name: String,
    pub url: Uri,
    /// Names of events; empty for all but receipts.
    pub events: Vec<String>,
    /// Its answer goes back to WeChat.
    pub reply: bool,
    pub seals: Seals,
    pub line: Spool,
    pub lately: Lately,
    pub poster: Poster,
    pub clock: Arc<dyn Clock>,
}

/// An event as it waits.
#[derive(Serialize, Deserialize)]
struct Waiting {
    /// When it came in, Unix milliseconds.
    at: i64,
    /// The plain body.
    body: String,
}

impl Consumer {
    pub(super) fn wants(&self, name: &str) -> bool {
        if self.events.is_empty() {
            return !RECEIPTS.contains(&name);
        }
        self.events.iter().any(|event| event == name)
    }

    pub(super) fn replies(&self) -> bool {
        self.reply
    }

    /// Puts an event at the end of the line, unless that is a repeat; durable when answered. If the line is full the event
    /// is dropped, which is said: WeChat would only bring it again to a line that is still full.
    pub(super) async fn put(&self, body: &[u8]) -> Result<(), SpoolError> {
        if self.lately.has(body) {
            self.count("repeated");
            return Ok(());
        }
        let waiting = Waiting {
            at: self.clock.now().0,
            body: String::from_utf8_lossy(body).into_owned(),
        };
        let record = serde_json::to_vec(&waiting);
        let record = record.map_err(|error| SpoolError::Io(error.to_string()))?;
        match self.line.append(record).await {
            Err(SpoolError::Full) => {
                self.count("dropped");
                tracing::warn!(account = %self.account, consumer = self.name, "too many events wait: one is dropped");
                Ok(())
            }
            appended => appended.inspect(|()| self.lately.keep(body)),
        }
    }

    /// Posts an event and waits for the answer. None if there was none.
    pub(super) async fn ask(&self, body: &[u8], until: Instant) -> Option<Option<Reply>> {
        let text = std::str::from_utf8(body).ok()?;
        match self.post(text, until).await {
            Posted::Taken(answer) => {
                self.count("ok");
                Some(self.seals.open(&answer))
            }
            Posted::Refused(status) => {
                self.missed(&status.to_string());
                None
            }
            Posted::Unreached(why) => {
                self.missed(&why);
                None
            }
        }
    }

    /// Posts what waits, one after the other, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let posting = async {
            loop {
                self.line.filled().await;
                if let Err(error) = self.post_first().await {
                    tracing::error!(account = %self.account, consumer = self.name, %error, "cannot read what waits");
                    tokio::time::sleep(PAUSES.1).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = posting => {}
        }
    }

    async fn post_first(&self) -> Result<(), SpoolError> {
        let first = self.line.peek(1).await?;
        let waiting = first
            .first()
            .and_then(|record| serde_json::from_slice::<Waiting>(record).ok());
        if let Some(waiting) = waiting {
            let result = if self.deliver(&waiting).await {
                "ok"
            } else {
                tracing::warn!(account = %self.account, consumer = self.name, "an event is given up");
                "dropped"
            };
            self.count(result);
        }
        self.line.pop(1).await
    }

    /// Tries until it is taken. Answers false if it was given up.
    async fn deliver(&self, waiting: &Waiting) -> bool {
        let mut refusals = 0;
        let mut pause = PAUSES.0;
        loop {
            let until = Instant::now() + POST_TIMEOUT;
            match self.post(&waiting.body, until).await {
                Posted::Taken(_) => return true,
                Posted::Refused(status) => {
                    self.missed(&status.to_string());
                    refusals += 1;
                }
                Posted::Unreached(why) => self.missed(&why),
            }
            let age = self.clock.now().since(UnixMs(waiting.at));
            if is_given_up(refusals, age) {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn post(&self, body: &str, until: Instant) -> Posted {
        let seconds = self.clock.wall().0.div_euclid(1_000);
        match self.seals.seal(body, seconds) {
            Some(sealed) => self.poster.post(&self.url, sealed, until).await,
            None => Posted::Unreached("it cannot be encrypted".to_owned()),
        }
    }

    fn missed(&self, why: &str) {
        self.count("failed");
        tracing::debug!(account = %self.account, consumer = self.name, why, "an event was not taken");
    }

    fn count(&self, result: &'static str) {
        let labels = [
            ("account", self.account.to_string()),
            ("consumer", self.name.clone()),
            ("result", result.to_owned()),
        ];
        counter!("hongyan_events_passed_on_total", &labels).increment(1);
    }
}

/// Whether an event is given up that was refused so often and is so old.
fn is_given_up(refusals: u32, age: Duration) -> bool {
    refusals >= REFUSALS_MAX || age >= UNREACHED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_given_up_after_five_refusals_or_a_day() {
        let (fresh, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        assert!(!is_given_up(0, fresh) && !is_given_up(4, day - fresh));
        assert!(is_given_up(5, fresh) && is_given_up(0, day));
    }
}
