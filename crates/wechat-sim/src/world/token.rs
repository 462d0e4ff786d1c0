//! Access tokens as they are asked for: two independent slots for each account, limits, and what supersedes what.
//! It knows nothing of HTTP, nor of how a token is judged when it is used.

use std::net::IpAddr;

use super::World;
use super::account::Account;
use super::quota::{
    FORCED_TOKENS_A_DAY, PLAIN_TOKENS_A_DAY, STABLE_TOKENS_A_DAY, STABLE_TOKENS_A_MINUTE,
    beijing_day, minute,
};
use super::refusal::{Denied, Refusal};
use super::registry::LIFETIME_MS;
use crate::fault::Endpoint;

/// How long a plain token outlives its successor's birth, and how early a stable one is replaced.
const OVERLAP_MS: i64 = 300_000;
const FORCED_SPACING_MS: i64 = 30_000;

/// What `/token` and `/stable_token` are asked; `ip` is the caller's address.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    pub grant_type: &'a str,
    pub appid: &'a str,
    pub secret: &'a str,
    pub ip: IpAddr,
}

impl<'a> TokenRequest<'a> {
    /// A well-formed request from loopback.
    pub fn new(appid: &'a str, secret: &'a str) -> Self {
        Self {
            grant_type: "client_credential",
            appid,
            secret,
            ip: IpAddr::from([127, 0, 0, 1]),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    current: Option<String>,
    previous: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    plain: Slot,
    stable: Slot,
    forced_at_ms: Option<i64>,
}

impl World {
    /// `GET /cgi-bin/token`: each call mints a token; the one before works 300 s longer, older ones die.
    pub fn token(
        &mut self,
        now_ms: i64,
        request: &TokenRequest<'_>,
    ) -> Result<TokenGrant, Refusal> {
        self.arrived(Endpoint::Token, self.number_of(request.appid));
        let granted = self.plain_token(now_ms, request);
        self.answer(now_ms, self.number_of(request.appid), granted)
    }

    /// `POST /cgi-bin/stable_token`: normal mode keeps one token, `force` replaces it at once.
    pub fn stable_token(
        &mut self,
        now_ms: i64,
        request: &TokenRequest<'_>,
        force: bool,
    ) -> Result<TokenGrant, Refusal> {
        let endpoint = if force {
            Endpoint::ForcedToken
        } else {
            Endpoint::StableToken
        };
        self.arrived(endpoint, self.number_of(request.appid));
        let granted = self
            .admit(request)
            .and_then(|number| self.stable_of(now_ms, number, force));
        self.answer(now_ms, self.number_of(request.appid), granted)
    }

    /// Kills the tokens of both slots; the next call mints anew.
    pub fn revoke_tokens(&mut self, now_ms: i64, appid: &str) -> bool {
        let Some(number) = self.number_of(appid) else {
            return false;
        };
        let slots = &mut self.accounts[number].slots;
        for slot in [
            std::mem::take(&mut slots.plain),
            std::mem::take(&mut slots.stable),
        ] {
            self.registry.supersede(slot.current.as_ref(), now_ms);
            self.registry.supersede(slot.previous.as_ref(), now_ms);
        }
        true
    }

    /// Somebody else who holds the secret fetches a token, from an address that is allowed to.
    pub fn fetch_by_another_holder(&mut self, now_ms: i64, appid: &str, force: bool) -> bool {
        let Some(number) = self.number_of(appid) else {
            return false;
        };
        let granted = if force {
            self.stable_of(now_ms, number, true)
        } else {
            self.plain_of(now_ms, number)
        };
        granted.is_ok()
    }

    fn plain_token(
        &mut self,
        now_ms: i64,
        request: &TokenRequest<'_>,
    ) -> Result<TokenGrant, Denied> {
        let number = self.admit(request)?;
        self.plain_of(now_ms, number)
    }

    fn plain_of(&mut self, now_ms: i64, number: usize) -> Result<TokenGrant, Denied> {
        let account = &mut self.accounts[number];
        let day = beijing_day(now_ms);
        if !account.meters.plain_day.take(day, PLAIN_TOKENS_A_DAY) {
            return Err(Denied::code(45009));
        }
        let slot = &mut account.slots.plain;
        self.registry.supersede(slot.previous.as_ref(), now_ms);
        self.registry
            .supersede(slot.current.as_ref(), now_ms + OVERLAP_MS);
        let token = self.registry.mint(number, now_ms, &mut self.random);
        slot.previous = slot.current.replace(token.clone());
        Ok(TokenGrant {
            access_token: token,
            expires_in: LIFETIME_MS / 1000,
        })
    }

    fn stable_of(&mut self, now_ms: i64, number: usize, force: bool) -> Result<TokenGrant, Denied> {
        let account = &mut self.accounts[number];
        take_stable(account, now_ms)?;
        let last_forced = account.slots.forced_at_ms;
        let too_soon = last_forced.is_some_and(|at| now_ms < at + FORCED_SPACING_MS);
        let force = force && !too_soon;
        let day = beijing_day(now_ms);
        if force && !account.meters.forced_day.take(day, FORCED_TOKENS_A_DAY) {
            return Err(Denied::code(45009));
        }
        let slot = &mut account.slots.stable;
        if force {
            account.slots.forced_at_ms = Some(now_ms);
            self.registry.supersede(slot.current.as_ref(), now_ms);
            self.registry.supersede(slot.previous.as_ref(), now_ms);
        } else if let Some(token) = &slot.current
            && let left_ms = self.registry.left_ms(now_ms, token)
            && left_ms > OVERLAP_MS
        {
            return Ok(TokenGrant {
                access_token: token.clone(),
                expires_in: left_ms.div_euclid(1000),
            });
        }
        let token = self.registry.mint(number, now_ms, &mut self.random);
        slot.previous = slot.current.replace(token.clone());
        Ok(TokenGrant {
            access_token: token,
            expires_in: LIFETIME_MS / 1000,
        })
    }

    /// What both token endpoints check before anything else.
    fn admit(&self, request: &TokenRequest<'_>) -> Result<usize, Denied> {
        if request.grant_type != "client_credential" {
            return Err(Denied::code(40002));
        }
        if request.appid.is_empty() {
            return Err(Denied::code(41002));
        }
        if request.secret.is_empty() {
            return Err(Denied::code(41004));
        }
        let number = self.number_of(request.appid).ok_or(Denied::code(40013))?;
        let account = &self.accounts[number];
        if account.secret_frozen {
            return Err(Denied::code(40243));
        }
        if account.secret != request.secret {
            return Err(Denied::code(40125));
        }
        let ip = request.ip;
        if let Some(whitelist) = &account.whitelist
            && !whitelist.contains(&ip)
        {
            let text = match ip {
                IpAddr::V4(ip) => format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist"),
                IpAddr::V6(ip) => format!("invalid ip {ip} ipv6 {ip}, not in whitelist"),
            };
            return Err(Denied::with(40164, text));
        }
        if account.punished {
            return Err(Denied::code(50004));
        }
        if account.admin_confirm {
            return Err(Denied::code(89503));
        }
        Ok(number)
    }
}

/// Normal and forced calls share these limits.
fn take_stable(account: &mut Account, now_ms: i64) -> Result<(), Denied> {
    let meters = &mut account.meters;
    let day = beijing_day(now_ms);
    if meters.stable_day.used(day) >= STABLE_TOKENS_A_DAY {
        return Err(Denied::code(45009));
    }
    if !meters
        .stable_minute
        .take(minute(now_ms), STABLE_TOKENS_A_MINUTE)
    {
        return Err(Denied::code(45011));
    }
    meters.stable_day.take(day, STABLE_TOKENS_A_DAY);
    Ok(())
}
