//! What the gateway decides about a message, in WeChat's codes: the table of docs/compat.md. Of a message that is stored, or
//! may be, it must never say a code that SDKs or people take for a passing one: they would send it again.

use std::fmt::Display;

use hongyan_courier::kind::ReceiptBy;
use hongyan_courier::message::{Message, Reason, Status};
use hongyan_courier::port::StoreError;
use hongyan_wechat::errcode::{Class, RateScope, classify};

use super::answer::{Answer, Refusal};
use crate::api::error::{FieldProblem, Problem};

/// Too many calls, or no room: nothing was stored, come back in a minute.
pub const SLOWER: i64 = 45011;
/// Whether a change was made is not known: look before making it again.
pub const UNKNOWN_OUTCOME: i64 = 61450;
/// For what no code of WeChat's says. No SDK repeats it.
const SAID_IN_WORDS: i64 = 40097;

/// For when the caller is to slow down; nothing of the call was done.
pub fn slower() -> Refusal {
    Refusal::new(
        SLOWER,
        "api minute-quota reach limit must slower retry next minute",
    )
}

/// For when nobody can tell whether a change was made.
pub fn unknown_outcome() -> Refusal {
    Refusal::new(
        UNKNOWN_OUTCOME,
        "system error: the outcome is not known, look before doing it again",
    )
}

/// For when nobody can tell whether a message is stored.
pub fn perhaps_stored() -> Refusal {
    in_words("whether the message is stored is not known, look before sending it again")
}

fn in_words(words: impl Display) -> Refusal {
    Refusal::new(SAID_IN_WORDS, format!("invalid args: {words}"))
}

/// What a message comes to that was waited for. Its own number stands for what is not settled.
pub fn of_message(message: &Message) -> Result<Answer, Refusal> {
    let delivery = &message.delivery;
    let waiting = Answer::Sent {
        msgid: Some(message.id.number()),
    };
    match delivery.status {
        // SDKs look for a msgid where WeChat has one; a repeat that it took for one has none.
        Status::Sent | Status::Delivered => match delivery.msgid {
            None if message.content.kind.traits().receipt == ReceiptBy::Msgid => Ok(waiting),
            msgid => Ok(Answer::Sent { msgid }),
        },
        // The last one may have reached the user.
        Status::Queued | Status::Sending | Status::Unconfirmed => Ok(waiting),
        Status::Expired => Err(in_words("expires_at has passed")),
        Status::Cancelled => Err(in_words("it was cancelled")),
        Status::Suppressed => Err(of_reason(delivery.reason)),
        Status::Failed => Err(said_last(message).unwrap_or_else(|| of_reason(delivery.reason))),
    }
}

/// WeChat's own words on a message that it refused, unless they would have it sent again.
fn said_last(message: &Message) -> Option<Refusal> {
    let endpoint = message.content.kind.traits().endpoint;
    let last = message.delivery.attempts.last()?;
    let errcode = last.errcode.filter(|code| {
        let class = classify(endpoint, *code);
        !reads_as_passing(class)
    })?;
    Some(Refusal::by_wechat(errcode, last.errmsg.clone()))
}

/// Whether whoever is answered so would send again soon: a token's trouble is the gateway's, who is busy asks for a repeat, and
/// "slower" says that nothing was stored.
fn reads_as_passing(class: Class) -> bool {
    use Class::{Busy, Ok, Rate, Token};
    matches!(class, Ok | Token | Busy | Rate(RateScope::Account))
}

/// Why nothing is sent, where WeChat was not asked.
pub fn of_reason(reason: Option<Reason>) -> Refusal {
    use Reason::{
        AccountUnusable, ContentBlocked, DuplicateContent, FrequencyLimited, InvalidData,
        InvalidLink, InvalidOpenid, InvalidTemplate, NotSubscribed, QuotaExhausted,
        SuppressedByOperator, TemplateEdited, TemplateGone, TemplateStopped, UserBlocked,
        UserRefused, UserUnavailable,
    };
    let (errcode, errmsg) = match reason {
        Some(InvalidOpenid) => (40003, "invalid openid"),
        Some(NotSubscribed) => (43004, "require subscribe"),
        Some(UserRefused | UserBlocked) => (43101, "user refuse to accept the msg"),
        Some(SuppressedByOperator) => (43019, "require remove blacklist"),
        Some(UserUnavailable) => (50002, "user limited"),
        Some(InvalidTemplate | TemplateGone | TemplateStopped) => (40037, "invalid template_id"),
        Some(TemplateEdited | InvalidData) => (47003, "argument invalid!"),
        Some(InvalidLink) => (40165, "invalid weapp pagepath"),
        Some(ContentBlocked) => (
            40249,
            "this template msg has been blocked for illegal content",
        ),
        Some(DuplicateContent) => (40241, "The message is duplicate in 60 seconds"),
        Some(FrequencyLimited) => (
            43117,
            "Sending messages to this openid too frequently,please try later",
        ),
        Some(QuotaExhausted) => (45009, "reach max api daily quota limit"),
        Some(AccountUnusable) => (48001, "api unauthorized"),
        Some(other) => return in_words(format_args!("it is not sent, {other}")),
        None => return in_words("it is not sent"),
    };
    Refusal::new(errcode, errmsg)
}

