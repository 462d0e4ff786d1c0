//! `/cgi-bin/token` and `/cgi-bin/stable_token`: a virtual token for an account's appid and a client's secret.
//! It must not know the account's own secret, nor the real token.

use std::net::IpAddr;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::codes;
use super::mint::LIFE_SECONDS;
use super::pace::Bad;
use super::{Compat, Note, Params};
use crate::api::accounts::Known;
use crate::auth::client::Identity;
use crate::auth::scope::Scope;
use crate::auth::signature::SigningKey;
use crate::limits::Entry;

/// What is asked with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wish {
    grant_type: String,
    appid: String,
    #[serde(alias = "appsecret")]
    secret: SecretString,
    /// Some SDKs write it as text.
    force_refresh: Value,
}

impl Wish {
    /// From the query, or where that has no secret from the body: JSON, or a form.
    fn read(params: &Params, body: &[u8]) -> Self {
        if params.get("secret").is_some() || body.trim_ascii().is_empty() {
            return Self::of_pairs(params);
        }
        if body.trim_ascii_start().first() == Some(&b'{') {
            return serde_json::from_slice(body).unwrap_or_default();
        }
        let form = std::str::from_utf8(body).ok().and_then(Params::of_form);
        form.map(|form| Self::of_pairs(&form)).unwrap_or_default()
    }

    fn of_pairs(params: &Params) -> Self {
        let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
        Self {
            grant_type: text("grant_type"),
            appid: text("appid"),
            secret: text("secret").into(),
            force_refresh: text("force_refresh").into(),
        }
    }

    fn forced(&self) -> bool {
        match &self.force_refresh {
            Value::Bool(forced) => *forced,
            Value::String(text) => text == "true",
            _ => false,
        }
    }
}

impl Compat {
    /// Issues a token. With `stable`, the caller may wish that those before it are no good any more.
    pub(super) async fn grant(
        &self,
        (params, body): (&Params, &[u8]),
        peer: Option<IpAddr>,
        stable: bool,
    ) -> Result<Answer, Refusal> {
        let wish = Wish::read(params, body);
        if wish.grant_type != "client_credential" {
            return Err(Refusal::new(40002, "invalid grant_type"));
        }
        let (client, secret, known) = self.by_secret(&wish, peer).await?;
        let account = &known.name;
        if stable && wish.forced() {
            let renewed = self.tokens.renew(&client.client, account).await;
            renewed.map_err(|_| codes::slower())?;
        }
        let token = self.tokens.issue(client, secret, account);
        self.tokens.pace.forgive(peer);
        Ok(Answer::Granted {
            token,
            expires_in: LIFE_SECONDS.unsigned_abs(),
        })
    }

    /// Clears the quotas of an account whose appid and a client's secret come in the body.
    pub(super) async fn clear_by_secret(
        &self,
        body: &[u8],
        scopes: &[Scope],
        note: Note,
    ) -> Result<Answer, Refusal> {
        let wish: Wish = serde_json::from_slice(body).unwrap_or_default();
        let (client, _, known) = self.by_secret(&wish, note.peer).await?;
        self.allowed(client, scopes)?;
        self.clear_quota((client, &known.name), note).await
    }

    async fn by_secret(
        &self,
        wish: &Wish,
        peer: Option<IpAddr>,
    ) -> Result<(&Identity, &SigningKey, &Known), Refusal> {
        use secrecy::ExposeSecret;
        if wish.appid.is_empty() {
            return Err(Refusal::new(41002, "appid missing"));
        }
        let given = wish.secret.expose_secret();
        if given.is_empty() {
            return Err(Refusal::new(41004, "appsecret missing"));
        }
        let Some((client, secret)) = self.clients.by_secret(&wish.secret) else {
            self.limits.failed(Entry::Compat, peer).await;
            return match self.tokens.pace.slow(given, Bad::Forged, peer).await {
                true => Err(not_a_secret()),
                false => Err(codes::slower()),
            };
        };
        let client = &client.identity;
        let limited = self.limits.client(&client.client).await;
        limited.map_err(|_| codes::slower())?;
        let mut accounts = self.accounts.seen_by(client).iter();
        let known = accounts.find(|known| known.appid == wish.appid);
        let known = known.ok_or_else(|| Refusal::new(40013, "invalid appid"))?;
        Ok((client, secret, known))
    }
}

fn not_a_secret() -> Refusal {
    Refusal::new(40125, "invalid appsecret, view more at http://t.cn/RAEkdVq")
}
