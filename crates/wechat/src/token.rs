//! Access tokens: `/cgi-bin/token` and `/cgi-bin/stable_token`.
//! Knows how one is fetched, and nothing of when: keeping and sharing tokens is the caller's.

use std::time::Duration;

use crate::secret::{AccessToken, AppSecret};

/// What a token is fetched with.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The account's appid (`wx` and 16 hex digits).
    pub appid: String,
    /// The account's secret.
    pub secret: AppSecret,
}

/// A token, and how long it lives from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token.
    pub token: AccessToken,
    /// What is left of its life; whole seconds, at most 2 hours.
    pub expires_in: Duration,
}

#[cfg(feature = "client")]
mod calls {
    use serde::{Deserialize, Serialize};

    use super::{AccessToken, Credential, Duration, Grant};
    use crate::answer::integer;
    use crate::client::answer::{self, doubt};
    use crate::client::{ApiRequest, Client};
    use crate::errcode::Endpoint;
    use crate::error::{CallError, DoubtCause};

    #[derive(Serialize)]
    struct StableToken<'a> {
        grant_type: &'a str,
        appid: &'a str,
        secret: &'a str,
        force_refresh: bool,
    }

    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        #[serde(default, deserialize_with = "integer")]
        expires_in: Option<i64>,
    }

    const GRANT: &str = "client_credential";

    impl Client {
        /// Fetches a new token from `/cgi-bin/token`; every call makes the one before stale after 5 minutes.
        ///
        /// Official page: <https://developers.weixin.qq.com/doc/service/api/base/api_getaccesstoken>. 2,000 calls a day.
        ///
        /// # Errors
        /// [`CallError`]; 40001 here is a wrong secret, not a stale token.
        pub async fn token(&self, credential: &Credential) -> Result<Grant, CallError> {
            let secret = credential.secret.expose();
            let query = [
                ("grant_type", GRANT),
                ("appid", &credential.appid),
                ("secret", secret),
            ];
            let request = ApiRequest::get(Endpoint::Token, credential.secret.shared(), &query)?;
            grant(Endpoint::Token, &self.call(request).await?.body)
        }

        /// Fetches the current token from `/cgi-bin/stable_token`, or with `force` a new one that kills it at once.
        ///
        /// Not forced, it gives the same token to everyone until 5 minutes before its end. Forced, it is limited to 20
        /// a day, 30 seconds apart, and meant for a leak.
        /// Official page: <https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken>.
        ///
        /// # Errors
        /// [`CallError`]; 40001 here is a wrong secret, not a stale token.
        pub async fn stable_token(
            &self,
            credential: &Credential,
            force: bool,
        ) -> Result<Grant, CallError> {
            let secret = credential.secret.expose();
            let appid = &credential.appid;
            let body = StableToken {
                grant_type: GRANT,
                appid,
                secret,
                force_refresh: force,
            };
            let request = ApiRequest::post(
                Endpoint::StableToken,
                credential.secret.shared(),
                &[],
                &body,
            )?;
            grant(Endpoint::StableToken, &self.call(request).await?.body)
        }
    }

    fn grant(endpoint: Endpoint, body: &[u8]) -> Result<Grant, CallError> {
        let answer: Answer = answer::read(endpoint, body, DoubtCause::Incomplete("access_token"))?;
        let token = answer.access_token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| doubt(endpoint, DoubtCause::Incomplete("access_token")))?;
        let seconds = answer
            .expires_in
            .and_then(|seconds| u64::try_from(seconds).ok());
        let seconds =
            seconds.ok_or_else(|| doubt(endpoint, DoubtCause::Incomplete("expires_in")))?;
        Ok(Grant {
            token: AccessToken::new(token),
            expires_in: Duration::from_secs(seconds),
        })
    }
}
