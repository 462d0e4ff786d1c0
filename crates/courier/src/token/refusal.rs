//! What a refusal of the token endpoint means for its account. Pure.

use std::time::Duration;

use hongyan_wechat::answer::offending_ip;
use hongyan_wechat::errcode::{Class, ConfigurationFault};
use hongyan_wechat::error::ApiError;

use crate::account::{Stop, StopCause};
use crate::time::UnixMs;

/// Whether a refusal of the token endpoint stops the account, and what an operator should read.
pub(super) fn stop(error: &ApiError, probe: Duration, now: UnixMs) -> Option<Stop> {
    let said = format!("WeChat says {}: {}", error.code, error.errmsg);
    let (cause, detail, pause) = match error.class() {
        Class::Configuration(ConfigurationFault::Secret) => (
            StopCause::Credentials,
            format!("the AppSecret is wrong or frozen: set the right one ({said})"),
            probe,
        ),
        Class::Configuration(ConfigurationFault::AppId) => (
            StopCause::Credentials,
            format!("the appid is wrong ({said})"),
            probe,
        ),
        Class::Configuration(
            fault @ (ConfigurationFault::Address
            | ConfigurationFault::RefusedForAnHour
            | ConfigurationFault::RefusedForADay),
        ) => {
            let ip = offending_ip(&error.errmsg)
                .map_or_else(|| "this machine's address".into(), |ip| ip.to_string());
            let pause = match fault {
                ConfigurationFault::RefusedForAnHour => Duration::from_secs(3_600),
                ConfigurationFault::RefusedForADay => Duration::from_secs(86_400),
                _ => probe,
            };
            (
                StopCause::Address,
                format!(
                    "add {ip} to the account's IP whitelist, on WeChat's platform under basic configuration / 请在公众平台“设置与开发 - 基本配置”的 IP 白名单中加入 {ip} ({said})"
                ),
                pause,
            )
        }
        Class::Configuration(ConfigurationFault::Request) => {
            (StopCause::TokenEndpoint, said, probe)
        }
        Class::Account(_) => (StopCause::Blocked, said, probe),
        Class::Quota => (
            StopCause::Quota,
            format!("the day's token quota is spent ({said})"),
            probe.max(Duration::from_secs(600)),
        ),
        _ => return None,
    };
    Some(Stop {
        cause,
        detail,
        since: now,
        probe_at: now.plus(pause),
    })
}
