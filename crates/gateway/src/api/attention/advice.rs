//! What to do about each thing that needs a human, in English and Chinese.
//! It must not know how it came about.

use hongyan_courier::message::{Reason, Status};
use hongyan_courier::template::stop::StopCause;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advice {
    pub english: &'static str,
    pub chinese: &'static str,
    /// Sending the messages again is what helps, once the cause is gone.
    pub retry: bool,
}

const fn look(english: &'static str, chinese: &'static str) -> Advice {
    Advice {
        english,
        chinese,
        retry: false,
    }
}

const fn retry(english: &'static str, chinese: &'static str) -> Advice {
    Advice {
        english,
        chinese,
        retry: true,
    }
}

pub(super) const ACCOUNT: Advice = look(
    "Its messages wait. Put right what WeChat says; it goes on by itself.",
    "该账号的消息正在等待。请按微信的提示处理，处理后会自动恢复。",
);

pub(super) const KIND: Advice = look(
    "WeChat does not grant the account this kind of messages; its others go on. Have it granted on WeChat's platform, or cancel \
     these messages.",
    "微信未授予该账号发送此类消息的权限；其他消息照常发送。请在微信平台开通，或取消这些消息。",
);

pub(super) const QUOTA_LOW: Advice = look(
    "What is left of the day is sent by priority, the rest waits for midnight in Beijing. Pause a broadcast that can wait, or \
     ask WeChat for more.",
    "剩余额度将按优先级使用，其余消息等到北京时间零点。可暂停不急的群发，或向微信申请提高额度。",
);

pub(super) const QUOTA_EXHAUSTED: Advice = look(
    "The day's quota is spent: messages wait until midnight in Beijing and then go by themselves. If they cannot wait, \
     `hongyan accounts clear-quota` spends one of the month's ten clearings.",
    "当日额度已用完：消息等到北京时间零点后自动发送。如果不能等，可用 `hongyan accounts clear-quota` 清零（每月共十次）。",
);

/// Of a template whose messages wait.
pub(super) fn of_template(cause: StopCause) -> Advice {
    let (english, chinese) = cause.advice();
    look(english, chinese)
}

pub(super) const WEBHOOK_OFF: Advice = look(
    "It answered 410, so nothing is posted to it any more; its events wait for a week. Put its url right if it moved, then resume it.",
    "该 webhook 返回了 410，已停止投递；事件最多等待一周。若地址已变更请先更正 url，再恢复投递。",
);

pub(super) const WEBHOOK_FAILING: Advice = look(
    "It takes no events: its program is away or answers with errors, or its url is wrong. Put that right; what waits then goes \
     out by itself. An event is given up after ten tries or three days.",
    "该 webhook 收不下事件：对方程序不可用、返回错误，或 url 有误。请先排除故障，之后等待的事件会自动投递；一个事件投递十次或满三天仍未成功就会被放弃。",
);

pub(super) const EVENTS_GIVEN_UP: Advice = look(
    "These events were given up, so its program does not know what became of their messages. Once it takes events, post them again.",
    "这些事件已被放弃，对方程序不知道相应消息的结果。待其恢复接收后，请重新投递。",
);

/// Of messages that failed or are unconfirmed.
pub(super) fn of_messages(status: Status, reason: Option<Reason>) -> Advice {
    if status == Status::Unconfirmed {
        return match reason {
            Some(Reason::ReceiptMissing) => look(
                "WeChat took them but sent no receipt. Check that the callback URL is reached; a late receipt still settles them.",
                "微信已接收但没有回执。请检查回调地址是否可达；迟到的回执仍会更新状态。",
            ),
            _ => look(
                "The users may have them. Look at each one that matters; retry it with --force only if a second copy does no harm.",
                "用户可能已经收到。请逐条查看重要的消息；仅当重复一条也无妨时才用 --force 重发。",
            ),
        };
    }
    match reason {
        Some(Reason::InvalidData | Reason::InvalidLink | Reason::InvalidRequest) => look(
            "WeChat refuses what is in them. Fix the program that sends, then send anew: a retry is refused alike.",
            "微信拒绝消息内容。请修正发送程序后重新提交；原样重发仍会被拒绝。",
        ),
        Some(Reason::InvalidOpenid) => look(
            "The openids are not this account's. If they are many, messages may be going out by the wrong account.",
            "这些 openid 不属于该账号。如果数量很多，可能是用错了账号。",
        ),
        Some(Reason::InvalidTemplate) => look(
            "The template cannot be used. Check it on WeChat's platform; retry once it is back.",
            "模板不可用。请在微信公众平台检查；恢复后再重发。",
        ),
        Some(Reason::ContentBlocked) => look(
            "WeChat blocks the content. Have a human read it; do not send the same text again.",
            "内容被微信拦截。请人工审核，不要重复发送相同内容。",
        ),
        Some(
            Reason::NotSubscribed
            | Reason::UserRefused
            | Reason::UserBlocked
            | Reason::UserUnavailable,
        ) => look(
            "The users do not take messages now. Reach them by another way; nothing is wrong with the account.",
            "这些用户目前不接收消息。请用其他方式联系；账号本身没有问题。",
        ),
        Some(Reason::DuplicateContent) => look(
            "WeChat had the same content for the user within the minute. Usually nothing is to be done.",
            "一分钟内已向该用户发送过相同内容，通常无需处理。",
        ),
        Some(
            Reason::FrequencyLimited
            | Reason::RateLimited
            | Reason::QuotaExhausted
            | Reason::UpstreamUnavailable
            | Reason::SystemFailed
            | Reason::TokenRejected
            | Reason::AccountUnusable,
        ) => retry(
            "The cause was WeChat's state at that time. Once that is over, send them again.",
            "原因是微信当时的状态。恢复后可以重发。",
        ),
        _ => look(
            "Look at one: its attempts hold WeChat's words.",
            "请查看其中一条：发送记录里有微信的原始答复。",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_go_well_now_is_to_be_retried() {
        let retried: Vec<&str> = Reason::ALL
            .iter()
            .filter(|reason| of_messages(Status::Failed, Some(**reason)).retry)
            .map(|reason| reason.as_str())
            .collect();
        let expected = [
            "token_rejected",
            "frequency_limited",
            "rate_limited",
            "quota_exhausted",
            "account_unusable",
            "upstream_unavailable",
            "system_failed",
        ];
        assert_eq!(retried, expected);
        for reason in Reason::ALL {
            assert!(!of_messages(Status::Unconfirmed, Some(*reason)).retry);
        }
    }
}
