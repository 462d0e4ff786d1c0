//! Rows become messages as far ahead as is needed and no further, at their rate, from wherever the last expander was.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use hongyan_courier::accept::Acceptor;
use hongyan_courier::broadcast::expand::{
    Drafts, Expander, FollowerPage, Followers, Parts, Undrafted,
};
use hongyan_courier::broadcast::port::{Append, Broadcasts, DUE_COUNTED_MAX};
use hongyan_courier::broadcast::rows::{Fault, survey};
use hongyan_courier::broadcast::{
    Broadcast, BroadcastId, NewBroadcast, Order, Place, Source, State, Upload, Wish,
};
use hongyan_courier::dispatch::Slots;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::{AccountName, Content, Priority};
use hongyan_courier::observer::Observer;
use hongyan_courier::port::{Filter, Ledger};
use hongyan_courier::recipient::forget::Forgetting;
use hongyan_courier::{Clock, UnixMs};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::rig::clock::PausedClock;
use crate::rig::content;

/// Takes every row, but the one for `oBad`, and none for `oLater` while its template is stopped; due as the test says.
#[derive(Default)]
struct Plain {
    send_at: Option<UnixMs>,
    stopped: AtomicBool,
}

impl Drafts for Plain {
    fn draft(&self, _order: &Order, body: &str, _now: UnixMs) -> Result<Content, Undrafted> {
        let body: Value = serde_json::from_str(body).unwrap();
        let touser = body["touser"].as_str().unwrap();
        if touser == "oBad" {
            return Err(Undrafted::Refused(Fault::new(
                "data.thing1: is empty",
                "data.thing1: 为空",
            )));
        }
        if touser == "oLater" && self.stopped.load(Ordering::Relaxed) {
            return Err(Undrafted::NotNow(Fault::new(
                "data.time2: is missing",
                "data.time2: 缺失",
            )));
        }
        Ok(Content {
            touser: touser.into(),
            priority: Priority::Bulk,
            send_at: self.send_at,
            ..content("clinic", 0)
        })
    }
}

/// Answers as told, then as WeChat does after the last page.
#[derive(Default)]
struct Pages(Mutex<VecDeque<Result<FollowerPage, String>>>);

#[async_trait]
impl Followers for Pages {
    async fn page(
        &self,
        _account: &AccountName,
        _after: Option<&str>,
    ) -> Result<FollowerPage, String> {
        let told = self.0.lock().unwrap().pop_front();
        told.unwrap_or(Ok(FollowerPage::default()))
    }
}

struct Nobody;

impl Observer for Nobody {
    fn observe(&self, _event: &hongyan_courier::observer::Event) {}
}

struct Stage {
    clock: Arc<PausedClock>,
    store: Arc<MemoryStore>,
    pages: Arc<Pages>,
    drafts: Arc<Plain>,
    expander: Arc<Expander>,
}

impl Stage {
    fn open(drafts: Plain) -> Self {
        let (clock, store): (_, Arc<MemoryStore>) = (PausedClock::start(), Arc::default());
        let (pages, drafts): (Arc<Pages>, _) = (Arc::default(), Arc::new(drafts));
        let expander = expander(&clock, &store, &pages, &drafts);
        Self {
            clock,
            store,
            pages,
            drafts,
            expander,
        }
    }

    /// As after a restart: what the old one remembered is gone.
    fn replace(&mut self) {
        self.expander = expander(&self.clock, &self.store, &self.pages, &self.drafts);
    }

    async fn running(&self, file: &str, order: impl FnOnce(&mut Order)) -> BroadcastId {
        let mut asked = Order {
            account: "clinic".into(),
            client: "his".into(),
            source: Source::Rows,
            recipe: Map::new(),
            rate: None,
            send_at: None,
            expires_at: None,
        };
        order(&mut asked);
        let now = self.clock.now();
        let rows = asked.source == Source::Rows;
        let new = NewBroadcast {
            id: BroadcastId::new(now),
            order: asked,
        };
        let (id, _) = self.store.create(new, None, None, now).await.unwrap();
        if rows {
            let found = survey(file.as_bytes(), Place::default(), None, true, 0).unwrap();
            let upload = Upload {
                stored: file.len() as u64,
                complete: true,
                seen: found.place,
                columns: found.columns,
                rows: found.rows,
                bad: found.bad,
                next_openid: None,
            };
            let append = Append {
                bytes: file.as_bytes().to_vec(),
                upload,
                ..Append::default()
            };
            self.store.append(id, append, None, now).await.unwrap();
        }
        self.store.wish(id, Wish::Start, None, now).await.unwrap();
        id
    }

    async fn rounds(&self, count: usize) {
        for _ in 0..count {
            self.expander.round().await.unwrap();
            tokio::time::advance(Duration::from_millis(20)).await;
        }
    }

    async fn one(&self, id: BroadcastId) -> Broadcast {
        self.store.broadcast(id).await.unwrap().unwrap()
    }

