//! Why a request was not let in.
//! It must not know how a refusal is shown; its words never tell whether the client or the signature was wrong.

use crate::auth::scope::Scope;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the header {0} is missing; see /docs/signing.md")]
    Missing(&'static str),
    #[error("the header {0} is there more than once")]
    Duplicated(&'static str),
    #[error("X-Timestamp is not a number of Unix seconds")]
    MalformedTimestamp,
    #[error("X-Nonce is not 16 to 64 of A-Z a-z 0-9 - _")]
    MalformedNonce,
    #[error("X-Signature is not 64 lower-case hexadecimal digits")]
    MalformedSignature,
    #[error("X-Timestamp is more than 300 s from the server's time, which is {server_seconds}")]
    Stale { server_seconds: i64 },
    #[error("the client is unknown or the signature does not match the request")]
    Refused,
    #[error("a request is signed or brings a token, not both")]
    TwoWays,
    #[error("the token is not one that this gateway believes")]
    TokenRefused,
    #[error(
        "the token needs `sub`, `aud` and `exp`, and each claim in the form that docs/access.md says"
    )]
    TokenClaims,
    #[error("the token is from another issuer")]
    TokenIssuer,
    #[error("the token is for another audience")]
    TokenAudience,
    #[error("the token has expired; the server's time is {server_seconds}")]
    TokenExpired { server_seconds: i64 },
    #[error("the token is not valid yet; the server's time is {server_seconds}")]
    TokenEarly { server_seconds: i64 },
    #[error("the token's issuer does not sign for this client")]
    TokenClient,
    #[error("this nonce was used before; sign again with a new one")]
    Replayed,
    #[error("the query is not UTF-8 once it is decoded")]
    QueryNotUtf8,
    #[error("the client lacks the scope {0}")]
    ScopeMissing(Scope),
    #[error("the client is confined to other accounts")]
    OtherAccounts,
    #[error("the client is confined to other templates")]
    OtherTemplates,
    #[error("this concerns all templates of the account, and the client is confined to some")]
    EveryTemplate,
}
