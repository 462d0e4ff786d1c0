//! One run of one story: nodes on one store, a blow at one call, recovery, and time until everything has ended.
//! It judges nothing; that is for `promises`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::delivery::ReceiptWord;
use hongyan_courier::dispatch::Slots;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::{Content, Message, MessageId, Status};
use hongyan_courier::next::Roll;
use hongyan_courier::port::{Accept, Filter, IdempotencyKey, Ledger, NewMessage, Queue, Upstream};
use hongyan_courier::receipt::NewReceipt;
use hongyan_courier::recipient::{News, Recipients, Source, What};
use hongyan_courier::token::MemoryTokenCache;
use hongyan_courier::{Clock, UnixMs};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::fate::{Blow, Fate, StoreHealth, Strike};
use super::former::Former;
use super::ports::{NodePorts, is_suppressed};
use super::promises::{Evidence, broken};
use super::scenario::Scenario;
use super::wechat::{Receipt, WeChat, When};
use crate::rig::clock::{NOW, PausedClock};
use crate::rig::node::{Node, Ports, Settings};
use crate::rig::{ACCOUNT, content, openid, seconds};

/// How long a caller or WeChat waits for a node's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What has not ended by then never will.
const LONGEST: Duration = Duration::from_secs(40 * 60);

/// Who carries on after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// A second node, which is there all the time.
    Survivor,
    /// The node comes back under its name a moment later.
    SameName,
    /// The node comes back under another name.
    NewName,
}

/// Wraps a node's ports, for tests that break a rule on purpose.
pub(crate) type Tamper = fn(&Arc<NodePorts>) -> (Arc<dyn Queue>, Arc<dyn Upstream>);

/// The ports as they are.
pub(crate) fn untampered(ports: &Arc<NodePorts>) -> (Arc<dyn Queue>, Arc<dyn Upstream>) {
    (ports.clone(), ports.clone())
}

/// What came of a run.
pub(crate) struct Report {
    pub(crate) struck: bool,
    pub(crate) broken: Vec<String>,
    pub(crate) messages: Vec<Message>,
}

struct Run {
    scenario: Scenario,
    clock: Arc<PausedClock>,
    store: Arc<MemoryStore>,
    cache: Arc<MemoryTokenCache>,
    wechat: Arc<WeChat>,
    health: Arc<StoreHealth>,
    tamper: Tamper,
    /// The first node first; whoever helps out last.
    nodes: Mutex<Vec<Arc<Member>>>,
}

struct Member {
    node: Node,
    ports: Arc<NodePorts>,
}

/// Tells a story once.
pub(crate) async fn run(
    scenario: &Scenario,
    strike: Option<Strike>,
    recovery: Recovery,
    tamper: Tamper,
) -> Report {
    let clock = PausedClock::start();
    let (wechat, postbag) = WeChat::new(&clock, scenario.script.clone());
    let run = Arc::new(Run {
        scenario: scenario.clone(),
        clock,
        store: Arc::default(),
        cache: Arc::default(),
        wechat,
        health: Arc::default(),
        tamper,
        nodes: Mutex::default(),
    });
    run.join("a", strike).await;
    if recovery == Recovery::Survivor {
        run.join("b", None).await;
    }
    if scenario.suppressed {
        tell_all(
            &run.store,
            &scenario.recipients,
            &no_more(),
            run.clock.now(),
        );
    }
    // Tokens are fetched and first looks are made.
    tokio::time::sleep(seconds(2)).await;
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(run.clone().deliver_receipts(postbag));
    if run.scenario.left_behind {
        let former = Former {
            store: &run.store,
            wechat: &run.wechat,
            clock: &run.clock,
        };
        former.dies_with(run.call(run.clock.now())).await;
    } else {
        tasks.spawn(run.clone().submit());
    }
    run.member(0).ports.fate.arm();
    let blow = strike.map(|strike| strike.blow);
    let forced = run.carry_on(recovery, blow).await;
    run.report(strike, &forced).await
}

impl Run {
    async fn join(&self, name: &str, strike: Option<Strike>) {
        let store = self.store.clone();
        let clock = self.clock.clone();
        let recipients = self.scenario.recipients.clone();
        let wish = Box::new(move |blow| match blow {
            Blow::Suppress => tell_all(&store, &recipients, &no_more(), clock.now()),
            Blow::Resume => tell_all(&store, &recipients, &again(), clock.now()),
            _ => cancel_all(&store, clock.now()),
        });
        let fate = Fate::new(name, self.health.clone(), strike, wish);
        let ports = NodePorts::new(fate, &self.store, &self.cache, &self.wechat);
        let settings = Settings {
            node: name.to_owned(),
            ..Settings::new(self.scenario.slots, &[ACCOUNT], self.scenario.policy())
        };
        let (queue, upstream) = (self.tamper)(&ports);
        let outside = Ports {
            queue,
            ledger: ports.clone(),
            standings: ports.clone(),
            cache: ports.clone(),
            upstream,
        };
        let node = Node::start(outside, settings, self.clock.clone()).await;
        let member = Arc::new(Member { node, ports });
        self.nodes.lock().unwrap().push(member);
    }

