//! The hosts to call, in order of preference.
//! Knows addresses only; which schemes are allowed is the caller's policy.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use super::preference::Preference;

/// WeChat's nearest data centre, and the one for when that is away.
/// Official page: <https://developers.weixin.qq.com/doc/service/Basic_Information/Interface_field_description.html>.
const OFFICIAL: [&str; 2] = ["https://api.weixin.qq.com", "https://api2.weixin.qq.com"];

/// One or more hosts, in order of preference; the next is tried when one cannot be connected to, and remembered for
/// half a minute. Cheap to clone; clones share that memory.
///
/// ```
/// use hongyan_wechat::client::Hosts;
///
/// assert!(Hosts::new(["https://api.weixin.qq.com", "https://api2.weixin.qq.com"]).is_ok());
/// let wrong = Hosts::new(["api.weixin.qq.com"]).unwrap_err();
/// assert_eq!(wrong.to_string(), "`api.weixin.qq.com` is not a base address: it must begin with https:// or http://");
/// ```
#[derive(Clone)]
pub struct Hosts(Arc<Inner>);

struct Inner {
    origins: Box<[Origin]>,
    preference: Preference,
}

#[derive(PartialEq, Eq)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The `Host` header, made once.
    pub(super) host: HeaderValue,
}

/// The hosts cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// There is none.
    #[error("at least one base address is needed")]
    Empty,
    /// One is not a base address.
    #[error("`{base}` is not a base address: {reason}")]
    Base {
        /// As given, without what stands before an `@`.
        base: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Hosts {
    /// Takes base addresses such as `https://api.weixin.qq.com`, in order of preference.
    ///
    /// # Errors
    /// [`HostsError`] for none, and for one with another scheme, a user, a path or a query.
    pub fn new<T: AsRef<str>>(bases: impl IntoIterator<Item = T>) -> Result<Self, HostsError> {
        let origins = bases
            .into_iter()
            .map(|base| Origin::parse(base.as_ref().trim()));
        let origins: Box<[Origin]> = origins.collect::<Result<_, _>>()?;
        if origins.is_empty() {
            return Err(HostsError::Empty);
        }
        Ok(Self::of(origins))
    }

    /// `api.weixin.qq.com`, then `api2.weixin.qq.com`.
    #[must_use]
    pub fn official() -> Self {
        let origin = |base: &'static str| {
            let name = base.trim_start_matches("https://");
            Origin {
                scheme: Scheme::HTTPS,
                authority: Authority::from_static(name),
                host: HeaderValue::from_static(name),
            }
        };
        Self::of(OFFICIAL.into_iter().map(origin).collect())
    }

    fn of(origins: Box<[Origin]>) -> Self {
        Self(Arc::new(Inner {
            origins,
            preference: Preference::default(),
        }))
    }

    /// The hosts in the order to try them now.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Turn<'_>> {
        let first = self.0.preference.first(Instant::now());
        let count = self.0.origins.len();
        (first..count).chain(0..first).map(move |place| Turn {
            origin: &self.0.origins[place],
            preference: &self.0.preference,
            first,
            place,
        })
    }
}

/// One host's turn in a call.
pub(super) struct Turn<'h> {
    pub(super) origin: &'h Origin,
    preference: &'h Preference,
    first: usize,
    place: usize,
}

impl Turn<'_> {
    /// Notes that the host could be connected to.
    pub(super) fn reached(&self) {
        self.preference
            .reached(self.first, self.place, Instant::now());
    }
}

impl PartialEq for Hosts {
    fn eq(&self, other: &Self) -> bool {
        self.0.origins == other.0.origins
    }
}

impl Eq for Hosts {}

impl Default for Hosts {
    fn default() -> Self {
        Self::official()
    }
}

/// One base address, or several with commas between them.
impl FromStr for Hosts {
    type Err = HostsError;

    fn from_str(bases: &str) -> Result<Self, HostsError> {
        Self::new(bases.split(','))
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, origin) in self.0.origins.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(out, "{comma}{}://{}", origin.scheme, origin.authority)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Hosts({self})")
    }
}

impl Origin {
    fn parse(base: &str) -> Result<Self, HostsError> {
        let wrong = |reason| {
            let shown = base.rsplit_once('@').map_or(base, |(_, rest)| rest);
            HostsError::Base {
                base: shown.to_owned(),
                reason,
            }
        };
        if !base.starts_with("https://") && !base.starts_with("http://") {
            return Err(wrong("it must begin with https:// or http://"));
        }
        let parts = base
            .parse::<Uri>()
            .map_err(|_| wrong("it is not a URL"))?
            .into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(wrong("it has no host"));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("it must not name a user"));
        }
        if parts
            .path_and_query
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(wrong("it must not have a path or a query"));
        }
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("it is not a URL"))?;
        Ok(Self {
            scheme,
            authority,
            host,
        })
    }

    /// The address of `target` here.
    pub(super) fn uri(&self, target: PathAndQuery) -> Result<Uri, http::Error> {
        let (scheme, authority) = (self.scheme.clone(), self.authority.clone());
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(target)
            .build()
    }
}
