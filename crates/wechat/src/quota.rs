//! Quotas: `/cgi-bin/openapi/quota/get`, `/cgi-bin/clear_quota` and its form without a token.
//! Knows the wire; what to do with what is left is decided elsewhere.

use serde::{Deserialize, Serialize};

/// What is left of one call's day, and how fast it may be made.
/// Official page: <https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/openApi/get_api_quota.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct QuotaReport {
    /// The day's quota; may be about 1 % off.
    pub quota: Quota,
    /// The rate limit, where WeChat states one.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
}

/// A day's quota, in calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Quota {
    /// Allowed a day.
    pub daily_limit: i64,
    /// Used today.
    pub used: i64,
    /// Left today.
    pub remain: i64,
}

/// So many calls in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RateLimit {
    /// Calls allowed.
    pub call_count: i64,
    /// In so many seconds.
    pub refresh_second: i64,
}

#[cfg(feature = "client")]
impl crate::client::Client {
    /// Asks for the quota of one API, by its endpoint.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError).
    pub async fn quota(
        &self,
        token: &crate::secret::AccessToken,
        of: crate::errcode::Endpoint,
    ) -> Result<QuotaReport, crate::error::CallError> {
        use crate::client::ApiRequest;
        use crate::errcode::Endpoint;
        use crate::error::DoubtCause;

        #[derive(Serialize)]
        struct QuotaGet {
            cgi_path: &'static str,
        }

        let query = [("access_token", token.expose())];
        let request = ApiRequest::post(
            Endpoint::QuotaGet,
            token.shared(),
            &query,
            &QuotaGet {
                cgi_path: of.path(),
            },
        )?;
        let response = self.call(request).await?;
        crate::client::answer::read(
            Endpoint::QuotaGet,
            &response.body,
            DoubtCause::Incomplete("quota"),
        )
    }

    /// Clears the day's quotas of all the account's calls. Ten times a month at most, counted together with
    /// [`clear_quota_by_secret`](Self::clear_quota_by_secret) and WeChat's own pages; then 48006.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError).
    pub async fn clear_quota(
        &self,
        token: &crate::secret::AccessToken,
        appid: &str,
    ) -> Result<(), crate::error::CallError> {
        #[derive(Serialize)]
        struct Clear<'a> {
            appid: &'a str,
        }

        let query = [("access_token", token.expose())];
        let request = crate::client::ApiRequest::post(
            crate::errcode::Endpoint::QuotaClear,
            token.shared(),
            &query,
            &Clear { appid },
        )?;
        crate::client::answer::done(&self.call(request).await?)
    }

    /// The same without a token: for when the quota of the token call itself is spent.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError).
    pub async fn clear_quota_by_secret(
        &self,
        credential: &crate::token::Credential,
    ) -> Result<(), crate::error::CallError> {
        #[derive(Serialize)]
        struct Clear<'a> {
            appid: &'a str,
            appsecret: &'a str,
        }

        let body = Clear {
            appid: &credential.appid,
            appsecret: credential.secret.expose(),
        };
        let request = crate::client::ApiRequest::post(
            crate::errcode::Endpoint::QuotaClearBySecret,
            credential.secret.shared(),
            &[],
            &body,
        )?;
        crate::client::answer::done(&self.call(request).await?)
    }
}
