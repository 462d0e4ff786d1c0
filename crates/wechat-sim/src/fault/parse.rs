//! Faults as one line of text, for command lines and the control routes: `what[=value][:option]…`.
//! It knows the words and nothing of their effect.

use std::str::FromStr;
use std::time::Duration;

use super::{Endpoint, Fault, Place, What, When};

/// Says which part of a fault's text is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad fault `{text}`: {problem}")]
pub struct FaultError {
    text: String,
    problem: String,
}

const KINDS: &str = "code=N, busy, cut, cut-before, 5xx, status=N, html, half, slow=TIME, hang, token-rejected, revoke, other-holder[=forced]";
const OPTIONS: &str =
    "N%, first=N, burst=N/M, at=PLACE, account=APPID, openid=OPENID, accepted, refused, msg=TEXT";
const PLACES: &str = "any, tokens, business, token, stable_token, forced, send, bizsend, subscribe_send, one_time_send, templates, subscription_templates, add_subscription_template, del_subscription_template, add_template, del_template, get_industry, set_industry, user_info, user_get, quota, clear_quota, api_domain_ip, oauth";

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |problem: String| FaultError {
            text: text.to_owned(),
            problem,
        };
        let mut parts = text.trim().split(':');
        let what = what_of(parts.next().unwrap_or("")).map_err(wrong)?;
        let mut fault = Self::new(what);
        for option in parts {
            apply(&mut fault, option).map_err(wrong)?;
        }
        Ok(fault)
    }
}

fn what_of(part: &str) -> Result<What, String> {
    let (kind, value) = match part.split_once('=') {
        Some((kind, value)) => (kind, Some(value)),
        None => (part, None),
    };
    let what = match (kind, value) {
        ("code", Some(value)) => What::Code {
            errcode: number(value)?,
            errmsg: None,
        },
        ("slow", Some(value)) => What::Slow(time(value)?),
        ("status", Some(value)) => What::Status {
            status: status(value)?,
            accepted: false,
        },
        ("other-holder", Some("forced")) => What::AnotherHolder { force: true },
        ("other-holder", Some("plain") | None) => What::AnotherHolder { force: false },
        ("code" | "slow" | "status", None) => {
            return Err(format!("`{kind}` needs a value: `{kind}=…`"));
        }
        ("busy", None) => What::Busy { accepted: false },
        ("cut", None) => What::CutAfterAccept,
        ("cut-before", None) => What::CutBefore,
        ("5xx", None) => What::Status {
            status: 502,
            accepted: false,
        },
        ("html", None) => What::Html { accepted: false },
        // Half an answer is usually the half of a real one.
        ("half", None) => What::HalfBody { accepted: true },
        ("hang", None) => What::Hang { accepted: false },
        ("token-rejected", None) => What::TokenRejected,
        ("revoke", None) => What::RevokeTokens,
        _ => return Err(format!("unknown kind `{part}`; one of: {KINDS}")),
    };
    Ok(what)
}

fn apply(fault: &mut Fault, option: &str) -> Result<(), String> {
    if let Some(percent) = option.strip_suffix('%') {
        let percent: f64 = number(percent)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("`{option}` is not between 0% and 100%"));
        }
        fault.when = When::Chance(percent / 100.0);
        return Ok(());
    }
    match option.split_once('=') {
        None if option == "accepted" => accept(&mut fault.what, true)?,
        None if option == "refused" => accept(&mut fault.what, false)?,
        None if option == "always" => fault.when = When::Always,
        Some(("first", calls)) => fault.when = When::First(number(calls)?),
        Some(("burst", lengths)) => fault.when = burst(lengths)?,
        Some(("at", place)) => fault.place = place_of(place)?,
        Some(("account", appid)) => fault.account = Some(appid.to_owned()),
        Some(("openid", openid)) => fault.openid = Some(openid.to_owned()),
        Some(("msg", text)) => match &mut fault.what {
            What::Code { errmsg, .. } => *errmsg = Some(text.to_owned()),
            _ => return Err("`msg=` goes with `code=` alone".to_owned()),
        },
        _ => return Err(format!("unknown option `{option}`; one of: {OPTIONS}")),
    }
    Ok(())
}

fn accept(what: &mut What, whether: bool) -> Result<(), String> {
    match what {
        What::Busy { accepted }
        | What::Status { accepted, .. }
        | What::Html { accepted }
        | What::HalfBody { accepted }
        | What::Hang { accepted } => *accepted = whether,
        _ => {
            return Err(
                "`accepted` and `refused` go with busy, 5xx, html, half and hang".to_owned(),
            );
        }
    }
    Ok(())
}

