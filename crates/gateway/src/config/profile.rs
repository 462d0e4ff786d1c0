//! The profile a gateway runs under: how strict the checks of its configuration are.
//! It must not know any configuration key.

use std::fmt;

use crate::config::environment::Environment;

pub const PROFILE_VARIABLE: &str = "HONGYAN_PROFILE";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Staging,
    Prod,
}

impl Profile {
    /// An unset or empty variable means `dev`; another word is an error that names the three.
    pub fn from_environment(environment: &Environment) -> Result<Self, String> {
        match environment.get(PROFILE_VARIABLE).map_or("", String::as_str) {
            "" | "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            other => Err(format!(
                "there is no profile {other:?}; use dev, staging or prod"
            )),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
