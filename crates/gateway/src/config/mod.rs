//! The configuration: layers of files, environment and flags, read once into small structs and checked at once.
//! It must not be handed to the domain, which receives durations and limits; it opens no store and no socket.

pub mod accounts;
pub mod clients;
pub mod consumers;
pub mod delivery;
pub mod duration;
pub mod environment;
pub mod include;
pub mod jwt;
pub mod keyring;
pub mod keys;
pub mod layers;
pub mod limits;
pub mod list;
pub mod names;
pub mod oauth;
pub mod problem;
pub mod profile;
pub mod quota;
pub mod recipients;
pub mod resolved;
pub mod retention;
pub mod secret_sources;
pub mod server;
pub mod show;
pub mod store;
pub mod templates;
pub mod tree;
pub mod upstream;
pub mod webhooks;
pub mod wiped;

use accounts::{Account, AccountFile, Surroundings};
use clients::{Client, ClientFile};
use delivery::Delivery;
use include::INCLUDE;
use jwt::{Jwt, JwtFile};
use layers::{Layer, Layers, Sources};
use limits::Limits;
use oauth::{Oauth, OauthFile};
use problem::{Findings, Problem, Problems};
use profile::{PROFILE_VARIABLE, Profile};
use quota::Quota;
use recipients::Recipients;
use retention::Retention;
use secret_sources::SecretSources;
use server::Server;
use show::Row;
use store::{Shared, Store};
use templates::Templates;
use upstream::Upstream;
use webhooks::{Webhook, WebhookFile};
use wiped::Wiped;

#[derive(Debug, Clone)]
pub struct Config {
    pub profile: Profile,
    pub server: Server,
    pub store: Store,
    pub shared: Shared,
    pub delivery: Delivery,
    pub upstream: Upstream,
    pub quota: Quota,
    pub templates: Templates,
    pub recipients: Recipients,
    pub retention: Retention,
    pub limits: Limits,
    pub secret_sources: SecretSources,
    pub accounts: Vec<Account>,
    pub clients: Vec<Client>,
    pub jwt: Vec<Jwt>,
    pub webhooks: Vec<Webhook>,
    pub oauth: Vec<Oauth>,
}

/// A configuration without problems, with what a person may want to know of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
    pub rows: Vec<Row>,
}

/// A configuration of files, environment and flags alone. One that includes documents is refused: [`include::Centre`]
/// reads those.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let gathered = Gathered::read(sources)?;
    let wanted = include::wanted(&gathered)?;
    if !wanted.references.is_empty() {
        let mut findings = Findings::default();
        findings.problem(INCLUDE, "names documents, which are not read here");
        return Err(Problems(findings.problems));
    }
    gathered.finish(Vec::new())
}

/// The layers that are at hand.
struct Gathered {
    profile: Profile,
    layers: Layers,
}

impl Gathered {
    fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut findings = Findings::default();
        let profile = Profile::from_environment(&sources.environment).unwrap_or_else(|text| {
            findings.problem(PROFILE_VARIABLE, text);
            Profile::Dev
        });
        let layers = layers::read(sources, profile, &mut findings);
        // Without one of its layers a configuration would be full of problems that are none.
        match findings.problems.is_empty() {
            true => Ok(Self { profile, layers }),
            false => Err(Problems(findings.problems)),
        }
    }

    /// With these documents in their place: over the files, under the environment.
    fn finish(self, documents: Vec<Layer>) -> Result<Loaded, Problems> {
        let mut findings = Findings::default();
        let mut table = Wiped::default();
        let Layers { files, outside } = self.layers;
        for mut layer in files.into_iter().chain(documents).chain(outside) {
            keys::keep_known(&mut layer, &mut findings);
            layers::merge(&mut table, layer, &mut findings);
        }
        let config = read(&table, self.profile, &mut findings);
        check(&config, &mut findings);
        if !findings.problems.is_empty() {
            return Err(Problems(findings.problems));
        }
        let rows = show::rows(&table, &config, &findings);
        Ok(Loaded {
            config,
            warnings: findings.warnings,
            rows,
        })
    }
}