fn place_of(name: &str) -> Result<Place, String> {
    let endpoint = match name {
        "any" => return Ok(Place::Any),
        "tokens" => return Ok(Place::Tokens),
        "business" => return Ok(Place::Business),
        "token" => Endpoint::Token,
        "stable_token" => Endpoint::StableToken,
        "forced" => Endpoint::ForcedToken,
        "send" => Endpoint::Send,
        "bizsend" => Endpoint::BizSend,
        "subscribe_send" => Endpoint::SubscribeSend,
        "one_time_send" => Endpoint::OneTimeSend,
        "templates" => Endpoint::Templates,
        "subscription_templates" => Endpoint::SubscriptionTemplates,
        "add_subscription_template" => Endpoint::SubscriptionTemplateAdd,
        "del_subscription_template" => Endpoint::SubscriptionTemplateDelete,
        "add_template" => Endpoint::TemplateAdd,
        "del_template" => Endpoint::TemplateDelete,
        "get_industry" => Endpoint::IndustryGet,
        "set_industry" => Endpoint::IndustrySet,
        "user_info" => Endpoint::UserInfo,
        "user_get" => Endpoint::UserList,
        "quota" => Endpoint::Quota,
        "clear_quota" => Endpoint::ClearQuota,
        "api_domain_ip" => Endpoint::ApiDomainIp,
        "oauth" => Endpoint::Oauth,
        _ => return Err(format!("unknown place `{name}`; one of: {PLACES}")),
    };
    Ok(Place::One(endpoint))
}

fn burst(lengths: &str) -> Result<When, String> {
    let (trouble, calm) = lengths
        .split_once('/')
        .ok_or_else(|| format!("`burst={lengths}` is not `burst=N/M`"))?;
    Ok(When::Burst {
        trouble: number(trouble)?,
        calm: number(calm)?,
    })
}

fn status(value: &str) -> Result<u16, String> {
    let status = number(value)?;
    if !(400..=599).contains(&status) {
        return Err(format!("`{value}` is not a status from 400 to 599"));
    }
    Ok(status)
}

fn time(value: &str) -> Result<Duration, String> {
    if let Some(millis) = value.strip_suffix("ms") {
        return Ok(Duration::from_millis(number(millis)?));
    }
    match value.strip_suffix('s') {
        Some(seconds) => Ok(Duration::from_secs(number(seconds)?)),
        None => Err(format!("`{value}` is not a time such as 200ms or 3s")),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_faults() {
        let cases = [
            (
                "busy:5%",
                Fault::new(What::Busy { accepted: false }).chance(0.05),
            ),
            ("cut:5%", Fault::new(What::CutAfterAccept).chance(0.05)),
            ("code=45009:first=3", Fault::code(45009).first(3)),
            (
                "slow=200ms",
                Fault::new(What::Slow(Duration::from_millis(200))),
            ),
            (
                "5xx:1%:accepted",
                Fault::new(What::Status {
                    status: 502,
                    accepted: true,
                })
                .chance(0.01),
            ),
            (
                "html:1%",
                Fault::new(What::Html { accepted: false }).chance(0.01),
            ),
            (
                "half:1%",
                Fault::new(What::HalfBody { accepted: true }).chance(0.01),
            ),
            ("code=40001", Fault::code(40001)),
            (
                "code=40164:at=tokens:account=wx1",
                Fault::code(40164).at(Place::Tokens).account("wx1"),
            ),
            (
                "code=-1:msg=system error:openid=o1",
                Fault::new(What::Code {
                    errcode: -1,
                    errmsg: Some("system error".into()),
                })
                .openid("o1"),
            ),
            ("token-rejected", Fault::new(What::TokenRejected)),
            (
                "other-holder=forced",
                Fault::new(What::AnotherHolder { force: true }),
            ),
        ];
        for (text, fault) in cases {
            assert_eq!(text.parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn errors_name_the_bad_part() {
        let cases = [
            ("bussy", "unknown kind `bussy`"),
            ("busy:often", "unknown option `often`"),
            ("busy:120%", "`120%` is not between"),
            ("slow=200", "`200` is not a time"),
            ("slow", "`slow` needs"),
            ("code=x", "`x` is not a number"),
            ("status=200", "`200` is not a status"),
            ("cut:accepted", "`accepted` and `refused` go with"),
            ("busy:at=sent", "unknown place `sent`"),
            ("busy:burst=3", "`burst=3` is not"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
