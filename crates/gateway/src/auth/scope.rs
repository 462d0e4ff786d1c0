//! What a client may do, as a closed set of words.
//! It must not know which route asks for which scope.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    MessagesSend,
    MessagesRead,
    Accounts,
    Token,
    Templates,
    Broadcasts,
    Recipients,
    Receipts,
    Quota,
    Webhooks,
    WechatRead,
    Audit,
}

impl Scope {
    pub const ALL: [Self; 12] = [
        Self::MessagesSend,
        Self::MessagesRead,
        Self::Accounts,
        Self::Token,
        Self::Templates,
        Self::Broadcasts,
        Self::Recipients,
        Self::Receipts,
        Self::Quota,
        Self::Webhooks,
        Self::WechatRead,
        Self::Audit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessagesSend => "messages:send",
            Self::MessagesRead => "messages:read",
            Self::Accounts => "accounts",
            Self::Token => "token",
            Self::Templates => "templates",
            Self::Broadcasts => "broadcasts",
            Self::Recipients => "recipients",
            Self::Receipts => "receipts",
            Self::Quota => "quota",
            Self::Webhooks => "webhooks",
            Self::WechatRead => "wechat:read",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(scope) = Self::ALL.into_iter().find(|scope| scope.as_str() == text) {
            return Ok(scope);
        }
        let nearest = Self::ALL
            .into_iter()
            .map(|scope| (strsim::damerau_levenshtein(text, scope.as_str()), scope))
            .filter(|(distance, _)| *distance <= 4)
            .min_by_key(|(distance, _)| *distance);
        Err(match nearest {
            Some((_, scope)) => format!("unknown scope {text:?}; did you mean {scope}?"),
            None => format!(
                "unknown scope {text:?}; known are {}",
                Self::ALL.map(Self::as_str).join(", ")
            ),
        })
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScopeSet(u16);

impl ScopeSet {
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(
            scopes
                .into_iter()
                .fold(0, |set, scope| set | (1 << scope as u8)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_reads_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(
                ScopeSet::from_iter([scope]).iter().collect::<Vec<_>>(),
                [scope]
            );
        }
    }

    #[test]
    fn an_unknown_scope_names_the_nearest() {
        let error = "message:send".parse::<Scope>().unwrap_err();
        assert_eq!(
            error,
            "unknown scope \"message:send\"; did you mean messages:send?"
        );
        assert!(
            "everything-at-all"
                .parse::<Scope>()
                .unwrap_err()
                .contains("known are messages:send, ")
        );
    }
}
