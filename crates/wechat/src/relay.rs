//! Any call with a token, its body and its answer as they are: for whoever passes on what others ask.
//! Knows no call; what may be passed on is the caller's to say.

use bytes::Bytes;

use crate::client::{ApiRequest, Client, LIST_LIMIT};
use crate::errcode::Endpoint;
use crate::error::CallError;
use crate::secret::AccessToken;

impl Client {
    /// Makes a call with `token` and these further parts of a query: a POST of `body`, or a GET without one. Answers
    /// WeChat's JSON object as it is, of at most 1 MiB, if there is no errcode but 0 in it.
    ///
    /// The answer may echo the token.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn relay(
        &self,
        endpoint: Endpoint,
        token: &AccessToken,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        let mut whole = Vec::with_capacity(query.len() + 1);
        whole.push(("access_token", token.expose()));
        whole.extend_from_slice(query);
        let request = ApiRequest::new(endpoint, token.shared(), &whole, body)?.limit(LIST_LIMIT);
        Ok(self.call(request).await?.body)
    }
}
