//! By what a call, or a message, is known again when it is repeated; and the question whether it is known.
//! It must not judge whether a message is valid.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::message::{Content, MessageId};
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, DedupeMismatch, IdempotencyKey, NewMessage, Nonce, Stored,
};
use hongyan_courier::time::UnixMs;
use http::HeaderName;
use sha2::{Digest, Sha256};

use super::draft::{Draft, Refusal};
use super::send::Intake;
use crate::api::door::Signed;
use crate::api::error::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long a key stands for its request.
const KEY_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The header's key, within the client and the route.
pub(in crate::api) fn idempotency(
    route: &str,
    signed: &Signed,
    now: UnixMs,
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = signed.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = values.next() else {
        return Ok(None);
    };
    let visible = |b: u8| (0x20..0x7f).contains(&b);
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    if values.next().is_some() || !fits || !key.as_bytes().iter().copied().all(visible) {
        return Err(Problem::malformed(format!(
            "Idempotency-Key must come once, with 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        )));
    }
    Ok(Some(IdempotencyKey {
        scope: format!("key\n{}\n{route}", signed.caller.client),
        key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
        body: Sha256::digest(&signed.body).into(),
        expires_at: now.plus(KEY_LIFE),
    }))
}

pub(super) fn new_message(draft: Draft, now: UnixMs) -> NewMessage {
    let Draft {
        content,
        expires_at,
        client_msg_id,
        ..
    } = draft;
    let dedupe = client_msg_id.map(|key| IdempotencyKey {
        scope: format!(
            "message\n{}\n{}\n{}",
            content.client, content.account, content.touser
        ),
        key,
        body: content_hash(&content),
        expires_at: now.plus(KEY_LIFE),
    });
    NewMessage {
        not_before: None,
        id: MessageId::new(now),
        content: Arc::new(content),
        expires_at,
        dedupe,
        permit: None,
    }
}

/// What makes two messages with one `client_msg_id` the same: all that the recipient would see.
pub(super) fn content_hash(content: &Content) -> [u8; 32] {
    let extras = content.extras.as_deref().map(serde_json::to_string);
    let extras = extras.and_then(Result::ok);
    let parts = [
        content.kind.as_str(),
        &content.template_id,
        content.url.as_deref().unwrap_or_default(),
        content.miniprogram.as_deref().unwrap_or_default(),
        &content.data,
    ];
    // What most messages have not is left out, so that they hash as they always did.
    let parts = parts.into_iter().chain(extras.as_deref());
    let mut hash = Sha256::new();
    for part in parts {
        // With its length before it, no part can run into the next.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

pub(super) fn dedupe_mismatch() -> Problem {
    Problem {
        detail: "this client_msg_id came before with another content for the same recipient".into(),
        ..Problem::idempotency_mismatch()
    }
}

impl Intake {
    /// The message that was taken when it could be, if this call is its repeat. What the moment or the configuration
    /// have against it by now does not undo that.
    pub(super) async fn taken_before(
        &self,
        refusal: Refusal,
        key: Option<IdempotencyKey>,
        mut nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(Stored, Vec<String>), Problem> {
        if !refusal.passing {
            return Err(refusal.problem);
        }
        let (warnings, dedupe) = refusal.draft.map_or_else(Default::default, |mut draft| {
            let warnings = std::mem::take(&mut draft.warnings);
            (warnings, new_message(*draft, now).dedupe)
        });
        if let Some(key) = key {
            match self.stored_by(key, nonce.take()).await?.first() {
                Some(Ok(stored)) => return Ok((*stored, warnings)),
                Some(Err(DedupeMismatch)) => return Err(dedupe_mismatch()),
                None => {}
            }
        }
        let found = match dedupe {
            Some(key) => self.deduplicated(key, nonce).await?,
            None => None,
        };
        let stored = found.ok_or(refusal.problem)?;
        Ok((stored, warnings))
    }

    /// The message that a `client_msg_id` stands for.
    pub(super) async fn deduplicated(
        &self,
        key: IdempotencyKey,
        nonce: Option<Nonce>,
    ) -> Result<Option<Stored>, Problem> {
        match self.stored_by(key, nonce).await {
            Ok(stored) => Ok(stored.into_iter().next().and_then(Result::ok)),
            Err(AcceptError::IdempotencyMismatch) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What a key stands for. A call without messages asks, and its key is over at once, so that it stands for nothing.
    pub(super) async fn stored_by(
        &self,
        key: IdempotencyKey,
        nonce: Option<Nonce>,
    ) -> Result<Accepted, AcceptError> {
        let call = Accept {
            nonce,
            idempotency: Some(over_at_once(key, self.acceptor.clock.now())),
            messages: Vec::new(),
            broadcast: None,
        };
        self.acceptor.accept(call).await
    }
}

pub(super) fn over_at_once(key: IdempotencyKey, now: UnixMs) -> IdempotencyKey {
    IdempotencyKey {
        expires_at: now,
        ..key
    }
}
