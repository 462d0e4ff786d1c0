//! Lists page by page: how long one is, and the cursor that leads to the next. Of a cursor nothing is promised but that it
//! leads on. It must not know what is listed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::api::error::Problem;
use crate::api::query::Query;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;

/// How many a page of a list has: `limit` in the query, 50 by default, 200 at most.
pub fn limit(query: &mut Query) -> Result<usize, Problem> {
    limit_within(query.number("limit")?, LIMIT_DEFAULT, LIMIT_MAX)
}

/// How many are asked for: `usual` where nobody says, and 1 to `most`.
pub fn limit_within(asked: Option<usize>, usual: usize, most: usize) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(Problem::malformed(format!("limit must be 1 to {most}")));
    }
    Ok(limit)
}

/// Keeps a page of what was found, which is one more where there is a next page, and gives the last one if there is.
pub fn cut<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| more)
}

/// A cursor, as a caller sees it.
pub fn cursor(place: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// Reads a cursor that a caller brought back: `read` gives the place in it, if it holds one.
pub fn opened<T>(cursor: &str, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Problem> {
    let place = URL_SAFE_NO_PAD.decode(cursor).ok();
    place
        .and_then(|place| read(&place))
        .ok_or_else(|| Problem::malformed("cursor is not one that this gateway gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_long_as_asked_and_has_a_last_one_only_where_there_is_more() {
        let mut found = vec![1, 2, 3];
        assert_eq!(cut(&mut found, 2), Some(&2));
        assert_eq!(cut(&mut found, 2), None);
        assert_eq!(found, [1, 2]);
    }

    #[test]
    fn a_cursor_leads_back_and_what_is_none_is_refused() {
        let read = |place: &[u8]| <[u8; 3]>::try_from(place).ok();
        assert_eq!(opened(&cursor([1, 2, 255]), read).unwrap(), [1, 2, 255]);
        for wrong in ["", "!", &cursor([1, 2])] {
            assert_eq!(opened(wrong, read).unwrap_err().code, "malformed");
        }
    }
}
