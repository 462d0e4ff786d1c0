//! Web authorisation: the page that sends a user back with a code, and `/sns/oauth2/access_token`, which makes an openid
//! of it. Knows the wire; who may ask, and whose browser it is, is the caller's to know.

use serde::Deserialize;

/// The user whom a code stands for. What else the call gives (a token for the user's profile) is not kept: with
/// `snsapi_base` it is good for nothing more.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Authorised {
    /// The user's openid under the account.
    pub openid: String,
    /// The user's id across the accounts of one owner.
    #[serde(default)]
    pub unionid: Option<String>,
}

crate::debug_without!(
    Authorised: ; openid, unionid
);

#[cfg(feature = "client")]
mod calls {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::Authorised;
    use crate::client::{ApiRequest, Client};
    use crate::errcode::Endpoint;
    use crate::error::{CallError, DoubtCause};
    use crate::token::Credential;

    /// The page to send a user to, for `snsapi_base`: it asks nothing, and comes back to `redirect_uri` with a code.
    ///
    /// `base` is `https://open.weixin.qq.com`. `state` comes back too; WeChat takes at most 128 of a-z A-Z 0-9. The order of the
    /// parameters is WeChat's own, which it insists on.
    /// Official page: <https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html>.
    #[must_use]
    pub fn authorise_url(base: &str, appid: &str, redirect_uri: &str, state: &str) -> String {
        let encoded = utf8_percent_encode(redirect_uri, NON_ALPHANUMERIC);
        format!(
            "{base}/connect/oauth2/authorize?appid={appid}&redirect_uri={encoded}&response_type=code&scope=snsapi_base\
             &state={state}#wechat_redirect"
        )
    }

    impl Client {
        /// Makes an openid of a code. A code works once, and for 5 minutes.
        ///
        /// # Errors
        /// [`CallError`]; 40029 for a code that is wrong or too old, 40163 for one that was used.
        pub async fn authorised(
            &self,
            credential: &Credential,
            code: &str,
        ) -> Result<Authorised, CallError> {
            let endpoint = Endpoint::OauthToken;
            let query = [
                ("appid", credential.appid.as_str()),
                ("secret", credential.secret.expose()),
                ("code", code),
                ("grant_type", "authorization_code"),
            ];
            let request = ApiRequest::get(endpoint, credential.secret.shared(), &query)?;
            let response = self.call(request).await?;
            crate::client::answer::read(endpoint, &response.body, DoubtCause::Incomplete("openid"))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_page_is_asked_for_as_wechat_wants_it() {
            let (base, appid) = ("https://open.weixin.qq.com", "wx0123456789abcdef");
            let url = authorise_url(base, appid, "https://a.example/x?y=1", "s1");
            assert_eq!(
                url,
                "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef\
                 &redirect_uri=https%3A%2F%2Fa%2Eexample%2Fx%3Fy%3D1&response_type=code&scope=snsapi_base&state=s1\
                 #wechat_redirect"
            );
        }
    }
}

#[cfg(feature = "client")]
pub use calls::authorise_url;
