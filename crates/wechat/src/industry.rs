//! The industries of an account, by which WeChat's old template library is divided.
//! Knows the wire; changing them deletes templates, so whether that is wanted is for others to ask.

use serde::{Deserialize, Serialize};

/// The two industries of an account. An account that never set them may have none.
/// Official page: <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html>.
///
/// ```
/// use hongyan_wechat::industry::Industries;
///
/// let answer = r#"{"primary_industry":{"first_class":"运输与仓储","second_class":"快递"},
///     "secondary_industry":{"first_class":"IT科技","second_class":"互联网|电子商务"}}"#;
/// let industries: Industries = serde_json::from_str(answer)?;
/// assert_eq!(industries.primary_industry.unwrap().second_class, "快递");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Industries {
    /// The first.
    #[serde(default)]
    pub primary_industry: Option<Industry>,
    /// The second; WeChat calls it so here and `deputy_industry` in the list of templates.
    #[serde(default)]
    pub secondary_industry: Option<Industry>,
}

/// An industry by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Industry {
    /// Such as `IT科技`.
    #[serde(default)]
    pub first_class: String,
    /// Such as `互联网|电子商务`.
    #[serde(default)]
    pub second_class: String,
}

/// The industries an account is to have, by their codes on the official page, 1 to 41.
///
/// ```
/// use hongyan_wechat::industry::IndustryCodes;
///
/// let codes = IndustryCodes { primary: 1, secondary: 4 };
/// assert_eq!(serde_json::to_string(&codes)?, r#"{"industry_id1":"1","industry_id2":"4"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IndustryCodes {
    /// The first.
    #[serde(rename = "industry_id1", serialize_with = "as_text")]
    pub primary: u8,
    /// The second.
    #[serde(rename = "industry_id2", serialize_with = "as_text")]
    pub secondary: u8,
}

/// WeChat's page gives the codes as text.
fn as_text<S: serde::Serializer>(code: &u8, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(code)
}

#[cfg(feature = "client")]
impl crate::client::Client {
    /// Asks for the account's industries.
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError).
    pub async fn industries(
        &self,
        token: &crate::secret::AccessToken,
    ) -> Result<Industries, crate::error::CallError> {
        let endpoint = crate::errcode::Endpoint::IndustryGet;
        let query = [("access_token", token.expose())];
        let request = crate::client::ApiRequest::get(endpoint, token.shared(), &query)?;
        let response = self.call(request).await?;
        let incomplete = crate::error::DoubtCause::Incomplete("primary_industry");
        crate::client::answer::read(endpoint, &response.body, incomplete)
    }

    /// Sets the account's industries: once a month at most (43100), and WeChat then deletes the templates of the old.
    ///
    /// ```
    /// # async fn set(client: &hongyan_wechat::client::Client, token: &hongyan_wechat::AccessToken)
    /// # -> Result<(), hongyan_wechat::error::CallError> {
    /// use hongyan_wechat::industry::IndustryCodes;
    ///
    /// client.set_industries(token, IndustryCodes { primary: 1, secondary: 4 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`](crate::error::CallError); refused with 40102 or 40103 for a code that is none.
    pub async fn set_industries(
        &self,
        token: &crate::secret::AccessToken,
        codes: IndustryCodes,
    ) -> Result<(), crate::error::CallError> {
        let endpoint = crate::errcode::Endpoint::IndustrySet;
        let query = [("access_token", token.expose())];
        let request = crate::client::ApiRequest::post(endpoint, token.shared(), &query, &codes)?;
        crate::client::answer::done(&self.call(request).await?)
    }
}