/// What is wrong with a message that was not taken.
pub fn of_problem(problem: &Problem) -> Refusal {
    match problem.code {
        "malformed" => Refusal::new(47001, "data format error"),
        "idempotency_mismatch" => mismatch(),
        "forbidden" => Refusal::new(48001, "api unauthorized"),
        "invalid_message" => match problem.errors.first() {
            Some(first) => of_field(first),
            None => Refusal::new(SAID_IN_WORDS, "invalid args"),
        },
        // Of what else is answered nobody knows whether it is stored.
        _ => perhaps_stored(),
    }
}

/// The same `client_msg_id` with another content.
pub fn mismatch() -> Refusal {
    Refusal::new(44007, "repeated msg id")
}

/// The store could not take a message.
pub fn of_store(error: &StoreError) -> Refusal {
    match error {
        StoreError::Overloaded | StoreError::Full => slower(),
        StoreError::Unavailable(_) | StoreError::Corrupt(_) => perhaps_stored(),
    }
}

fn of_field(problem: &FieldProblem) -> Refusal {
    let field = problem.field.as_str();
    match field {
        "touser" => Refusal::new(40003, "invalid openid"),
        "template_id" if problem.rule.as_deref() == Some("template_id.unknown") => {
            Refusal::new(40037, "invalid template_id")
        }
        "template_id" => Refusal::new(40036, "invalid template_id size"),
        "url" => Refusal::new(40039, "invalid url size"),
        "page" => Refusal::new(41030, "invalid page"),
        "title" => Refusal::new(40062, "invalid title size"),
        "client_msg_id" => Refusal::new(40035, "invalid parameter"),
        "miniprogram.pagepath" => Refusal::new(40165, "invalid weapp pagepath"),
        _ if field.starts_with("miniprogram") => Refusal::new(40166, "invalid weapp appid"),
        _ => match field.strip_prefix("data") {
            Some(key) => of_data(key, problem),
            None => in_words(format_args!("{field} {}", problem.problem)),
        },
    }
}

/// In WeChat's words, which SDKs and people search for the key. Its value is never among them.
fn of_data(key: &str, problem: &FieldProblem) -> Refusal {
    let missing = matches!(problem.rule.as_deref(), Some("missing" | "empty"))
        || problem.problem.starts_with("is missing")
        || problem.problem.starts_with("is empty")
        || problem.problem.starts_with("has no keys");
    let what = if missing { "is empty" } else { "invalid" };
    let key = key.trim_start_matches('.');
    let key = key.strip_suffix(".value").unwrap_or(key);
    let place = match key {
        "" => "data".to_owned(),
        key => format!("data.{key}.value"),
    };
    Refusal::new(47003, format!("argument invalid! {place} {what}"))
}

#[cfg(test)]
mod tests {
    use hongyan_wechat::errcode::Endpoint;

    use super::*;

    fn of(field: &str, problem: &str) -> (i64, String) {
        let problem = Problem::invalid_message(vec![FieldProblem::new(field, problem)]);
        let refusal = of_problem(&problem);
        (refusal.errcode, refusal.errmsg.into_owned())
    }

    #[test]
    fn a_field_has_the_code_that_wechat_gives_it() {
        assert_eq!(of("touser", "is missing").0, 40003);
        assert_eq!(of("template_id", "is missing").0, 40036);
        assert_eq!(of("miniprogram", "must be an object").0, 40166);
        assert_eq!(of("title", "is missing").0, 40062);
        assert_eq!(of("scene", "is missing").0, 40097);
        let invalid = "argument invalid! data.thing1.value invalid";
        assert_eq!(of("data.thing1.value", "has 30"), (47003, invalid.into()));
        let empty = "argument invalid! data.thing1.value is empty";
        assert_eq!(of("data.thing1", "is empty; so"), (47003, empty.into()));
        let whole = "argument invalid! data is empty";
        assert_eq!(of("data", "is missing"), (47003, whole.into()));
    }

    #[test]
    fn no_reason_has_a_code_that_sdks_repeat() {
        for reason in Reason::ALL {
            let refusal = of_reason(Some(*reason));
            let class = classify(Endpoint::TemplateSend, refusal.errcode);
            assert!(!reads_as_passing(class), "{reason}");
        }
    }

    #[test]
    fn the_documents_table_has_every_reason_and_its_code() {
        let table = include_str!("../../../../docs/compat.md");
        // Of these the outcome is not known: the message's own number is the answer.
        let in_doubt = [Reason::OutcomeUnknown, Reason::ReceiptMissing];
        for reason in Reason::ALL
            .iter()
            .filter(|reason| !in_doubt.contains(reason))
        {
            let line = format!("| `{reason}` | {} |", of_reason(Some(*reason)).errcode);
            assert!(table.contains(&line), "docs/compat.md lacks {line}");
        }
    }

    #[test]
    fn what_was_surely_not_stored_may_come_again_later_and_of_the_rest_nobody_can_tell() {
        let away = StoreError::Unavailable("as told".into());
        for (error, errcode) in [
            (StoreError::Overloaded, 45011),
            (StoreError::Full, 45011),
            (away, SAID_IN_WORDS),
            (StoreError::Corrupt("as told".to_owned()), SAID_IN_WORDS),
        ] {
            assert_eq!(of_store(&error).errcode, errcode, "{error}");
        }
    }
}
