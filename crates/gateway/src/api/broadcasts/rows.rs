//! `POST /v1/broadcasts/{id}/rows?offset=N`: a piece of the rows, as CSV, cut anywhere. What is stored already may come
//! again; whoever was interrupted goes on where the broadcast says.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use hongyan_courier::broadcast::port::{Append, AppendRefused};
use hongyan_courier::broadcast::rows::{NotRows, Survey, survey};
use hongyan_courier::broadcast::{Broadcast, Upload};
use hongyan_courier::port::ChangeError;
use http::Uri;

use super::create::PROBLEMS_SHOWN;
use super::show::BroadcastView;
use super::{Broadcasting, broadcast_id, refused};
use crate::api::door::Signed;
use crate::api::error::{FieldProblem, Problem};
use crate::api::path::PathPart;
use crate::api::query::Query;

/// The most rows of a broadcast, bad ones included.
const ROWS_MAX: u64 = 10_000_000;
/// The bad rows of one piece that are kept.
const BAD_KEPT: usize = 1_000;
/// How often it is tried again when another piece came in between.
const TRIES: usize = 3;

/// Takes a piece of the rows. Its header names the columns, the first of them `openid`.
#[utoipa::path(
    post, path = "/v1/broadcasts/{id}/rows", tag = "broadcasts",
    params(
        ("id" = String, Path, description = "The broadcast's id"),
        ("offset" = u64, Query, description = "How many bytes of the file lie before this piece"),
        ("last" = Option<bool>, Query, description = "The file ends with this piece"),
    ),
    request_body(content = String, content_type = "text/csv", description = "CSV in UTF-8, cut anywhere"),
    responses(
        (status = 200, description = "It is stored; `upload.offset` is where the next piece begins", body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other bytes come next, or no more", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`: these are no rows, or a column is missing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn append(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    let mut query = Query::read(&uri)?;
    let offset: Option<u64> = query.number("offset")?;
    let last = query.flag("last")?;
    query.nothing_else(&["offset", "last"])?;
    let offset = offset.ok_or_else(|| Problem::malformed("offset is missing"))?;
    let id = broadcast_id(&id)?;
    let mut nonce = signed.nonce.take();
    for _ in 0..TRIES {
        let now = broadcasting.clock.now();
        let broadcast = broadcasting.reached(id, &signed.caller).await?;
        let fresh = broadcasting
            .fresh_part(&broadcast, offset, &signed.body)
            .await?;
        let done = fresh.is_empty() && (!last || broadcast.upload.complete);
        if done {
            if let Some(nonce) = nonce {
                broadcasting.ledger.spend(nonce, now).await?;
            }
            return Ok(Json(broadcasting.view(&broadcast, &[], now)));
        }
        if !broadcast.takes_rows() {
            let refusal = AppendRefused::State(broadcast.state);
            return Err(Problem::conflict(refusal.to_string()));
        }
        let append = broadcasting.looked_through(&broadcast, fresh, last).await?;
        let shown: Vec<_> = append.bad.iter().take(PROBLEMS_SHOWN).cloned().collect();
        let appending = broadcasting
            .broadcasts
            .append(id, append, nonce.clone(), now);
        match appending.await {
            Ok(broadcast) => return Ok(Json(broadcasting.view(&broadcast, &shown, now))),
            // Another piece came in between. The nonce is spent by now.
            Err(ChangeError::Refused(AppendRefused::Offset(_))) => nonce = None,
            Err(error) => return Err(refused(error)),
        }
    }
    Err(Problem::conflict(
        "the rows are being handed over by somebody else too",
    ))
}

impl Broadcasting {
    /// What of a piece is not stored; what is must be the same.
    async fn fresh_part(
        &self,
        broadcast: &Broadcast,
        offset: u64,
        body: &Bytes,
    ) -> Result<Bytes, Problem> {
        let stored = broadcast.upload.stored;
        if offset > stored {
            return Err(Problem::conflict(AppendRefused::Offset(stored).to_string()));
        }
        let known = usize::try_from(stored - offset).unwrap_or(usize::MAX);
        let known = known.min(body.len());
        let mut compared = 0;
        while compared < known {
            let at = offset + compared as u64;
            let bytes = self
                .broadcasts
                .rows(broadcast.id, at, known - compared)
                .await?;
            // Forgotten, since the broadcast has ended.
            if bytes.is_empty() {
                break;
            }
            let same = bytes.len().min(known - compared);
            if bytes[..same] != body[compared..compared + same] {
                let text =
                    format!("other bytes are stored from offset {at} on: this is another file");
                return Err(Problem::conflict(text));
            }
            compared += same;
        }
        Ok(body.slice(known..))
    }

    /// Looks through the rows that end in this piece.
    async fn looked_through(
        &self,
        broadcast: &Broadcast,
        fresh: Bytes,
        last: bool,
    ) -> Result<Append, Problem> {
        let upload = &broadcast.upload;
        let mut piece = Vec::new();
        let tail = usize::try_from(upload.stored - upload.seen.byte).unwrap_or(usize::MAX);
        while piece.len() < tail {
            let at = upload.seen.byte + piece.len() as u64;
            let more = self.broadcasts.rows(broadcast.id, at, tail).await?;
            if more.is_empty() {
                break;
            }
            piece.extend(more);
        }
        piece.extend_from_slice(&fresh);
        let (place, columns) = (upload.seen, upload.columns.clone());
        let looking =
            tokio::task::spawn_blocking(move || survey(&piece, place, columns, last, BAD_KEPT));
        let found: Result<Survey, NotRows> = looking.await.map_err(|_| Problem::internal())?;
        let found = found.map_err(|error| invalid(error.to_string()))?;
        if upload.columns.is_none()
            && let Some(columns) = &found.columns
        {
            let (order, now) = (&broadcast.order, self.clock.now());
            self.sample(&order.recipe, Some(columns), (&order.client, None), now)
                .await?;
        }
        let upload = Upload {
            stored: upload.stored + fresh.len() as u64,
            complete: last,
            seen: found.place,
            columns: found.columns,
            rows: upload.rows + found.rows,
            bad: upload.bad + found.bad,
            next_openid: None,
        };
        if upload.rows + upload.bad > ROWS_MAX {
            return Err(invalid(format!("more than {ROWS_MAX} rows")));
        }
        Ok(Append {
            offset: broadcast.upload.stored,
            bytes: fresh.to_vec(),
            upload,
            bad: found.problems,
        })
    }
}

fn invalid(text: String) -> Problem {
    Problem::invalid_message(vec![FieldProblem::new("rows", text)])
}
