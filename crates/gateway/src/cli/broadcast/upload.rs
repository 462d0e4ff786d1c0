//! Hands over the file, piece by piece, from where the gateway has it. Where only an id says that it is the same file, also
//! what the gateway has: it refuses other bytes.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::Value;

use super::bar::Phase;
use super::{Task, open, unreadable};
use crate::cli::http::too_large;
use crate::cli::table::encoded;

/// Well within what a gateway takes at a time, unless its configuration says otherwise: then half of it, and so on.
const PIECE_BYTES: usize = 512 << 10;
const PIECE_BYTES_MIN: usize = 1 << 10;

impl Task<'_> {
    /// Answers the broadcast with all of its rows.
    pub(super) async fn upload(&self, id: &str, broadcast: &Value) -> anyhow::Result<Value> {
        let path = self.recipients()?;
        let mut file = open(path)?;
        let size = file.metadata().with_context(|| unreadable(path))?.len();
        let stored = offset(broadcast)?;
        ensure!(
            stored <= size,
            "{path} is shorter than what was handed over before: it is another file"
        );
        // A key is made of the file's hash; an id is not.
        let mut offset = match self.args.resume {
            Some(_) => 0,
            None => stored,
        };
        self.begin(Phase::Uploading(size));
        let mut piece_bytes = PIECE_BYTES;
        loop {
            self.bar.set_position(offset);
            file.seek(SeekFrom::Start(offset))
                .with_context(|| unreadable(path))?;
            let mut piece = Vec::with_capacity(piece_bytes);
            (&mut file)
                .take(piece_bytes as u64)
                .read_to_end(&mut piece)
                .with_context(|| unreadable(path))?;
            let end = offset + piece.len() as u64;
            let last = end >= size;
            let target = format!(
                "/v1/broadcasts/{}/rows?offset={offset}&last={last}",
                encoded(id)
            );
            let piece = Bytes::from(piece);
            // What is stored already may come again.
            let post = async || self.client.post_csv(&target, piece.clone()).await;
            let stands = match self.again(post).await {
                Err(error) if too_large(&error) && piece_bytes > PIECE_BYTES_MIN => {
                    piece_bytes /= 2;
                    continue;
                }
                answer => answer?,
            };
            if last {
                return Ok(stands);
            }
            offset = if end < stored {
                end
            } else {
                self::offset(&stands)?
            };
        }
    }
}

fn offset(broadcast: &Value) -> anyhow::Result<u64> {
    let offset = broadcast["upload"]["offset"].as_u64();
    offset.context("the answer has no offset")
}
