//! Another configuration while the gateway runs: read anew when a file or a secret of it changes, and when somebody asks.
//! What is wrong is refused whole, and the one in force goes on. It must not know what a configuration changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics::counter;
use tokio::time::Instant;

use crate::app::{Changes, Live};
use crate::config::include::Centre;
use crate::config::layers::{self, Sources};
use crate::config::problem::Problems;
use crate::config::profile::Profile;
use crate::config::{Config, keyring, resolved};
use crate::secrets::file::{LOOK_EVERY, Mark, mark};
use crate::secrets::keyring::Keyring;
use crate::secrets::reference::SecretRef;

/// Whoever writes files may not be done with the first change that is seen.
const SETTLE: Duration = Duration::from_millis(250);
/// What was refused is tried again so often, since it may be that only somebody did not answer.
const RETRY: Duration = Duration::from_secs(30);
/// After a refusal, this long nothing is asked whether it changed: a place that tells of a change and does not show it would
/// be asked without a pause.
const PAUSE: Duration = Duration::from_secs(1);

/// The files of a configuration as they were at one moment.
pub struct Files(Vec<(PathBuf, Mark)>);

impl Files {
    /// As they are now. Noted before they are read, so that what changes in between is seen as a change.
    #[must_use]
    pub fn now(sources: &Sources) -> Self {
        // What is no profile is refused where the configuration is read.
        let profile = Profile::from_environment(&sources.environment).unwrap_or(Profile::Dev);
        let files = layers::files(sources, profile);
        Self(files.map(|path| (path.clone(), mark(&path))).to_vec())
    }

    async fn change(&self) {
        while self.0.iter().all(|(path, seen)| *seen == mark(path)) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Keeps a gateway in step with its configuration.
pub struct Reload {
    sources: Sources,
    live: Arc<Live>,
    files: Files,
    centre: Centre,
    keyring: Keyring,
    /// How the keyring's sources are reached.
    described: String,
    references: Vec<SecretRef>,
    /// Why the last one was refused, if it was.
    refused: Option<String>,
    /// When an old callback token is to be forgotten.
    forget_at: Option<Instant>,
}

impl Reload {
    /// For a gateway that runs with this configuration, read from files as they were then and with what this centre read,
    /// whose secrets came from this keyring.
    #[must_use]
    pub fn new(
        (sources, files, centre): (Sources, Files, Centre),
        live: Arc<Live>,
        config: &Config,
        keyring: Keyring,
    ) -> Self {
        Self {
            files,
            references: resolved::references(config),
            described: keyring::description(config),
            sources,
            centre,
            live,
            keyring,
            refused: None,
            forget_at: None,
        }
    }

    /// Reads it anew whenever it should be; `asked` returns each time that somebody asks. Never returns.
    pub async fn run(mut self, mut asked: impl AsyncFnMut()) {
        loop {
            let cause = tokio::select! {
                () = asked() => "asked to",
                () = self.files.change() => "a file changed",
                cause = self.change_elsewhere() => cause,
                () = tokio::time::sleep(RETRY), if self.refused.is_some() => "tried again",
                () = at(self.forget_at) => {
                    self.forget().await;
                    continue;
                }
            };
            tokio::time::sleep(SETTLE).await;
            self.once(cause).await;
        }
    }

    /// Returns once a place that is watched has something else than was read.
    async fn change_elsewhere(&self) -> &'static str {
        if self.refused.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
        tokio::select! {
            () = self.keyring.changed(&self.references) => "a secret changed",
            () = self.centre.changed() => "an included document changed",
        }
    }

    /// Reads it anew now.
    async fn once(&mut self, cause: &'static str) {
        let result = match self.read_and_apply().await {
            Ok(changes) => {
                self.refused = None;
                tell(&changes, cause)
            }
            Err(error) => {
                let said = format!("{error:#}");
                let told = self.refused.as_ref() == Some(&said);
                let away = error.downcast_ref().is_some_and(Problems::away);
                if !told && away {
                    tracing::warn!(
                        cause,
                        "the new configuration cannot be had whole now, and the one in force goes on: {said}"
                    );
                } else if !told {
                    tracing::error!(
                        cause,
                        "the new configuration is refused, and the one in force goes on: {said}"
                    );
                }
                self.refused = Some(said);
                "refused"
            }
        };
        counter!("hongyan_config_reloads_total", "result" => result).increment(1);
        self.forget().await;
    }

    async fn read_and_apply(&mut self) -> anyhow::Result<Changes> {
        self.files = Files::now(&self.sources);
        let loaded = self.centre.load(&self.sources).await?;
        let config = loaded.config;
        let described = keyring::description(&config);
        if described != self.described {
            self.keyring = keyring::keyring(&config, &self.sources.environment)?;
            self.described = described;
        }
        self.references = resolved::references(&config);
        let secrets = resolved::fetch(&config, &self.keyring).await?;
        for warning in loaded.warnings {
            tracing::warn!("{warning}");
        }
        let applied = self.live.apply(config, secrets).await;
        applied.context("it cannot be applied")
    }

    async fn forget(&mut self) {
        match self.live.forget_retired().await {
            Ok(next) => self.forget_at = next,
            Err(error) => {
                tracing::error!(%error, "old callback tokens cannot be let go of");
                self.forget_at = Some(Instant::now() + RETRY);
            }
        }
    }
}

/// Says what changed; answers the metric's word for it.
fn tell(changes: &Changes, cause: &'static str) -> &'static str {
    if changes.none() {
        tracing::debug!(cause, "the configuration was read anew and is the same");
        return "unchanged";
    }
    tracing::info!(cause, "the configuration was read anew: {changes}");
    if !changes.waiting.is_empty() {
        let sections = changes.waiting.join(", ");
        tracing::warn!(
            sections,
            "these sections are read at a start alone: restart to apply them"
        );
    }
    "applied"
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
