//! What the domain could not do, as a caller is told.
//! It must not repeat a store's own words to a caller: they go to the log.

use std::time::Duration;

use hongyan_courier::port::{AcceptError, ChangeError, StoreError};

use crate::api::error::Problem;
use crate::auth::error::AuthError;

const OVERLOADED_PAUSE: Duration = Duration::from_secs(1);
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);
/// Somebody has to make room.
const FULL_PAUSE: Duration = Duration::from_secs(30);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => {
                Self::unavailable("the store is busy; try again in a moment", OVERLOADED_PAUSE)
            }
            StoreError::Full => {
                tracing::error!(%error, "a request failed for want of space");
                Self::unavailable("the gateway's disk is full; nothing was stored", FULL_PAUSE)
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
            // Only whoever expands a broadcast is ever told so.
            AcceptError::BroadcastMoved => Self::conflict(error.to_string()),
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

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn what_the_store_could_not_do_is_told_without_its_words() {
        let words = "disk I/O error at /var/lib/hongyan.db";
        for (error, status, code, retry_after) in [
            (StoreError::Overloaded, 503, "unavailable", Some("1")),
            (StoreError::Full, 503, "unavailable", Some("30")),
            (
                StoreError::Unavailable(words.to_owned()),
                503,
                "unavailable",
                Some("5"),
            ),
            (StoreError::Corrupt(words.to_owned()), 500, "internal", None),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status, problem.code), (status, code));
            assert!(!problem.detail.contains("hongyan.db"), "{}", problem.detail);
            let response = axum::response::IntoResponse::into_response(problem);
            let header = response.headers().get(RETRY_AFTER);
            assert_eq!(header.map(|value| value.to_str().unwrap()), retry_after);
        }
    }
}
