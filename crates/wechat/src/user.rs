//! Followers: `/cgi-bin/user/info`.
//! Knows the wire; what follows from a user's state is decided elsewhere.

use serde::{Deserialize, Serialize};

use crate::answer::integer;

/// What WeChat tells of a user. Of one who does not follow the account, only `subscribe` and the ids.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/usermanage/userinfo/api_userinfo>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct UserInfo {
    /// 1 for a follower, 0 for one who is not.
    #[serde(default, deserialize_with = "integer")]
    pub subscribe: Option<i64>,
    /// The user's openid.
    pub openid: String,
    /// The user's id across the accounts of one owner.
    #[serde(default)]
    pub unionid: Option<String>,
    /// The language of the user's WeChat, as in `zh_CN`.
    #[serde(default)]
    pub language: Option<String>,
    /// When the user last began to follow, in Unix seconds.
    #[serde(default, deserialize_with = "integer")]
    pub subscribe_time: Option<i64>,
    /// The account's own note on the user.
    #[serde(default)]
    pub remark: Option<String>,
    /// How the user came, as in `ADD_SCENE_QR_CODE`.
    #[serde(default)]
    pub subscribe_scene: Option<String>,
}

impl UserInfo {
    /// Whether the user follows the account.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.subscribe == Some(1)
    }
}

#[cfg(feature = "client")]
impl crate::client::Client {
    /// Asks about one user.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError); 40003 for an openid of another account.
    pub async fn user_info(
        &self,
        token: &crate::secret::AccessToken,
        openid: &str,
    ) -> Result<UserInfo, crate::error::CallError> {
        use crate::client::ApiRequest;
        use crate::errcode::Endpoint;
        use crate::error::DoubtCause;

        let query = [
            ("access_token", token.expose()),
            ("openid", openid),
            ("lang", "zh_CN"),
        ];
        let request = ApiRequest::get(Endpoint::UserInfo, token.shared(), &query)?;
        let response = self.call(request).await?;
        crate::client::answer::read(
            Endpoint::UserInfo,
            &response.body,
            DoubtCause::Incomplete("openid"),
        )
    }
}
