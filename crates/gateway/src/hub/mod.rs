//! Passes WeChat's messages and events on to the programs that want them, signed anew with a token of their own.
//! An event is on disk for each of them before WeChat is answered. It must not know what an event means.

mod consumer;
mod lately;
mod post;
mod seals;

use std::sync::Arc;

use hongyan_store::spool::SpoolError;
use hongyan_wechat::callback::Format;
use tokio::time::Instant;

pub use consumer::Consumer;
pub use lately::Lately;
pub use post::Poster;
pub use seals::Seals;

/// The consumers of one account.
#[derive(Default)]
pub struct Hub {
    pub consumers: Vec<Arc<Consumer>>,
}

/// A consumer's answer to a push, for WeChat: plain, as it is before it is encrypted.
#[derive(Debug)]
pub struct Reply {
    pub body: String,
    pub format: Format,
}

impl Hub {
    pub fn is_empty(&self) -> bool {
        self.consumers.is_empty()
    }

    /// Puts an event down for each consumer that wants it; durable when answered. The one that replies is asked at once
    /// instead, unless it is too `late` for that.
    pub async fn pass_on(&self, name: &str, body: &[u8], late: bool) -> Result<(), SpoolError> {
        let wanting = self.consumers.iter().filter(|one| one.wants(name));
        for consumer in wanting.filter(|one| late || !one.replies()) {
            consumer.put(body).await?;
        }
        Ok(())
    }

    /// Whether a consumer that replies wants this event.
    pub fn is_replied_to(&self, name: &str) -> bool {
        self.who_replies_to(name).is_some()
    }

    fn who_replies_to(&self, name: &str) -> Option<&Arc<Consumer>> {
        let mut all = self.consumers.iter();
        all.find(|one| one.replies() && one.wants(name))
    }

    /// The answer of the consumer that replies, if it wants this event and answers in time. If it does not, the event is
    /// put down for it like for the others.
    pub async fn ask(
        &self,
        name: &str,
        body: &[u8],
        until: Instant,
    ) -> Result<Option<Reply>, SpoolError> {
        let Some(consumer) = self.who_replies_to(name) else {
            return Ok(None);
        };
        match consumer.ask(body, until).await {
            Some(reply) => Ok(reply),
            None => consumer.put(body).await.map(|()| None),
        }
    }
}
