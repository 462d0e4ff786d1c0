//! The order, and the key by which the gateway knows it again: the same file and the same wishes are the same order.

use std::io::Read;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Task, open, unreadable};

/// Nothing more will become of it.
pub(super) fn has_ended(broadcast: &Value) -> bool {
    matches!(broadcast["status"].as_str(), Some("done" | "cancelled"))
}

impl Task<'_> {
    /// Asks for the broadcast: the one that the order stands for already, where there is one. With `--again` it is the one
    /// after those that have ended, whose key names the last of them, so that a repeat finds it too.
    pub(super) async fn order(&self) -> anyhow::Result<Value> {
        let recipients = self.recipients()?;
        let source = match recipients {
            "all" => "all",
            _ => "upload",
        };
        let body = self.body(source.into())?;
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&body)?);
        if source == "upload" {
            hash_file(&mut hash, recipients)?;
        }
        let first = format!("cli-{}", hex::encode(hash.finalize()));
        let mut key = first.clone();
        loop {
            let post = async || {
                let posting = self.client.post_once("/v1/broadcasts", &body, Some(&key));
                posting.await
            };
            let found = self.again(post).await?;
            if !self.args.again || !has_ended(&found) {
                return Ok(found);
            }
            key = format!("{first}-after-{}", super::id(&found)?);
        }
    }

    pub(super) fn recipients(&self) -> anyhow::Result<&str> {
        let recipients = self.args.recipients.as_deref();
        recipients.context("whom to? give --recipients FILE.csv or --recipients all")
    }

    /// The order as the gateway takes it.
    pub(super) fn body(&self, recipients: Value) -> anyhow::Result<Value> {
        let args = self.args;
        let mut body = Map::from_iter([("recipients".to_owned(), recipients)]);
        if !args.data.is_empty() {
            let data = args.data.iter();
            let data: Map<String, Value> = data
                .map(|(key, value)| (key.clone(), json!({"value": value})))
                .collect();
            body.insert("data".to_owned(), data.into());
        }
        for (name, value) in [
            ("template_id", &args.template),
            ("url", &args.link),
            ("account", &args.account),
            ("reference", &args.reference),
            ("priority", &args.priority),
            ("send_at", &args.send_at),
            ("expires_at", &args.expires_at),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        if let Some(rate) = args.rate {
            body.insert("rate".to_owned(), rate.into());
        }
        Ok(body.into())
    }
}

fn hash_file(hash: &mut Sha256, path: &str) -> anyhow::Result<()> {
    let mut file = open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).with_context(|| unreadable(path))? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}
