//! What the domain could not do, as a caller is told.
//! It must not repeat a store's own words to a caller: they go to the log.

use std::time::Duration;

use hongyan_courier::port::{AcceptError, ChangeError, StoreError};

use crate::api::error::Problem;
use crate::auth::error::AuthError;

const OVERLOADED_PAUSE: Duration = Duration::from_secs(1);
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => {
                Self::unavailable("the store is busy; try again in a moment", OVERLOADED_PAUSE)
            }
            StoreError::Unavailable(_) => {
                tracing::error!(%error, "a request failed for want of the store");
                Self::unavailable(
                    "the store cannot be reached; the outcome of this call is not known",
                    UNAVAILABLE_PAUSE,
                )
            }
            StoreError::Corrupt(_) => {
                tracing::error!(%error, "a request failed on what is stored");
                Self::internal()
            }
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NonceSeen => AuthError::Replayed.into(),
            AcceptError::IdempotencyMismatch => Self::idempotency_mismatch(),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl<R: std::error::Error> From<ChangeError<R>> for Problem {
    fn from(error: ChangeError<R>) -> Self {
        match error {
            ChangeError::NonceSeen => AuthError::Replayed.into(),
            ChangeError::NotFound => Self::not_found("there is no such message"),
            ChangeError::Refused(why) => Self::conflict(why.to_string()),
            ChangeError::Store(error) => error.into(),
        }
    }
}
