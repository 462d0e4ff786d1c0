//! The day's quota: who may send what is left of it, what a spent one costs, how it comes back.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::Clock;
use hongyan_courier::message::{AccountName, Content, Kind, Priority, Status};
use hongyan_courier::port::quota::{QuotaBook, QuotaDesk};
use hongyan_courier::quota::{self, ClearError, Habit, Quotas, Today};
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::Endpoint;
use hongyan_wechat::error::CallError;
use hongyan_wechat::quota::{Quota, QuotaReport};

use crate::rig::clock::{NOW, PausedClock};
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::refused_at;
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, seconds};

const LIMIT: i64 = 100;
const SLOTS: usize = 10;
const TEMPLATES: usize = Kind::Template as usize;
const SUBSCRIPTIONS: usize = Kind::Subscription as usize;

/// WeChat's side of one account's quota: what its sends are judged by, and what it says of itself.
#[derive(Default)]
struct Desk {
    used: AtomicI64,
    used_by_subscriptions: AtomicI64,
    /// It cannot be asked.
    silent: AtomicBool,
    reports: AtomicUsize,
    cleared: AtomicUsize,
    /// It refuses whatever it says of itself.
    refuses: bool,
    clearing: Mutex<Option<CallError>>,
}

impl Desk {
    fn used(used: i64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicI64::new(used),
            ..Self::default()
        })
    }

    fn used_by(&self, kind: Kind) -> &AtomicI64 {
        match kind {
            Kind::Subscription => &self.used_by_subscriptions,
            _ => &self.used,
        }
    }

    fn take(&self, kind: Kind) -> Result<Option<i64>, CallError> {
        let used = self.used_by(kind);
        if self.refuses || used.load(Ordering::SeqCst) >= LIMIT {
            return Err(refused_at(kind.traits().endpoint, 45009, "spent"));
        }
        used.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }
}

#[async_trait]
impl QuotaDesk for Desk {
    async fn report(
        &self,
        _: &AccountName,
        kind: Kind,
        _: &AccessToken,
    ) -> Result<QuotaReport, CallError> {
        self.reports.fetch_add(1, Ordering::SeqCst);
        if self.silent.load(Ordering::SeqCst) {
            return Err(refused_at(Endpoint::QuotaGet, -1, "busy"));
        }
        let used = self.used_by(kind).load(Ordering::SeqCst);
        Ok(QuotaReport {
            quota: Quota {
                daily_limit: LIMIT,
                used,
                remain: LIMIT - used,
            },
            rate_limit: None,
        })
    }

    async fn clear(&self, _: &AccountName, _: Option<&AccessToken>) -> Result<(), CallError> {
        if let Some(error) = self.clearing.lock().unwrap().take() {
            return Err(error);
        }
        self.cleared.fetch_add(1, Ordering::SeqCst);
        self.used.store(0, Ordering::SeqCst);
        Ok(())
    }
}

/// A node whose quota is kept, in the afternoon.
async fn opened(desk: &Arc<Desk>) -> (Stage, Arc<Quotas>) {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let noon = NOW.next_beijing_midnight().minus(seconds(8 * 3_600));
    let wechat = Arc::clone(desk);
    let stage = Stage::open_with(PausedClock::start_at(noon), settings, |scripted| {
        scripted.on_send(move |sent| wechat.take(sent.content.kind))
    })
    .await;
    let quotas = watched(&stage, desk).await;
    (stage, quotas)
}

async fn watched(stage: &Stage, desk: &Arc<Desk>) -> Arc<Quotas> {
    let parts = quota::Parts {
        book: stage.store.inner.clone(),
        desk: desk.clone(),
        keeper: stage.node.keeper.clone(),
        slots: stage.node.slots.clone(),
        news: stage.node.news.clone(),
        clock: stage.clock.clone(),
        observer: stage.node.observer.clone(),
    };
    let habit = Habit {
        poll: Duration::from_secs(600),
        leaves_percent: [0, 0, 20],
    };
    let quotas = Quotas::open(parts, [(ACCOUNT.into(), habit)])
        .await
        .unwrap();
    let watching = quotas
        .clone()
        .watch(ACCOUNT.into(), stage.node.stop.clone());
    stage.node.tasks.spawn(watching);
    quotas
}