    async fn recipients(&self) -> Vec<String> {
        let page = self
            .store
            .page(Filter::default(), usize::MAX)
            .await
            .unwrap();
        let mut all: Vec<String> = page.iter().map(|one| one.content.touser.clone()).collect();
        all.sort();
        all
    }
}

fn expander<C: Clock + 'static>(
    clock: &Arc<C>,
    store: &Arc<MemoryStore>,
    pages: &Arc<Pages>,
    drafts: &Arc<Plain>,
) -> Arc<Expander> {
    let parts = Parts {
        broadcasts: store.clone(),
        acceptor: Acceptor {
            queue: store.clone(),
            dispatch: None,
            slots: Slots::new(1, [("clinic".into(), 1)]),
            clock: clock.clone(),
            observer: Arc::new(Nobody),
        },
        drafts: drafts.clone(),
        followers: pages.clone(),
        clock: clock.clone(),
        observer: Arc::new(Nobody),
        wake: Arc::default(),
    };
    Expander::new(parts, CancellationToken::new())
}

fn file(rows: usize) -> String {
    let each = (0..rows).map(|n| format!("o{n:06}\n"));
    std::iter::once("openid\n".to_owned()).chain(each).collect()
}

#[tokio::test(start_paused = true)]
async fn no_more_waits_than_the_senders_need() {
    let stage = Stage::open(Plain::default());
    let id = stage.running(&file(10_000), |_| {}).await;
    stage.rounds(50).await;
    assert_eq!(stage.one(id).await.progress.accepted, DUE_COUNTED_MAX);
    let oldest = stage.recipients().await;
    assert_eq!(
        oldest.last().unwrap(),
        "o001999",
        "in the order of the rows"
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_morning_is_bounded_too() {
    let stage = Stage::open(Plain {
        send_at: Some(UnixMs(i64::MAX / 4)),
        ..Plain::default()
    });
    let id = stage.running(&file(25_000), |_| {}).await;
    stage.rounds(12).await;
    assert_eq!(stage.one(id).await.progress.waiting(), 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_not_saved_up() {
    let stage = Stage::open(Plain::default());
    let id = stage
        .running(&file(10_000), |order| order.rate = Some(200))
        .await;
    stage.rounds(50).await;
    let first = stage.one(id).await.progress.accepted;
    assert!((180..=220).contains(&first), "{first} in the first second");
    // The gateway was busy with something else for a minute.
    tokio::time::advance(Duration::from_secs(60)).await;
    stage.rounds(50).await;
    let second = stage.one(id).await.progress.accepted - first;
    assert!(
        (180..=220).contains(&second),
        "{second} in a second after a pause"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_expander_goes_on_where_the_old_one_was() {
    let mut stage = Stage::open(Plain::default());
    let text = format!(
        "{}oBad\n,x\n{}",
        file(600),
        file(600).replace("openid\n", "").replace('o', "p")
    );
    let id = stage.running(&text, |order| order.rate = Some(1_000)).await;
    for _ in 0..100 {
        stage.rounds(2).await;
        stage.replace();
    }
    let stands = stage.one(id).await;
    assert_eq!(
        (stands.progress.accepted, stands.progress.refused),
        (1_200, 1)
    );
    assert_eq!(stands.rows_left(), 0);
    let mut all = stage.recipients().await;
    all.dedup();
    assert_eq!(all.len(), 1_200, "each once");
    let bad = stage.store.bad_rows(id, 9).await.unwrap();
    assert_eq!(
        (bad[0].line, bad[0].fault.english.as_str()),
        (602, "data.thing1: is empty")
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_before_its_time_or_after_its_end() {
    let stage = Stage::open(Plain::default());
    let now = stage.clock.now();
    let file = file(5);
    let later = now.plus(Duration::from_secs(60));
    let early = stage
        .running(&file, |order| order.send_at = Some(later))
        .await;
    let late = stage
        .running(&file, |order| order.expires_at = Some(now))
        .await;
    stage.rounds(3).await;
    assert_eq!(stage.one(early).await.progress.accepted, 0);
    let ended = stage.one(late).await;
    assert_eq!((ended.state, ended.rows_expired(now)), (State::Done, 5));
    tokio::time::advance(Duration::from_secs(60)).await;
    stage.rounds(1).await;
    assert_eq!(stage.one(early).await.progress.accepted, 5);
}

#[tokio::test(start_paused = true)]
async fn followers_are_asked_for_until_a_page_is_empty() {
    let stage = Stage::open(Plain::default());
    let page = |openids: &[&str], next: Option<&str>| {
        Ok(FollowerPage {
            openids: openids.iter().map(|one| (*one).to_owned()).collect(),
            next: next.map(str::to_owned),
        })
    };
    let told = [
        page(&["o1", "o2"], Some("o2")),
        Err("busy".to_owned()),
        page(&["o2", "o3"], Some("o3")),
    ];
    stage.pages.0.lock().unwrap().extend(told);
    let id = stage
        .running("", |order| order.source = Source::Followers)
        .await;
    stage.rounds(5).await;
    assert_eq!(
        stage.recipients().await,
        ["o1", "o2"],
        "WeChat is given time"
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    stage.rounds(5).await;
    assert_eq!(stage.recipients().await, ["o1", "o2", "o3"]);
    let stands = stage.one(id).await;
    assert!(stands.upload.complete && stands.is_expanded());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_leads_to_itself_is_the_last() {
    let stage = Stage::open(Plain::default());
    for _ in 0..3 {
        let page = FollowerPage {
            openids: vec!["o1".into()],
            next: Some("o1".into()),
        };
        stage.pages.0.lock().unwrap().push_back(Ok(page));
    }
    let id = stage
        .running("", |order| order.source = Source::Followers)
        .await;
    stage.rounds(5).await;
    assert!(stage.one(id).await.upload.complete);
    assert_eq!(stage.recipients().await, ["o1"]);
}

/// A clock that has somebody act at certain looks at it.
struct Meddling {
    clock: Arc<PausedClock>,
    store: Arc<MemoryStore>,
    id: BroadcastId,
    looks: AtomicUsize,
    wishes: [(usize, Wish); 2],
}

impl Clock for Meddling {
    fn now(&self) -> UnixMs {
        let now = self.clock.now();
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        for (_, wish) in self.wishes.iter().filter(|(at, _)| *at == look) {
            let wished = self.store.wish(self.id, *wish, None, now);
            wished.now_or_never().unwrap().unwrap();
        }
        now
    }
}

#[tokio::test(start_paused = true)]
async fn whenever_it_is_paused_and_resumed_nothing_is_held_for_good() {
    for (pause, resume) in (0..12).flat_map(|pause| (pause..12).map(move |at| (pause, at))) {
        let mut stage = Stage::open(Plain::default());
        let id = stage.running(&file(5), |_| {}).await;
        stage.rounds(1).await;
        let meddling = Arc::new(Meddling {
            clock: stage.clock.clone(),
            store: stage.store.clone(),
            id,
            looks: AtomicUsize::new(0),
            wishes: [(pause, Wish::Pause), (resume, Wish::Resume)],
        });
        stage.expander = expander(&meddling, &stage.store, &stage.pages, &stage.drafts);
        stage.rounds(20).await;
        assert!(meddling.looks.load(Ordering::Relaxed) > 12);
        assert_eq!(stage.one(id).await.state, State::Running);
        let page = stage.store.page(Filter::default(), 9).await.unwrap();
        let held = page.iter().filter(|one| one.delivery.is_held()).count();
        assert_eq!((page.len(), held), (5, 0), "at looks {pause} and {resume}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_cannot_be_read_holds_up_no_other() {
    let stage = Stage::open(Plain::default());
    let unreadable = |order: &mut Order| {
        order.recipe = Map::from_iter([("url".to_owned(), "{{nowhere}}".into())]);
    };
    stage.running(&file(5), unreadable).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    let id = stage.running(&file(5), |_| {}).await;
    assert!(stage.expander.round().await.is_err());
    assert_eq!(stage.one(id).await.progress.accepted, 5);
}

#[tokio::test(start_paused = true)]
async fn a_row_waits_while_its_template_is_stopped() {
    let stage = Stage::open(Plain::default());
    stage.drafts.stopped.store(true, Ordering::Relaxed);
    for (text, before) in [("o1\noBad\n,x\noLater\no2\n", 1), ("oLater\no3\n", 0)] {
        stage.drafts.stopped.store(true, Ordering::Relaxed);
        let id = stage.running(&format!("openid\n{text}"), |_| {}).await;
        stage.rounds(100).await;
        let waits = stage.one(id).await;
        assert_eq!((waits.progress.accepted, waits.rows_left()), (before, 2));
        assert_eq!(waits.state, State::Running);
        stage.drafts.stopped.store(false, Ordering::Relaxed);
        stage.rounds(100).await;
        let stands = stage.one(id).await;
        assert_eq!(
            (stands.progress.accepted, stands.rows_left()),
            (before + 2, 0)
        );
        assert_eq!(stands.progress.refused, before, "nobody but oBad");
    }
    let all = ["o1", "o2", "o3", "oLater", "oLater"];
    assert_eq!(stage.recipients().await, all);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_forgotten_gets_no_message_of_a_row_that_is_left() {
    let stage = Stage::open(Plain::default());
    let id = stage.running(&file(3), |_| {}).await;
    let forgotten = HashSet::from(["o000001".to_owned()]);
    let now = stage.clock.now();
    let account = "clinic".into();
    let rows = stage.store.forget_rows(&account, forgotten, now);
    assert_eq!(rows.await.unwrap(), 1);
    stage.rounds(3).await;
    assert_eq!(stage.recipients().await, ["o000000", "o000002"]);
    let progress = stage.one(id).await.progress;
    assert_eq!((progress.accepted, progress.refused), (2, 1));
    let told = stage.store.bad_rows(id, 10).await.unwrap();
    assert_eq!(told[0].fault.english, "its recipient was forgotten");
}
