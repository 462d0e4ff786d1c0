//! Watches every story for what must not be said: no secret in an answer, a log line or a metric, and no openid in the
//! latter two. What the stories are configured with are the canaries.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::settings::{AES_KEY, CALLBACK_TOKEN, CLIENT_SECRET, SECRET};
use super::{Reply, openid};

const SECRETS: [&str; 4] = [CLIENT_SECRET, SECRET, CALLBACK_TOKEN, AES_KEY];
const FILTER: &str =
    "hongyan_gateway=debug,hongyan_courier=debug,hongyan_store=debug,hongyan_wechat=debug,info";

/// Lines of the log that gave something away.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Has the gateway's log looked through from now on.
pub(super) fn watch() {
    static WATCHING: OnceLock<()> = OnceLock::new();
    WATCHING.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(FILTER))
            .with_writer(Ear)
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
    });
}

/// Fails the story if anything was given away so far.
pub(super) fn assert_nothing_was_told() {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(told.is_empty(), "the log gives away: {told:#?}");
}

/// What an answer says besides what it is asked for.
pub(super) fn check_answer(reply: &Reply) {
    // The documents have the stories' own secrets as examples.
    let kind = reply.headers.get("content-type");
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/markdown")) {
        return;
    }
    let text = format!(
        "{:?}\n{}",
        reply.headers,
        String::from_utf8_lossy(&reply.body)
    );
    for secret in SECRETS {
        assert!(
            !text.contains(secret),
            "an answer gives {secret} away: {text}"
        );
    }
}

/// What a log line or a metric must not have in it.
pub(super) fn gives_away(text: &str) -> bool {
    // All openids of stories but for their last digits.
    let of_story = openid(0);
    let openids = of_story.trim_end_matches('0');
    let stem = format!("{openids}00000000");
    SECRETS.iter().any(|secret| text.contains(secret)) || text.contains(&stem)
}

#[derive(Clone, Copy)]
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if gives_away(&line) {
            TOLD.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Ear {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}
