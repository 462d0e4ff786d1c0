//! Webhooks that take nothing, and events that were given up.
//! It must not post any.

use std::time::Duration;

use hongyan_courier::time::UnixMs;
use hongyan_courier::webhook::{Backlog, Condition};

use super::advice::{self, Advice};
use super::{Attention, AttentionItem};
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::auth::client::Identity;

/// A webhook that has taken nothing for so long is not back by itself in a moment.
const FAILING_FOR: Duration = Duration::from_secs(5 * 60);

/// Those that the caller is shown. Events count that were given up since then.
pub(super) async fn of_webhooks(
    attention: &Attention,
    caller: &Identity,
    since: UnixMs,
) -> Result<Vec<AttentionItem>, Problem> {
    let (webhooks, now) = (&attention.webhooks, attention.clock.now());
    let mut backlogs = webhooks.outbox.backlogs().await?;
    backlogs.retain(|of| webhooks.known(&of.webhook, caller).is_ok());
    let items = backlogs.iter().flat_map(|of| {
        let condition = webhooks.condition(&of.webhook);
        let stands_still = off(of).or_else(|| failing(of, condition, now));
        stands_still.into_iter().chain(given_up(of, since))
    });
    Ok(items.collect())
}

fn off(of: &Backlog) -> Option<AttentionItem> {
    Some(AttentionItem {
        reason: Some("off"),
        count: Some(of.waiting),
        at: Some(Moment(of.off_since?)),
        command: Some(format!("hongyan webhooks resume {}", of.webhook)),
        ..of_webhook(of, advice::WEBHOOK_OFF)
    })
}

fn failing(of: &Backlog, condition: Condition, now: UnixMs) -> Option<AttentionItem> {
    let long = |since: &UnixMs| now.since(*since) >= FAILING_FOR;
    let since = condition.failing_since.filter(long)?;
    (of.waiting > 0).then(|| AttentionItem {
        reason: Some("failing"),
        count: Some(of.waiting),
        at: Some(Moment(since)),
        detail: condition.last_error,
        command: Some(format!(
            "hongyan webhooks events {} --state waiting",
            of.webhook
        )),
        ..of_webhook(of, advice::WEBHOOK_FAILING)
    })
}

fn given_up(of: &Backlog, since: UnixMs) -> Option<AttentionItem> {
    let last = of.failed_at.filter(|at| *at >= since)?;
    Some(AttentionItem {
        reason: Some("given_up"),
        count: Some(of.failed),
        at: Some(Moment(last)),
        command: Some(format!("hongyan webhooks redeliver {}", of.webhook)),
        ..of_webhook(of, advice::EVENTS_GIVEN_UP)
    })
}

fn of_webhook(of: &Backlog, advice: Advice) -> AttentionItem {
    AttentionItem {
        key: Some(of.webhook.clone()),
        ..AttentionItem::new("webhook", None, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_that_takes_nothing_for_minutes_is_listed_while_something_waits() {
        let now = UnixMs(1_795_400_000_000);
        let of = |waiting| Backlog {
            webhook: "status".into(),
            waiting,
            oldest: None,
            failed: 0,
            failed_at: None,
            off_since: None,
        };
        let since = |seconds| Condition {
            open_until: None,
            failing_since: Some(now.minus(Duration::from_secs(seconds))),
            last_error: Some("HTTP 500".into()),
        };
        let item = failing(&of(2), since(300), now).unwrap();
        assert_eq!((item.reason, item.count), (Some("failing"), Some(2)));
        assert_eq!(item.detail.as_deref(), Some("HTTP 500"));
        let command = "hongyan webhooks events status --state waiting";
        assert_eq!(item.command.as_deref(), Some(command));
        assert!(failing(&of(2), since(299), now).is_none());
        assert!(failing(&of(0), since(300), now).is_none());
        assert!(failing(&of(2), Condition::default(), now).is_none());
    }

    #[test]
    fn events_that_were_given_up_are_listed_with_the_command_that_posts_them_again() {
        let now = UnixMs(1_795_400_000_000);
        let of = Backlog {
            webhook: "status".into(),
            waiting: 0,
            oldest: None,
            failed: 3,
            failed_at: Some(now),
            off_since: None,
        };
        let item = given_up(&of, now).unwrap();
        assert_eq!((item.reason, item.count), (Some("given_up"), Some(3)));
        let command = "hongyan webhooks redeliver status";
        assert_eq!(item.command.as_deref(), Some(command));
        let later = now.plus(Duration::from_millis(1));
        assert!(given_up(&of, later).is_none(), "that was too long ago");
    }
}
