//! Followers: `/cgi-bin/user/info` and `/cgi-bin/user/get`.
//! Knows the wire; what follows from a user's state is decided elsewhere.

use serde::{Deserialize, Serialize};

use crate::answer::integer;

/// What WeChat tells of a user. Of one who does not follow the account, only `subscribe` and the ids.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/usermanage/userinfo/api_userinfo>.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
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

crate::debug_without!(
    UserInfo: subscribe; openid, unionid, language, subscribe_time, remark, subscribe_scene
);

impl UserInfo {
    /// Whether the user follows the account.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.subscribe == Some(1)
    }
}

/// A page of an account's followers, at most 10,000 of them.
/// Official page: <https://developers.weixin.qq.com/doc/service/api/usermanage/userinfo/api_getfans>.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FollowerPage {
    /// How many follow the account altogether.
    pub total: u64,
    /// Their openids; none on the page after the last.
    pub openids: Vec<String>,
    /// After whom the next page begins. WeChat may name somebody even if nobody comes: the page after the last one is
    /// empty, and tells.
    pub next: Option<String>,
}

crate::debug_without!(
    FollowerPage: total; openids, next
);

#[cfg(feature = "client")]
#[derive(Deserialize)]
struct FollowerList {
    #[serde(default, deserialize_with = "integer")]
    total: Option<i64>,
    #[serde(default, deserialize_with = "integer")]
    count: Option<i64>,
    #[serde(default)]
    data: Option<Openids>,
    #[serde(default)]
    next_openid: Option<String>,
}

#[cfg(feature = "client")]
#[derive(Default, Deserialize)]
struct Openids {
    #[serde(default)]
    openid: Vec<String>,
}

#[cfg(feature = "client")]
impl From<FollowerList> for FollowerPage {
    fn from(list: FollowerList) -> Self {
        let openids = list.data.unwrap_or_default().openid;
        // `data` is missing on the page after the last, or its count is 0.
        let openids = if list.count == Some(0) {
            Vec::new()
        } else {
            openids
        };
        Self {
            total: list.total.unwrap_or(0).unsigned_abs(),
            openids,
            next: list.next_openid.filter(|next| !next.is_empty()),
        }
    }
}

#[cfg(feature = "client")]
impl crate::client::Client {
    /// Lists followers, from the one after `after` on; the first ones without it.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError); 40003 for an `after` of another account.
    pub async fn followers(
        &self,
        token: &crate::secret::AccessToken,
        after: Option<&str>,
    ) -> Result<FollowerPage, crate::error::CallError> {
        use crate::client::{ApiRequest, LIST_LIMIT};
        use crate::errcode::Endpoint;
        use crate::error::DoubtCause;

        let query = [
            ("access_token", token.expose()),
            ("next_openid", after.unwrap_or_default()),
        ];
        let request =
            ApiRequest::get(Endpoint::UserList, token.shared(), &query)?.limit(LIST_LIMIT);
        let response = self.call(request).await?;
        let list: FollowerList = crate::client::answer::read(
            Endpoint::UserList,
            &response.body,
            DoubtCause::Incomplete("data"),
        )?;
        Ok(list.into())
    }

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
