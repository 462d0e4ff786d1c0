//! Lists that keep in step with WeChat's: when they are fetched, what a failure leaves, and who waits for whom.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::kind::ListOf;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::{AccountName, Kind, MessageId, Reason, Status};
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
struct Listing {
    asked: AtomicUsize,
    /// None: it refuses, with this code.
    refusal: AtomicI64,
    list: Mutex<Option<Vec<(&'static str, &'static str)>>>,
    /// Ids of templates of subscription messages, or the code that it refuses with.
    subscriptions: Mutex<Result<Vec<&'static str>, i64>>,
}

#[async_trait]
impl Source for Listing {
    async fn templates(
        &self,
        _: &AccountName,
        of: ListOf,
        _: &AccessToken,
    ) -> Result<Vec<Listed>, CallError> {
        if of == ListOf::Subscriptions {
            let list = self.subscriptions.lock().unwrap().clone();
            let list = list.map(|ids| ids.into_iter().map(|id| listed(of, (id, ""))).collect());
            return list.map_err(refused);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(TAKES).await;
        let list = self.list.lock().unwrap().clone();
        match list {
            Some(list) => Ok(list.into_iter().map(|one| listed(of, one)).collect()),
            None => Err(refused(self.refusal.load(Ordering::SeqCst))),
        }
    }
}

fn listed(list: ListOf, (id, text): (&str, &str)) -> Listed {
    Listed {
        list,
        template: Template::new(id, "", text),
        example: String::new(),
        primary_industry: String::new(),
        deputy_industry: String::new(),
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
            asked: AtomicUsize::new(0),
            refusal: AtomicI64::new(-1),
            list: Mutex::new(list),
            subscriptions: Mutex::new(Err(48001)),
        });
        let (store, prompts) = (MemoryStore::default(), Arc::new(Prompts::default()));
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
        self.look_up_of(Kind::Template, id)
    }

    fn look_up_of(&self, kind: Kind, id: &str) -> Lookup {
        self.book.known(&ACCOUNT.into()).look_up(kind, id)
    }

    /// What is known of an id after it was looked for, if it may be, and whether it was.
    async fn look_again(&self, id: &str) -> (Lookup, bool) {
        let (account, kind) = (ACCOUNT.into(), Kind::Template);
        let wanted = [(kind, id)];
        let looking = self.book.look_again(&account, &wanted, seconds(5));
        looking.await;
        let looked_for = self.book.was_looked_for(&account, kind, id);
        (self.look_up(id), looked_for)
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
async fn an_empty_list_has_no_template_and_one_that_was_never_given_says_nothing() {
    let shelf = Shelf::of(Some(vec![])).await;
    tokio::time::sleep(seconds(5)).await;
    assert!(matches!(shelf.look_up("t1"), Lookup::Unknown));
    let of_subscription = shelf.look_up_of(Kind::Subscription, "s1");
    assert!(matches!(of_subscription, Lookup::Unchecked));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn subscription_messages_have_a_list_of_their_own_which_an_account_need_not_have() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let of = |kind, id| shelf.look_up_of(kind, id);
    let update = shelf.book.sync(&ACCOUNT.into()).await;
    assert!(update.is_ok(), "that it is not granted is no failure");
    assert!(matches!(of(Kind::MiniProgram, "t1"), Lookup::Unchecked));
    *shelf.wechat.subscriptions.lock().unwrap() = Ok(vec!["s1"]);
    shelf.book.sync(&ACCOUNT.into()).await.unwrap();
    for kind in [Kind::Subscription, Kind::MiniProgram] {
        assert!(matches!(of(kind, "s1"), Lookup::Known(_)));
        let of_the_other = Lookup::OfOtherKind(ListOf::Templates);
        assert_eq!(format!("{:?}", of(kind, "t1")), format!("{of_the_other:?}"));
        assert!(matches!(of(kind, "x"), Lookup::Unknown));
    }
    assert!(matches!(of(Kind::Template, "t1"), Lookup::Known(_)));
    let found = of(Kind::Template, "s1");
    assert!(matches!(found, Lookup::OfOtherKind(ListOf::Subscriptions)));
    // Nobody lists those of the authorise page.
    assert!(matches!(of(Kind::OneTime, "x"), Lookup::Unchecked));
    // One that cannot be fetched leaves the other as fresh as it is.
    *shelf.wechat.subscriptions.lock().unwrap() = Err(-1);
    shelf.says(Some(vec![("t2", "")]));
    let failed = shelf.book.sync(&ACCOUNT.into()).await.unwrap_err();
    assert!(matches!(failed, SyncError::WeChat(_)), "{failed}");
    assert!(matches!(of(Kind::Subscription, "s2"), Lookup::Unverified));
    assert!(matches!(of(Kind::Template, "t2"), Lookup::Known(_)));
    assert!(matches!(of(Kind::Template, "t1"), Lookup::Unknown));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_given_no_list_at_all_is_asked_once_an_hour_and_told_so() {
    let shelf = Shelf::of(None).await;
    shelf.wechat.refusal.store(48001, Ordering::SeqCst);
    tokio::time::sleep(seconds(5)).await;
    let told = shelf.book.sync(&ACCOUNT.into()).await.unwrap_err();
    assert!(matches!(told, SyncError::NotGranted(_)), "{told}");
    let before = shelf.asked();
    tokio::time::sleep(EVERY + seconds(5)).await;
    assert_eq!(shelf.asked() - before, 1);
    assert!(matches!(shelf.look_up("t1"), Lookup::Unchecked));
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
        let (found, looked_for) = shelf.look_again(&format!("x{nth}")).await;
        assert!(matches!(found, Lookup::Unknown));
        assert_eq!(looked_for, nth < 5, "{nth}: nothing is said of the others");
    }
    assert_eq!(shelf.asked() - before, 5);
    tokio::time::sleep(seconds(60)).await;
    shelf.says(Some(vec![LIST[0], ("new", "")]));
    let (found, _) = shelf.look_again("new").await;
    assert!(matches!(found, Lookup::Known(_)));
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_id_that_comes_again_and_again_is_looked_for_once_a_minute() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let before = shelf.asked();
    for _ in 0..50 {
        let (found, looked_for) = shelf.look_again("typo").await;
        assert!(matches!(found, Lookup::Unknown) && looked_for);
    }
    assert_eq!(shelf.asked() - before, 1);
    // It takes nothing of the ration that others need.
    shelf.says(Some(vec![LIST[0], ("new", "")]));
    let (found, _) = shelf.look_again("new").await;
    assert!(matches!(found, Lookup::Known(_)));
    tokio::time::sleep(seconds(60)).await;
    let typo = (Kind::Template, "typo");
    assert!(!shelf.book.was_looked_for(&ACCOUNT.into(), typo.0, typo.1));
    shelf.look_again("typo").await;
    assert_eq!(shelf.asked() - before, 3);
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn ids_of_one_call_are_looked_for_together_and_those_of_another_kind_not_at_all() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    *shelf.wechat.subscriptions.lock().unwrap() = Ok(vec!["s1"]);
    tokio::time::sleep(seconds(5)).await;
    let before = shelf.asked();
    let (account, kind) = (ACCOUNT.into(), Kind::Template);
    let look = |wanted: Vec<(Kind, &'static str)>| {
        let (book, account) = (shelf.book.clone(), ACCOUNT.into());
        async move { book.look_again(&account, &wanted, seconds(5)).await }
    };
    look(vec![(kind, "s1"), (Kind::Subscription, "t1"), (kind, "t1")]).await;
    assert_eq!(shelf.asked() - before, 0);
    look(vec![(kind, "x1"), (kind, "t1"), (kind, "x2")]).await;
    assert_eq!(shelf.asked() - before, 1);
    for (id, looked_for) in [("x1", true), ("x2", true), ("t1", false)] {
        assert_eq!(shelf.book.was_looked_for(&account, kind, id), looked_for);
    }
    shelf.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_wechat_that_does_not_answer() {
    let shelf = Shelf::of(Some(LIST.to_vec())).await;
    tokio::time::sleep(seconds(5)).await;
    let began = tokio::time::Instant::now();
    let account = ACCOUNT.into();
    let wanted = [(Kind::Template, "new")];
    shelf.book.look_again(&account, &wanted, TAKES / 2).await;
    assert!(matches!(shelf.look_up("new"), Lookup::Unverified));
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
        kind: Kind::Template,
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
