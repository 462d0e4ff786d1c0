//! Lists that keep in step with WeChat's: when they are fetched, what a failure leaves, and who waits for whom.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::{AccountName, MessageId, Reason, Status};
use hongyan_courier::observer::{Event, Observer};
use hongyan_courier::template::Template;
use hongyan_courier::template::book::{Book, Lists, Lookup, Parts, Prompts, Source, SyncError};
use hongyan_courier::template::catalogue::{Listed, Templates};
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;
use tokio_util::sync::CancellationToken;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{refused, token};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, seconds};

const EVERY: Duration = Duration::from_secs(3_600);
/// How long WeChat takes to list.
const TAKES: Duration = Duration::from_secs(1);

/// A WeChat that lists what it is told, or refuses.
#[derive(Default)]
struct Listing {
    asked: AtomicUsize,
    /// None: it refuses with "busy".
    list: Mutex<Option<Vec<(&'static str, &'static str)>>>,
}

#[async_trait]
impl Source for Listing {
    async fn templates(&self, _: &AccountName, _: &AccessToken) -> Result<Vec<Listed>, CallError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(TAKES).await;
        let list = self.list.lock().unwrap().clone();
        let listed = |(id, text): (&str, &str)| Listed {
            template: Template::new(id, "", text),
            example: String::new(),
            primary_industry: String::new(),
            deputy_industry: String::new(),
        };
        match list {
            Some(list) => Ok(list.into_iter().map(listed).collect()),
            None => Err(refused(-1)),
        }
    }
}

/// A book whose list is kept in step.
struct Shelf {
    stage: Stage,
    wechat: Arc<Listing>,
    store: MemoryStore,
    prompts: Arc<Prompts>,
    book: Arc<Book>,
    stop: CancellationToken,
}

impl Shelf {
    async fn of(list: Option<Vec<(&'static str, &'static str)>>) -> Self {
        let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
        Self::on(Stage::open(settings, |wechat| wechat).await, list).await
    }

    async fn on(stage: Stage, list: Option<Vec<(&'static str, &'static str)>>) -> Self {
        let wechat = Arc::new(Listing {
            list: Mutex::new(list),
            ..Listing::default()
        });
        let (store, prompts) = (MemoryStore::default(), Prompts::new([ACCOUNT.into()]));
        let observer: Arc<dyn Observer> = Arc::new(Vec::new());
        let parts = Parts {
            templates: Arc::new(store.clone()),
            source: wechat.clone(),
            keeper: stage.node.keeper.clone(),
            clock: stage.clock.clone(),
            observer,
            prompts: prompts.clone(),
            every: EVERY,
        };
        let book = Book::open(parts, [ACCOUNT.into()]).await.unwrap();
        let stop = CancellationToken::new();
        let keeping = book.clone().keep(ACCOUNT.into(), stop.clone());
        tokio_util::task::TaskTracker::new().spawn(keeping);
        Self {
            stage,
            wechat,
            store,
            prompts,
            book,
            stop,
        }
    }

    fn asked(&self) -> usize {
        self.wechat.asked.load(Ordering::SeqCst)
    }

    fn says(&self, list: Option<Vec<(&'static str, &'static str)>>) {
        *self.wechat.list.lock().unwrap() = list;
    }

    fn look_up(&self, id: &str) -> Lookup {
        self.book.known(&ACCOUNT.into()).look_up(id)
    }

    async fn look_again(&self, id: &str) -> Lookup {
        self.book.look_again(&ACCOUNT.into(), id, seconds(5)).await
    }

    async fn finish(self) {
        self.stop.cancel();
        self.stage.node.stop().await;
    }
}

const LIST: &[(&str, &str)] = &[("t1", "{{thing1.DATA}}")];

