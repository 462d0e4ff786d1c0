//! What comes in from WeChat, put together: the accounts with their secrets, the spool beside the store, and the hub.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use hongyan_courier::message::AccountName;
use hongyan_courier::receipt::Receipts;
use hongyan_store::spool::Spool;
use hongyan_wechat::callback::envelope::EncodingAesKey;
use hongyan_wechat::callback::{CallbackSecrets, CallbackToken, Mode};
use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Core, policy, recipients};
use crate::api::callback::{Addresses, Asking, CallbackAccount, Callbacks};
use crate::config::Config;
use crate::config::accounts::{Account, CallbackMode, Receipts as ReceiptHabit};
use crate::config::consumers;
use crate::config::resolved::{AccountSecrets, ConsumerSecrets};
use crate::config::store::StoreUrl;
use crate::hub::{Consumer, Hub, Lately, Poster, Seals};

/// What may wait while the store is away: about a million receipts.
const SPOOL_BYTES_MAX: u64 = 512 << 20;
/// What may wait for one consumer.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Opens what lies on disk, as far as it is not open yet.
pub(super) fn callbacks(
    core: &Core,
    config: &Config,
    secrets: &[AccountSecrets],
) -> anyhow::Result<Callbacks> {
    let StoreUrl::Sqlite(database) = &config.store.url;
    let poster = Poster::new()?;
    let mut accounts = HashMap::new();
    for (account, secrets) in config.accounts.iter().zip(secrets) {
        let forwarded = account.receipts == ReceiptHabit::Forwarded;
        // Without a token nothing can be checked, so nothing is let in.
        if !secrets.callback_tokens.is_empty() || forwarded {
            let hub = hub(core, (account, secrets), (database, &poster))?;
            let callback = callback((account, secrets), config, hub)?;
            accounts.insert(account.name.clone(), callback);
        }
    }
    let names = config.accounts.iter().map(|account| account.name.clone());
    Ok(Callbacks {
        accounts,
        known: names.collect::<HashSet<_>>(),
        spool: core
            .spools
            .open(beside(database, "events.spool"), SPOOL_BYTES_MAX)?,
        spooled: core.spools.addresses.clone(),
        asking: core.spools.asking.clone(),
        receipts: Receipts {
            ledger: core.store.clone(),
            clock: core.clock.clone(),
            observer: core.observer.clone(),
        },
        hearing: recipients::hearing(core),
        ledger: core.store.clone(),
        clock: core.clock.clone(),
    })
}

fn callback(
    (account, secrets): (&Account, &AccountSecrets),
    config: &Config,
    hub: Hub,
) -> anyhow::Result<CallbackAccount> {
    let tokens = secrets.callback_tokens.iter();
    let keys = secrets.encoding_aes_keys.iter();
    let keys = keys.map(|key| key_of(key, &account.name));
    Ok(CallbackAccount {
        name: AccountName::from(account.name.as_str()),
        mode: mode_of(account.callback_mode),
        secrets: CallbackSecrets {
            appid: account.appid.clone(),
            tokens: tokens
                .map(|token| CallbackToken::new(token.expose_secret()))
                .collect(),
            keys: keys.collect::<anyhow::Result<_>>()?,
        },
        receipts: (account.receipts != ReceiptHabit::None).then(|| policy(account, config)),
        forwarded: account.receipts == ReceiptHabit::Forwarded,
        hub,
    })
}

fn hub(
    core: &Core,
    (account, secrets): (&Account, &AccountSecrets),
    (database, poster): (&Path, &Poster),
) -> anyhow::Result<Hub> {
    let consumers = account.consumers.iter().zip(&secrets.consumers);
    let consumers = consumers.map(|(consumer, secrets)| {
        let line = line_of(database, account, consumer);
        let lately = core.spools.lately(&line);
        let line = core.spools.open(line, LINE_BYTES_MAX)?;
        Ok(Arc::new(Consumer {
            account: AccountName::from(account.name.as_str()),
            name: name_of(&consumer.url),
            url: consumer.url.clone(),
            events: consumer.events.clone(),
            reply: consumer.reply,
            seals: seals(account, consumer, secrets)?,
            line,
            lately,
            poster: poster.clone(),
            clock: core.clock.clone(),
        }))
    });
    Ok(Hub {
        consumers: consumers.collect::<anyhow::Result<_>>()?,
    })
}

fn seals(
    account: &Account,
    consumer: &consumers::Consumer,
    secrets: &ConsumerSecrets,
) -> anyhow::Result<Seals> {
    let keys = secrets.encoding_aes_key.iter();
    let keys = keys.map(|key| key_of(key, &account.name));
    Ok(Seals {
        mode: mode_of(consumer.mode),
        secrets: CallbackSecrets {
            appid: account.appid.clone(),
            tokens: vec![CallbackToken::new(secrets.token.expose_secret())],
            keys: keys.collect::<anyhow::Result<_>>()?,
        },
    })
}

fn key_of(key: &SecretString, account: &str) -> anyhow::Result<EncodingAesKey> {
    let parsed = key.expose_secret().parse();
    parsed.with_context(|| format!("accounts[{account}].encoding_aes_key"))
}

fn mode_of(mode: CallbackMode) -> Mode {
    match mode {
        CallbackMode::Plain => Mode::Plain,
        CallbackMode::Compatible => Mode::Compatible,
        CallbackMode::Safe => Mode::Safe,
    }
}

/// The spools that are open: one that was before must not be opened a second time.
#[derive(Default)]
pub(super) struct Spools {
    open: Mutex<HashMap<PathBuf, Spool>>,
    lately: Mutex<HashMap<PathBuf, Lately>>,
    addresses: Arc<Addresses>,
    asking: Arc<Asking>,
}

impl Spools {
    fn open(&self, path: PathBuf, bytes_max: u64) -> anyhow::Result<Spool> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spool) = open.get(&path) {
            return Ok(spool.clone());
        }
        let spool = Spool::open(&path, bytes_max)
            .with_context(|| format!("cannot open {}", path.display()))?;
        open.insert(path, spool.clone());
        Ok(spool)
    }

    /// What was put down in a line lately, under whatever configuration.
    fn lately(&self, line: &Path) -> Lately {
        let mut all = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(line.to_owned()).or_default().clone()
    }
}

/// Where it is, and a hash of its whole address: two programs on one host are told apart, and a path may hold a secret.
fn name_of(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    format!("{host}{}#{}", port.unwrap_or_default(), hash_of(url))
}

fn hash_of(url: &Uri) -> String {
    hex::encode(&Sha256::digest(url.to_string())[..4])
}

/// By its address, so that a consumer keeps its line when others come or go before it.
fn line_of(database: &Path, account: &Account, consumer: &consumers::Consumer) -> PathBuf {
    let hash = hash_of(&consumer.url);
    beside(database, &format!("{}-{hash}.spool", account.name))
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}