fn read(table: &toml::Table, profile: Profile, findings: &mut Findings) -> Config {
    let delivery: Delivery = tree::section("delivery", table, findings);
    let upstream: Upstream = tree::section("upstream", table, findings);
    let quota: Quota = tree::section("quota", table, findings);
    let templates: Templates = tree::section("templates", table, findings);
    let around = Surroundings {
        profile,
        quota: &quota,
        delivery: &delivery,
        upstream: &upstream,
        templates: &templates,
    };
    let accounts = elements(table, "accounts")
        .filter_map(|(key, element)| {
            tree::element::<AccountFile>(&key, element, findings).finish(&key, around, findings)
        })
        .collect();
    let clients = elements(table, "clients")
        .filter_map(|(key, element)| {
            tree::element::<ClientFile>(&key, element, findings).finish(&key, profile, findings)
        })
        .collect();
    let jwt = elements(table, "jwt")
        .filter_map(|(key, element)| {
            tree::element::<JwtFile>(&key, element, findings).finish(&key, profile, findings)
        })
        .collect();
    let webhooks = elements(table, "webhooks")
        .filter_map(|(key, element)| {
            tree::element::<WebhookFile>(&key, element, findings).finish(&key, profile, findings)
        })
        .collect();
    let oauth = elements(table, "oauth")
        .filter_map(|(key, element)| {
            tree::element::<OauthFile>(&key, element, findings).finish(&key, profile, findings)
        })
        .collect();
    Config {
        profile,
        server: tree::section("server", table, findings),
        store: tree::section("store", table, findings),
        shared: tree::section("shared", table, findings),
        recipients: tree::section("recipients", table, findings),
        retention: tree::section("retention", table, findings),
        limits: tree::section("limits", table, findings),
        secret_sources: SecretSources::read(table, findings),
        delivery,
        upstream,
        quota,
        templates,
        accounts,
        clients,
        jwt,
        webhooks,
        oauth,
    }
}

fn elements(table: &toml::Table, list: &str) -> impl Iterator<Item = (String, toml::Table)> {
    let tables = table
        .get(list)
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    tables
        .filter_map(toml::Value::as_table)
        .enumerate()
        .map(move |(index, element)| (keys::element(list, index, element), element.clone()))
}

fn check(config: &Config, findings: &mut Findings) {
    config.server.check(config.profile, findings);
    config.delivery.check(findings);
    config.upstream.check(findings);
    config.quota.check(findings);
    config.templates.check(findings);
    config.recipients.check(findings);
    config.retention.check(findings);
    config.limits.check(findings);
    config.secret_sources.check(config.profile, findings);
    check_names(config, findings);
    let (accounts, webhooks) = (&config.accounts, &config.webhooks);
    let clients: Vec<&str> = config.clients.iter().map(|one| one.id.as_str()).collect();
    let names: Vec<&str> = accounts.iter().map(|one| one.name.as_str()).collect();
    for client in &config.clients {
        client.check(&names, !config.jwt.is_empty(), findings);
    }
    for issuer in &config.jwt {
        issuer.check(&clients, findings);
    }
    for hook in webhooks {
        hook.check(&clients, &names, findings);
    }
    for (index, way) in config.oauth.iter().enumerate() {
        way.check(&format!("oauth[{index}]"), &clients, &names, findings);
    }
    for list in ["accounts", "clients"] {
        let empty = if list == "accounts" {
            accounts.is_empty()
        } else {
            config.clients.is_empty()
        };
        if empty {
            findings.warning(list, format!("there are none; add [[{list}]]"));
        }
    }
}

/// No two of a kind have one name.
fn check_names(config: &Config, findings: &mut Findings) {
    let accounts = &config.accounts;
    names::refuse_twins(
        accounts.iter().map(|account| {
            (
                format!("accounts[{}].name", account.name),
                account.name.as_str(),
            )
        }),
        |name| format!("there are two accounts called {name}"),
        findings,
    );
    names::refuse_twins(
        accounts.iter().map(|account| {
            (
                format!("accounts[{}].appid", account.name),
                account.appid.as_str(),
            )
        }),
        |appid| {
            format!(
                "{appid} belongs to another account already; two would take each other's token and quota"
            )
        },
        findings,
    );
    names::refuse_twins(
        config
            .clients
            .iter()
            .map(|client| (format!("clients[{}].id", client.id), client.id.as_str())),
        |id| format!("there are two clients called {id}"),
        findings,
    );
    names::refuse_twins(
        config
            .jwt
            .iter()
            .map(|one| (format!("jwt[{}].name", one.name), one.name.as_str())),
        |name| format!("there are two issuers called {name}"),
        findings,
    );
    let webhooks = &config.webhooks;
    names::refuse_twins(
        webhooks
            .iter()
            .map(|hook| (format!("webhooks[{}].name", hook.name), hook.name.as_str())),
        |name| format!("there are two webhooks called {name}"),
        findings,
    );
}

#[cfg(test)]
mod tests;
