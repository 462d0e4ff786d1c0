//! Which messages of a repeated batch are the ones that were stored when it came first: others may have been refused
//! then, or would be now. It must not guess: what fits in two ways is no answer.

use hongyan_courier::message::Content;
use hongyan_courier::port::{Accepted, Ledger};
use serde_json::value::RawValue;

use super::draft::{Draft, Surroundings};
use super::keys::content_hash;
use crate::api::error::Problem;

/// A batch that was accepted before.
pub(super) struct Replayed<'a> {
    /// What its key stands for.
    pub(super) accepted: &'a Accepted,
    /// The places of its messages that may have been stored.
    pub(super) possible: Vec<usize>,
}

/// What two messages have alike that can be the same one.
#[derive(PartialEq)]
struct Face {
    account: String,
    touser: String,
    content: [u8; 32],
}

impl From<&Content> for Face {
    fn from(content: &Content) -> Self {
        Self {
            account: content.account.to_string(),
            touser: content.touser.clone(),
            content: content_hash(content),
        }
    }
}

/// A message of the batch, as far as it can be known again.
struct Seat {
    face: Face,
    has_client_msg_id: bool,
}

impl Replayed<'_> {
    /// The place of each accepted message in the batch.
    pub(super) async fn seats(
        self,
        ledger: &dyn Ledger,
        items: &[&RawValue],
        around: Surroundings<'_>,
    ) -> Result<Vec<usize>, Problem> {
        // Each of them is one of the batch, so all of them are all of it. Of a part even the same number may be others:
        // a newer version refuses what an older one took.
        if self.accepted.len() == items.len() && self.possible.len() == items.len() {
            return Ok(self.possible);
        }
        // None for one that was refused for its client_msg_id, of which nothing is stored.
        let mut stored = Vec::with_capacity(self.accepted.len());
        for one in self.accepted {
            stored.push(match one {
                Ok(one) => {
                    let message = ledger.find(one.id).await?.ok_or_else(unclear)?;
                    Some(Face::from(&*message.content))
                }
                Err(_) => None,
            });
        }
        let seats: Vec<Option<Seat>> = items.iter().map(|item| seat(item, around)).collect();
        let fits = |one: &Option<Face>, place: usize| match (&seats[place], one) {
            (Some(seat), Some(face)) => seat.face == *face,
            (Some(seat), None) => seat.has_client_msg_id,
            (None, _) => false,
        };
        let first = in_order(stored.iter(), self.possible.iter(), fits);
        let last = in_order(stored.iter().rev(), self.possible.iter().rev(), fits);
        match (first, last) {
            // Every other way would lie between these two.
            (Some(first), Some(last)) if first.iter().eq(last.iter().rev()) => Ok(first),
            _ => Err(unclear()),
        }
    }
}

fn seat(item: &RawValue, around: Surroundings<'_>) -> Option<Seat> {
    let draft = match Draft::from_json(item.get(), around) {
        Ok(draft) => draft,
        Err(refusal) => *refusal.draft?,
    };
    Some(Seat {
        face: Face::from(&draft.content),
        has_client_msg_id: draft.client_msg_id.is_some(),
    })
}

/// Gives each, in order, the nearest place that fits it.
fn in_order<'a, T: 'a>(
    all: impl Iterator<Item = &'a T>,
    mut places: impl Iterator<Item = &'a usize>,
    fits: impl Fn(&T, usize) -> bool,
) -> Option<Vec<usize>> {
    all.map(|one| places.find(|place| fits(one, **place)).copied())
        .collect()
}

fn unclear() -> Problem {
    Problem::conflict(
        "this batch was accepted before, and which of its messages were is not clear any more; look its messages up",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &str, batch: &str, seats: Option<&[usize]>) {
        let (stored, batch): (Vec<char>, Vec<char>) =
            (stored.chars().collect(), batch.chars().collect());
        let possible: Vec<usize> = (0..batch.len()).collect();
        let fits = |one: &char, place: usize| *one == batch[place];
        let found = in_order(stored.iter(), possible.iter(), fits);
        assert_eq!(found.as_deref(), seats, "{stored:?} in {batch:?}");
    }

    #[test]
    fn each_has_the_nearest_place_that_fits() {
        check("ac", "abc", Some(&[0, 2]));
        check("aa", "aba", Some(&[0, 2]));
        check("a", "aa", Some(&[0]));
        check("", "ab", Some(&[]));
        check("ba", "ab", None);
    }
}
