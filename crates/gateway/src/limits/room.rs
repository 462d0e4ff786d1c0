//! Room in memory for bodies whose senders have proved nothing yet: taken as their bytes arrive, and given back together.
//! It must not know what is in them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::told;
use crate::api::error::Problem;

/// So much of such bodies is kept at a time.
pub(super) const UNPROVEN_KIB: usize = 256 << 10;
/// The beginning of a body needs no room: most end within it.
const FREE_KIB: usize = 16;
/// When there may be room again.
const PAUSE: Duration = Duration::from_secs(1);

/// Room for one body, as long as it is read.
#[derive(Debug)]
pub struct Room {
    all: Arc<Semaphore>,
    taken: Vec<OwnedSemaphorePermit>,
    kib: usize,
}

impl Room {
    pub(super) fn of(all: Arc<Semaphore>) -> Self {
        Self {
            all,
            taken: Vec::new(),
            kib: FREE_KIB,
        }
    }

    /// Reads a body to its end, as far as there is room.
    pub async fn fill<B>(&mut self, mut body: B) -> Result<Result<Bytes, Problem>, B::Error>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        // Most bodies come in one piece, which is not copied.
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else {
                continue;
            };
            if first.is_empty() && whole.is_empty() {
                first = piece;
            } else {
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&piece);
            }
            if let Err(problem) = self.grow(first.len().max(whole.len())) {
                return Ok(Err(problem));
            }
        }
        Ok(Ok(if whole.is_empty() {
            first
        } else {
            whole.freeze()
        }))
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.div_ceil(1024).saturating_sub(self.kib);
        if more == 0 {
            return Ok(());
        }
        let kib = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.all).try_acquire_many_owned(kib) else {
            told("bodies", "");
            let detail = "too much is being read at once; try again in a moment";
            return Err(Problem::unavailable(detail, PAUSE));
        };
        self.taken.push(permit);
        self.kib += more;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn body(kib: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![b'x'; kib * 1024]))
    }

    #[tokio::test]
    async fn there_is_room_for_so_much_of_strangers_and_no_more() {
        let all = Arc::new(Semaphore::new(100));
        let room = || Room::of(Arc::clone(&all));
        let mut first = room();
        let read = first.fill(body(FREE_KIB + 60)).await.unwrap().unwrap();
        assert_eq!(read.len(), (FREE_KIB + 60) * 1024);
        let refused = room().fill(body(FREE_KIB + 41)).await.unwrap();
        let problem = refused.unwrap_err();
        assert_eq!((problem.status, problem.code), (503, "unavailable"));
        // Whatever others hold, what is small is read.
        let mut second = room();
        assert!(second.fill(body(FREE_KIB + 40)).await.unwrap().is_ok());
        assert!(room().fill(body(FREE_KIB)).await.unwrap().is_ok());
        drop((first, second));
        assert_eq!(all.available_permits(), 100);
    }
}