fn of_templates(quotas: &Quotas) -> Option<Today> {
    quotas.view(&ACCOUNT.into()).unwrap().today[TEMPLATES]
}

fn of_subscriptions(quotas: &Quotas) -> Option<Today> {
    quotas.view(&ACCOUNT.into()).unwrap().today[SUBSCRIPTIONS]
}

fn subscriptions(priority: Priority, numbers: std::ops::Range<usize>) -> Vec<Content> {
    let of_the_kind = |one| Content {
        kind: Kind::Subscription,
        ..one
    };
    of(priority, numbers).into_iter().map(of_the_kind).collect()
}

fn of(priority: Priority, numbers: std::ops::Range<usize>) -> Vec<Content> {
    let one = |n| Content {
        priority,
        ..content(ACCOUNT, n)
    };
    numbers.map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_leaves_the_last_part_of_the_quota_to_others() {
    let desk = Desk::used(70);
    let (stage, quotas) = opened(&desk).await;
    until(async || of_templates(&quotas).is_some()).await;
    stage.hand_over(call(of(Priority::Bulk, 0..50))).await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 10);
    let lane = stage
        .node
        .slots
        .lane(&ACCOUNT.into(), stage.clock.now())
        .unwrap();
    assert_eq!(lane.held, [false, false, true]);
    let sent_at = quotas.view(&ACCOUNT.into()).unwrap().sent_at;
    let last = sent_at[Kind::Template as usize].unwrap();
    assert!(last <= stage.clock.now().minus(seconds(50)), "{last:?}");
    assert_eq!(sent_at[Kind::Subscription as usize], None);
    stage.hand_over(call(of(Priority::Normal, 50..60))).await;
    stage.hand_over(call(of(Priority::High, 60..70))).await;
    tokio::time::sleep(seconds(5)).await;
    let tally = stage.tally(ACCOUNT).await;
    assert_eq!((tally[&Status::Sent], tally[&Status::Queued]), (30, 40));
    let today = of_templates(&quotas).unwrap();
    assert_eq!(
        (today.used, today.remaining),
        (100, 0),
        "carried on by counting"
    );
    tokio::time::sleep(seconds(700)).await;
    let today = of_templates(&quotas).unwrap();
    assert_eq!(today.used, 100, "and not counted twice once WeChat knows");
    stage
        .until_at(stage.clock.now().next_beijing_midnight())
        .await;
    assert_eq!(stage.wechat.count(), 30, "no call was made in vain");
    desk.used.store(0, Ordering::SeqCst);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 70).await;
}

/// A kind that was never sent is asked about from its first message on.
#[tokio::test(start_paused = true)]
async fn a_broadcast_of_another_kind_leaves_the_last_part_of_that_kinds_quota() {
    let desk = Desk::used(0);
    let (stage, quotas) = opened(&desk).await;
    desk.used_by_subscriptions.store(70, Ordering::SeqCst);
    until(async || of_templates(&quotas).is_some()).await;
    assert_eq!(of_subscriptions(&quotas), None, "nobody sends them");
    stage
        .hand_over(call(subscriptions(Priority::High, 0..1)))
        .await;
    until(async || of_subscriptions(&quotas).is_some()).await;
    let bulk = subscriptions(Priority::Bulk, 1..51);
    stage.hand_over(call(bulk)).await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 10);
    stage
        .hand_over(call(subscriptions(Priority::High, 51..61)))
        .await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 20);
    let counted = of_subscriptions(&quotas).unwrap();
    assert_eq!((counted.used, counted.remaining), (90, 10));
    assert_eq!(of_templates(&quotas).unwrap().used, 0);
    // It is asked about after a restart too.
    let stage = stage.restart().await;
    let quotas = watched(&stage, &desk).await;
    assert_eq!(of_subscriptions(&quotas).unwrap().limit, 100);
    until(async || of_subscriptions(&quotas).unwrap().used >= 90).await;
}