    /// Whom a caller or WeChat turns to: the first node, and after a failure the last.
    fn member(&self, failures: usize) -> Arc<Member> {
        let nodes = self.nodes.lock().unwrap();
        let nth = if failures == 0 { 0 } else { nodes.len() - 1 };
        nodes[nth].clone()
    }

    /// A caller who does not give up, with one key for all tries.
    async fn submit(self: Arc<Self>) {
        let begun = self.clock.now();
        for failures in 0.. {
            let member = self.member(failures);
            let accepting = member.node.acceptor.accept(self.call(begun));
            if let Ok(Ok(_)) = timeout(PATIENCE, accepting).await {
                return;
            }
            tokio::time::sleep(seconds(1)).await;
        }
    }

    fn call(&self, begun: UnixMs) -> Accept {
        let message = |(nth, recipient): (usize, &usize)| NewMessage {
            not_before: None,
            id: MessageId::new(self.clock.now()),
            content: Arc::new(Content {
                kind: self.scenario.kind,
                data: format!(r#"{{"thing1":{{"value":"message {nth}"}}}}"#),
                ..content(ACCOUNT, *recipient)
            }),
            expires_at: self
                .scenario
                .expires_in
                .map(|how_long| begun.plus(how_long)),
            dedupe: None,
            permit: None,
        };
        let messages = self.scenario.recipients.iter().enumerate().map(message);
        Accept {
            nonce: None,
            idempotency: Some(IdempotencyKey {
                scope: "his".into(),
                key: "story".into(),
                body: [1; 32],
                expires_at: NOW.plus(seconds(86_400)),
            }),
            messages: messages.collect(),
            broadcast: None,
        }
    }

    async fn deliver_receipts(self: Arc<Self>, mut postbag: mpsc::UnboundedReceiver<Receipt>) {
        let tasks = tokio_util::task::TaskTracker::new();
        while let Some(receipt) = postbag.recv().await {
            for _ in 0..receipt.word.times {
                tasks.spawn(self.clone().deliver(receipt.clone()));
            }
        }
    }

    /// WeChat posts an event up to three times.
    async fn deliver(self: Arc<Self>, receipt: Receipt) {
        if let When::After(delay) = receipt.word.when {
            tokio::time::sleep(delay).await;
        }
        for failures in 0..3 {
            let (word, status) = match receipt.word.failed {
                None => (ReceiptWord::Success, "success"),
                Some(reason) => (ReceiptWord::Failed(reason), "failed"),
            };
            let receipt = NewReceipt {
                account: ACCOUNT.into(),
                msgid: receipt.msgid,
                template_id: None,
                openid: receipt.openid.clone(),
                word,
                status: status.into(),
                create_time: receipt.at.0 / 1_000,
                policy: self.scenario.policy(),
                roll: Roll::draw(),
            };
            let msgid = receipt.msgid;
            let member = self.member(failures);
            self.wechat.offered(msgid);
            let receiving = member.node.receipts.receive(receipt, None);
            if let Ok(Ok(_)) = timeout(PATIENCE, receiving).await {
                return self.wechat.told(msgid);
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    /// Lets time pass until everything has ended, with restarts and retries on the way. Answers how often each was forced.
    async fn carry_on(&self, recovery: Recovery, blow: Option<Blow>) -> HashMap<MessageId, usize> {
        let begun = Instant::now();
        let mut forced = HashMap::new();
        let mut retried = Vec::new();
        let mut comes_back = recovery != Recovery::Survivor;
        while begun.elapsed() < LONGEST {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if comes_back && self.member(0).ports.fate.is_dead() {
                comes_back = false;
                tokio::time::sleep(seconds(2)).await;
                let name = if recovery == Recovery::SameName {
                    "a"
                } else {
                    "a2"
                };
                self.join(name, None).await;
            }
            let messages = self.messages().await;
            if messages.len() < self.scenario.recipients.len()
                || !messages.iter().all(|message| message.delivery.is_over())
            {
                continue;
            }
            let before = retried.len();
            // Once a recipient may be written to again, what was not sent can be.
            let resumed = blow == Some(Blow::Resume) && self.member(0).ports.fate.has_struck();
            for message in &messages {
                let suppressed = message.delivery.status == Status::Suppressed;
                let wished = [self.scenario.retried, resumed && suppressed];
                let wishes = wished
                    .into_iter()
                    .zip([(message.id, false), (message.id, true)]);
                let mut wishes = wishes.filter(|(wished, wish)| *wished && !retried.contains(wish));
                if let Some((_, wish)) = wishes.next() {
                    retried.push(wish);
                    *forced.entry(message.id).or_default() += self.retry(message).await;
                }
            }
            if retried.len() == before {
                break;
            }
        }
        forced
    }

    /// Retries a message that ended undelivered. Answers 1 if force was needed.
    async fn retry(&self, message: &Message) -> usize {
        let now = self.clock.now();
        let force = message.delivery.status == Status::Unconfirmed;
        let answer = self.store.retry(message.id, force, None, now).await;
        usize::from(force && answer.is_ok())
    }

    async fn messages(&self) -> Vec<Message> {
        self.store.page(Filter::default(), 100).await.unwrap()
    }

    fn slots_of_the_living(&self) -> Vec<(String, Arc<Slots>)> {
        let nodes = self.nodes.lock().unwrap();
        let living = nodes.iter().filter(|member| !member.ports.fate.is_dead());
        living
            .map(|member| {
                (
                    member.ports.fate.node.to_string(),
                    member.node.slots.clone(),
                )
            })
            .collect()
    }

    async fn report(&self, strike: Option<Strike>, forced: &HashMap<MessageId, usize>) -> Report {
        let fate = self.member(0).ports.fate.clone();
        let blow = strike
            .filter(|_| fate.has_struck())
            .map(|strike| strike.blow);
        let held_up = match blow {
            Some(Blow::Freeze(how_long) | Blow::Cut(how_long) | Blow::Outage(how_long)) => how_long,
            Some(Blow::Crash | Blow::Cancel | Blow::Suppress | Blow::Resume) | None => {
                Duration::ZERO
            }
        };
        // What was held up goes on when everything else is over.
        tokio::time::sleep(self.scenario.aftermath() + held_up).await;
        let messages = self.messages().await;
        let mut suppressed = HashSet::new();
        for message in &messages {
            if is_suppressed(&self.store, message, self.clock.now()).await {
                suppressed.insert(message.id);
            }
        }
        let mut broken = broken(&Evidence {
            scenario: &self.scenario,
            truth: &self.wechat.truth.lock().unwrap(),
            messages: &messages,
            forced,
            struck: fate.has_struck(),
            frozen: matches!(blow, Some(Blow::Freeze(_))),
            suppressed: &suppressed,
        });
        for member in self.nodes.lock().unwrap().iter() {
            let name = &member.ports.fate.node;
            let open = *member.ports.most_open_calls.lock().unwrap();
            let slots = self.scenario.slots;
            if open > slots {
                broken.push(format!(
                    "I7: {name} had {open} calls in doubt with {slots} slots"
                ));
            }
        }
        for (name, slots) in self.slots_of_the_living() {
            if !come_back(&slots).await {
                broken.push(format!("S: {name} lost a slot"));
            }
        }
        Report {
            struck: fate.has_struck(),
            broken,
            messages,
        }
    }
}

/// What a person says of every recipient.
fn by_operator(what: What) -> News {
    News {
        what,
        source: Source::Operator,
        at: NOW,
        errcode: None,
    }
}

fn no_more() -> News {
    by_operator(What::Suppress {
        template_id: None,
        expires_at: None,
        note: None,
    })
}

fn again() -> News {
    by_operator(What::Resume {
        template_id: None,
        override_until: None,
    })
}

fn tell_all(store: &MemoryStore, recipients: &[usize], news: &News, now: UnixMs) {
    use futures::FutureExt;
    for recipient in recipients {
        let (account, openid) = (ACCOUNT.into(), openid(*recipient));
        let heard = store.hear(&account, &openid, vec![news.clone()], None, now);
        heard.now_or_never().unwrap().unwrap();
    }
}

/// The store in memory answers at once, so that a blow can cancel in the middle of another call.
fn cancel_all(store: &MemoryStore, now: UnixMs) {
    use futures::FutureExt;
    let page = store.page(Filter::default(), 100).now_or_never();
    for message in page.unwrap().unwrap() {
        let cancelled = store.cancel(message.id, None, now).now_or_never();
        // What cannot be cancelled any more is left as it is.
        let _ = cancelled.unwrap();
    }
}

/// Whether all slots are free at some moment: a node that has nothing to do takes some for a look at the store now and then.
async fn come_back(slots: &Slots) -> bool {
    for _ in 0..6_000 {
        if slots.busy_ratio() == 0.0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
