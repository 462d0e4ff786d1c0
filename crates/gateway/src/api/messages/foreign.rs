//! A message that comes as WeChat's own call takes it, for the compatible door: account and kind are known, and what WeChat
//! does not know is passed over. It must not know how WeChat's answers look.

use std::time::Duration;

use hongyan_courier::kind::Kind;
use hongyan_courier::message::{AccountName, Message};
use hongyan_courier::port::{Accept, AcceptError, StoreError, Stored};

use super::draft::{Draft, Refusal};
use super::keys::new_message;
use super::send::Intake;
use crate::api::error::Problem;
use crate::auth::client::Identity;

/// How long such a message waits for a list that may have its template.
const LIST_PATIENCE: Duration = Duration::from_secs(2);

/// Nothing is stored, unless the store is not sure.
#[derive(Debug)]
pub enum NotTaken {
    /// Something is wrong with the message.
    Invalid(Box<Problem>),
    /// Its `client_msg_id` came before with another content.
    Mismatch,
    /// The store could not take it.
    Store(StoreError),
}

impl From<AcceptError> for NotTaken {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Store(error) => Self::Store(error),
            // There is neither a nonce nor a key here, nor a broadcast.
            AcceptError::NonceSeen
            | AcceptError::IdempotencyMismatch
            | AcceptError::BroadcastMoved => Self::Mismatch,
        }
    }
}

impl Intake {
    /// Takes a message durably.
    pub async fn take_foreign(
        &self,
        body: &[u8],
        (kind, account): (Kind, &AccountName),
        (caller, trace_id): (&Identity, &str),
    ) -> Result<Stored, NotTaken> {
        let now = self.acceptor.clock.now();
        let around = self.around(caller, trace_id, now);
        let mut read = Draft::from_foreign(body, kind, account, around);
        if let Some(unlisted) = read.as_ref().err().and_then(Refusal::unlisted) {
            self.look_again(&[unlisted], LIST_PATIENCE).await;
            read = Draft::from_foreign(body, kind, account, around.asked());
        }
        let draft = match read {
            Ok(draft) => draft,
            Err(refusal) => {
                let known = self.taken_before(refusal, None, None, now).await;
                let known = known.map_err(|problem| NotTaken::Invalid(Box::new(problem)))?;
                return Ok(known.0);
            }
        };
        let call = Accept {
            nonce: None,
            idempotency: None,
            messages: vec![new_message(draft, now)],
            broadcast: None,
        };
        let accepted = self.acceptor.accept(call).await?;
        match accepted.into_iter().next() {
            Some(Ok(stored)) => Ok(stored),
            _ => Err(NotTaken::Mismatch),
        }
    }

    /// The message, once it is sent or has ended; none if that takes longer.
    pub async fn outcome_of(&self, stored: &Stored, patience: Duration) -> Option<Message> {
        let found = self.ledger.find(stored.id).await.ok().flatten();
        let soon = self.acceptor.clock.now().plus(patience);
        if found
            .is_some_and(|message| message.delivery.due_at > soon && !message.delivery.is_over())
        {
            // It is scheduled, or put off: nobody can wait for that.
            return None;
        }
        self.settled(stored, patience).await
    }
}