/// The others go on, and it is tried again by one message.
#[tokio::test(start_paused = true)]
async fn another_kinds_spent_quota_is_its_own_and_known_after_a_restart() {
    let desk = Desk::used(0);
    let (stage, quotas) = opened(&desk).await;
    desk.used_by_subscriptions.store(LIMIT, Ordering::SeqCst);
    let waiting = subscriptions(Priority::High, 0..5);
    stage.hand_over(call(waiting)).await;
    let spent = async || quotas.view(&ACCOUNT.into()).unwrap().spent[SUBSCRIPTIONS].is_some();
    until(spent).await;
    stage.hand_over(calls(ACCOUNT, 5..15)).await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(
        stage.tally(ACCOUNT).await[&Status::Sent],
        10,
        "templates go on"
    );
    assert_eq!(quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES], None);
    let stage = stage.restart().await;
    let quotas = watched(&stage, &desk).await;
    let midnight = stage.clock.now().next_beijing_midnight();
    let shown = quotas.view(&ACCOUNT.into()).unwrap();
    assert_eq!(shown.spent[SUBSCRIPTIONS], Some(midnight));
    // There is room for the other kind all the time, which says nothing about this one.
    let calls = stage.wechat.count();
    stage.until_at(midnight.minus(seconds(1))).await;
    assert_eq!(stage.wechat.count(), calls, "not one more call");
    desk.used_by_subscriptions.store(0, Ordering::SeqCst);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 15).await;
    let shown = quotas.view(&ACCOUNT.into()).unwrap();
    assert_eq!(shown.spent, [None; 4]);
}

/// Nobody leaves anything to others, and WeChat does not say what is left.
#[tokio::test(start_paused = true)]
async fn after_a_restart_what_is_urgent_goes_although_wechat_says_nothing() {
    let desk = Desk::used(0);
    let (stage, quotas) = opened(&desk).await;
    until(async || of_templates(&quotas).is_some()).await;
    let stage = stage.restart().await;
    desk.silent.store(true, Ordering::SeqCst);
    let _quotas = watched(&stage, &desk).await;
    stage.hand_over(call(of(Priority::High, 0..5))).await;
    stage.hand_over(call(of(Priority::Bulk, 5..10))).await;
    tokio::time::sleep(seconds(30)).await;
    let tally = stage.tally(ACCOUNT).await;
    assert_eq!((tally[&Status::Sent], tally[&Status::Queued]), (5, 5));
}

/// What was sent since WeChat's last word is known to nobody then.
#[tokio::test(start_paused = true)]
async fn a_restart_spends_nothing_of_what_a_broadcast_leaves_to_others() {
    let desk = Desk::used(0);
    let (stage, quotas) = opened(&desk).await;
    until(async || of_templates(&quotas).is_some()).await;
    stage.hand_over(call(of(Priority::Bulk, 0..100))).await;
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 80);
    let stage = stage.restart().await;
    let _quotas = watched(&stage, &desk).await;
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 80);
}

#[tokio::test(start_paused = true)]
async fn a_spent_quota_is_known_after_a_restart() {
    let desk = Desk::used(LIMIT);
    let (stage, quotas) = opened(&desk).await;
    stage
        .node
        .slots
        .allow(&ACCOUNT.into(), Kind::Template, None);
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    until(async || quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES].is_some()).await;
    let calls = stage.wechat.count();
    assert!(calls <= SLOTS, "{calls} calls");
    let stage = stage.restart().await;
    let quotas = watched(&stage, &desk).await;
    let midnight = stage.clock.now().next_beijing_midnight();
    assert_eq!(
        quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES],
        Some(midnight)
    );
    stage.until_at(midnight).await;
    assert_eq!(stage.wechat.count(), calls, "not one more call");
    stage.assert_all(ACCOUNT, Status::Queued, 50).await;
    desk.used.store(0, Ordering::SeqCst);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 50).await;
    assert_eq!(quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES], None);
}

#[tokio::test(start_paused = true)]
async fn an_account_goes_on_once_wechat_says_that_there_is_room() {
    let desk = Desk::used(LIMIT);
    let (stage, quotas) = opened(&desk).await;
    stage
        .node
        .slots
        .allow(&ACCOUNT.into(), Kind::Template, None);
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    until(async || quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES].is_some()).await;
    // Somebody clears it on WeChat's own page.
    desk.used.store(0, Ordering::SeqCst);
    let began = stage.clock.now();
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 50).await;
    assert!(
        stage.clock.now() < began.plus(seconds(1_300)),
        "at the next poll"
    );
    assert_eq!(quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES], None);
}