#[tokio::test(start_paused = true)]
async fn a_list_is_fetched_at_start_and_every_hour() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    assert!(
        matches!(shelf.look_up("t1"), Lookup::Unchecked),
        "before the first"
    );
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(shelf.asked(), 1);
    assert!(matches!(shelf.look_up("t1"), Lookup::Known(_)));
    assert!(matches!(shelf.look_up("t2"), Lookup::Unknown));
    tokio::time::sleep(EVERY * 3).await;
    assert_eq!(shelf.asked(), 4);
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_had_a_template_says_nothing_of_any() {
    let shelf = Shelf::of(Some(vec![])).await;
    tokio::time::sleep(seconds(5)).await;
    assert!(matches!(shelf.look_up("t1"), Lookup::Unchecked));
    // One that lost its last template does.
    shelf.says(Some(LIST.to_vec()));
    shelf.book.sync(&ACCOUNT.into()).await.unwrap();
    shelf.says(Some(vec![]));
    shelf.book.sync(&ACCOUNT.into()).await.unwrap();
    assert!(matches!(shelf.look_up("t1"), Lookup::Unknown));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_empty_list_and_is_tried_again_ever_later() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    shelf.says(None);
    let failed = shelf.book.sync(&ACCOUNT.into()).await.unwrap_err();
    assert!(matches!(failed, SyncError::WeChat(_)), "{failed}");
    assert!(matches!(shelf.look_up("t1"), Lookup::Known(_)));
    assert!(
        matches!(shelf.look_up("t2"), Lookup::Unverified),
        "it may be new"
    );
    let kept = shelf.store.catalogue(&ACCOUNT.into()).await.unwrap();
    assert_eq!((kept.templates.len(), kept.stops.len()), (1, 0));
    let before = shelf.asked();
    tokio::time::sleep(seconds(60 + 120 + 240 + 10)).await;
    assert_eq!(shelf.asked() - before, 3);
    shelf.says(Some(LIST.to_vec()));
    tokio::time::sleep(seconds(600)).await;
    assert!(matches!(shelf.look_up("t2"), Lookup::Unknown));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_is_asked_and_soon_after_one_came_it_is() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let script = |wechat: crate::rig::upstream::Scripted| {
        wechat.on_fetch(|fetched| match fetched.at < NOW.plus(seconds(100)) {
            true => Err(refused(-1)),
            false => Ok(token("t1")),
        })
    };
    let stage = Stage::open(settings, script).await;
    let shelf = Shelf::on(stage, Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(90)).await;
    assert_eq!(shelf.asked(), 0);
    let said = shelf.book.sync(&ACCOUNT.into()).await.unwrap_err();
    assert!(matches!(said, SyncError::NoToken));
    tokio::time::sleep(seconds(300)).await;
    assert_eq!(shelf.asked(), 1);
    assert!(matches!(shelf.look_up("t1"), Lookup::Known(_)));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_at_the_same_time_waits_for_the_same_fetch() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let before = shelf.asked();
    let asking = (0..100).map(|_| async { shelf.book.sync(&ACCOUNT.into()).await.is_ok() });
    let answered = futures::future::join_all(asking).await;
    assert!(answered.into_iter().all(|ok| ok));
    assert_eq!(shelf.asked() - before, 1);
    // One that is under way was begun too early for whoever asks now.
    let account = ACCOUNT.into();
    let first = shelf.book.sync(&account);
    let later = async {
        tokio::time::sleep(TAKES / 2).await;
        shelf.says(Some(vec![("t2", "{{thing1.DATA}}")]));
        shelf.book.sync(&ACCOUNT.into()).await
    };
    let (_, later) = tokio::join!(first, later);
    later.unwrap();
    assert!(matches!(shelf.look_up("t2"), Lookup::Known(_)));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_are_looked_for_a_few_times_and_then_once_a_minute() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let before = shelf.asked();
    for nth in 0..50 {
        let found = shelf.look_again(&format!("x{nth}")).await;
        assert!(matches!(found, Lookup::Unknown));
    }
    assert_eq!(shelf.asked() - before, 5);
    tokio::time::sleep(seconds(60)).await;
    shelf.says(Some(vec![LIST[0], ("new", "")]));
    assert!(matches!(shelf.look_again("new").await, Lookup::Known(_)));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_wechat_that_does_not_answer() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let began = tokio::time::Instant::now();
    let account = ACCOUNT.into();
    let found = shelf.book.look_again(&account, "new", TAKES / 2).await;
    assert!(matches!(found, Lookup::Unverified));
    assert!(began.elapsed() < TAKES);
    // The fetch itself goes on.
    tokio::time::sleep(TAKES).await;
    assert!(matches!(shelf.look_up("new"), Lookup::Unknown));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_know_a_template_has_the_list_fetched_once_a_minute() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(65)).await;
    let before = shelf.asked();
    let called = |errcode| Event::Called {
        id: MessageId::new(NOW),
        account: ACCOUNT.into(),
        errcode: Some(errcode),
        took: TAKES,
    };
    shelf.prompts.observe(&called(0));
    shelf.prompts.observe(&called(43004));
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(shelf.asked() - before, 0);
    for _ in 0..50 {
        shelf.prompts.observe(&called(40037));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(shelf.asked() - before, 1);
    // What came meanwhile is not forgotten; and a message that ended so counts likewise.
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(shelf.asked() - before, 2);
    tokio::time::sleep(seconds(65)).await;
    shelf.prompts.observe(&Event::Moved {
        id: MessageId::new(NOW),
        account: ACCOUNT.into(),
        status: Status::Failed,
        reason: Some(Reason::InvalidTemplate),
        msgid: None,
    });
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(shelf.asked() - before, 3);
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopping_book_keeps_nobody_waiting() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    shelf.stop.cancel();
    let said = shelf.book.sync(&ACCOUNT.into()).await.unwrap_err();
    assert!(matches!(said, SyncError::Stopping));
    shelf.finish().await;
}