/// Its two words come from different places, and differ for a while.
#[tokio::test(start_paused = true)]
async fn what_wechat_says_right_after_a_refusal_says_nothing_against_it() {
    let desk = Arc::new(Desk {
        used: AtomicI64::new(50),
        refuses: true,
        ..Desk::default()
    });
    let (stage, quotas) = opened(&desk).await;
    // The next word is due in five seconds.
    tokio::time::sleep(seconds(595)).await;
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    until(async || quotas.view(&ACCOUNT.into()).unwrap().spent[TEMPLATES].is_some()).await;
    let (calls, reports) = (stage.wechat.count(), desk.reports.load(Ordering::SeqCst));
    tokio::time::sleep(seconds(20)).await;
    assert!(
        desk.reports.load(Ordering::SeqCst) > reports,
        "it was asked"
    );
    assert_eq!(stage.wechat.count(), calls, "and not believed");
    // Later it is, by one message at a time.
    tokio::time::sleep(seconds(1_300)).await;
    let more = stage.wechat.count() - calls;
    assert!((1..=3).contains(&more), "{more} more calls");
}

#[tokio::test(start_paused = true)]
async fn wechat_is_not_asked_all_the_time() {
    let desk = Desk::used(LIMIT);
    let (stage, _quotas) = opened(&desk).await;
    stage
        .node
        .slots
        .allow(&ACCOUNT.into(), Kind::Template, None);
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    stage
        .until_at(stage.clock.now().plus(seconds(6 * 3_600)))
        .await;
    let reports = desk.reports.load(Ordering::SeqCst);
    assert!((30..50).contains(&reports), "{reports} in six hours");
}

#[tokio::test(start_paused = true)]
async fn an_operator_clears_ten_times_a_month_and_the_account_goes_on() {
    let desk = Desk::used(LIMIT);
    let (stage, quotas) = opened(&desk).await;
    let account = AccountName::from(ACCOUNT);
    stage.node.slots.allow(&account, Kind::Template, None);
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    until(async || quotas.view(&account).unwrap().spent[TEMPLATES].is_some()).await;
    assert_eq!(quotas.clear(&account).await.unwrap().left, 9);
    tokio::time::sleep(seconds(10)).await;
    stage.assert_all(ACCOUNT, Status::Sent, 50).await;
    // What was not done is not counted.
    *desk.clearing.lock().unwrap() = Some(refused_at(Endpoint::QuotaClear, 48001, "no"));
    assert!(matches!(
        quotas.clear(&account).await,
        Err(ClearError::Failed(_))
    ));
    for left in (0..9).rev() {
        assert_eq!(quotas.clear(&account).await.unwrap().left, left);
    }
    let stage = stage.restart().await;
    let quotas = watched(&stage, &desk).await;
    let again_at = quota::month_end(stage.clock.now());
    let spent = quotas.clear(&account).await.unwrap_err();
    assert!(matches!(spent, ClearError::Spent { again_at: at } if at == again_at));
    assert_eq!(desk.cleared.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn wechats_own_count_of_clearings_is_believed() {
    let desk = Desk::used(0);
    let (stage, quotas) = opened(&desk).await;
    let account = AccountName::from(ACCOUNT);
    *desk.clearing.lock().unwrap() = Some(refused_at(Endpoint::QuotaClear, 48006, "no more"));
    let spent = quotas.clear(&account).await.unwrap_err();
    assert!(matches!(spent, ClearError::Spent { .. }), "{spent}");
    let again = quotas.clear(&account).await.unwrap_err();
    assert!(matches!(again, ClearError::Spent { .. }), "{again}");
    assert_eq!(
        desk.cleared.load(Ordering::SeqCst),
        0,
        "it was not asked again"
    );
    let record = stage.store.inner.quota(&account).await.unwrap();
    assert_eq!(record.clearings, []);
}
