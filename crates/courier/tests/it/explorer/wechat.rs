//! WeChat as the explorer's nodes meet it: the simulator's world, with trouble on the way to it and back, and receipts.
//! It writes down what was called, what was accepted and what was seen; that is the truth the runs are judged by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::message::{MessageId, Reason};
use hongyan_courier::port::{Granted, SendCall, TokenMode};
use hongyan_courier::{Clock, UnixMs};
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::{Class, Endpoint};
use hongyan_wechat::error::{CallError, NotSentCause};
use hongyan_wechat_sim::World;
use hongyan_wechat_sim::config::Rules;
use hongyan_wechat_sim::world::{SendRequest, TokenRequest};
use hongyan_wechat_sim::{AccountConfig, Seed};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::rig::clock::PausedClock;
use crate::rig::upstream::{Answer, in_doubt, not_sent, refused, refused_at};

const APPID: &str = "wx5eed0000c0ffee01";
const SECRET: &str = "5eed5eed5eed5eed5eed5eed5eed5eed";
/// How long a request is on its way, and its answer on its way back.
const WAY: Duration = Duration::from_millis(40);
/// How long a node waits for an answer.
const WHOLE_CALL: Duration = Duration::from_secs(50);

/// What becomes of one call of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// WeChat judges it and the answer comes back.
    Judged,
    /// WeChat judges it, and the answer is lost.
    AnswerLost,
    /// WeChat judges it and answers -1.
    JudgedBusy,
    /// WeChat does nothing with it and answers -1.
    Busy,
    /// It never arrives, and nobody can tell.
    Lost,
    /// No connection: no byte goes out.
    NoConnection,
    /// The token dies just before.
    TokenDies,
    /// WeChat answers with this code.
    Refused(i64),
    /// It arrives so late that the caller has given up on it.
    Late(Duration),
}

/// When a receipt comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the answer to the send.
    Early,
    /// A while after it.
    After(Duration),
}

/// What WeChat says later of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// None: the user got it. Else: they did not, because.
    pub(crate) failed: Option<Reason>,
    pub(crate) when: When,
    pub(crate) times: usize,
}

/// What WeChat does with the messages of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// The calls of each message, in turn; what is not said is judged.
    pub(crate) turns: Vec<Turn>,
    /// The same of all messages but the first that is called, where they differ.
    pub(crate) others: Option<Vec<Turn>>,
    /// The receipts of each message's acceptances, in turn; none after the last.
    pub(crate) words: Vec<Word>,
    /// What a repeat is answered: 0, 44007 or 40241.
    pub(crate) repeat_errcode: i64,
}

/// What a call came to, as far as its caller can ever know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Refused for sure.
    No,
    /// Accepted, or nobody can tell.
    Maybe,
}

/// A call that went out.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) message: MessageId,
    pub(crate) wire_id: String,
    pub(crate) at: UnixMs,
    pub(crate) known: Known,
    /// Whether it went out without a look, or although the look could see that the recipient is suppressed.
    pub(crate) heedless: bool,
}

/// An acceptance that was no repeat.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    pub(crate) message: MessageId,
    pub(crate) wire_id: String,
    pub(crate) msgid: Option<i64>,
    /// Whether the user saw it: the receipt may say otherwise.
    pub(crate) seen: bool,
    /// Whether its receipt reached a node, which may have died of it.
    pub(crate) offered: bool,
    /// Whether a node answered that it took the receipt.
    pub(crate) told: bool,
}

/// A receipt on its way to a node.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) openid: String,
    pub(crate) msgid: i64,
    pub(crate) word: Word,
    pub(crate) at: UnixMs,
}

/// The truth of a run.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) calls: Vec<Call>,
    pub(crate) accepted: Vec<Acceptance>,
}

/// The message of a wire id: what stands before its generation.
pub(crate) fn message_of(wire_id: &str) -> MessageId {
    let id = wire_id.split('-').next().unwrap_or_default();
    id.parse().unwrap()
}

/// WeChat.
pub(crate) struct WeChat {
    clock: Arc<PausedClock>,
    world: Mutex<World>,
    script: Script,
    /// Of each message which one it was to be called first, and how often it was called.
    turns: Mutex<HashMap<MessageId, (usize, usize)>>,
    pub(crate) truth: Mutex<Truth>,
    receipts: mpsc::UnboundedSender<Receipt>,
    on_its_way: TaskTracker,
}

impl WeChat {
    pub(crate) fn new(
        clock: &Arc<PausedClock>,
        script: Script,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Receipt>) {
        let (receipts, postbag) = mpsc::unbounded_channel();
        let seed = Seed {
            rules: Rules {
                repeat_errcode: script.repeat_errcode,
                ..Rules::default()
            },
            accounts: vec![AccountConfig::new(APPID, SECRET)],
        };
        let wechat = Self {
            clock: clock.clone(),
            world: Mutex::new(World::new(&seed)),
            script,
            turns: Mutex::default(),
            truth: Mutex::default(),
            receipts,
            on_its_way: TaskTracker::new(),
        };
        (Arc::new(wechat), postbag)
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// What becomes of the message's next call.
    fn next_turn(&self, message: MessageId) -> Turn {
        let mut turns = self.turns.lock().unwrap();
        let rank = turns.len();
        let (rank, nth) = turns.entry(message).or_insert((rank, 0));
        let others = self.script.others.as_ref().filter(|_| *rank > 0);
        let turn = others.unwrap_or(&self.script.turns).get(*nth).copied();
        *nth += 1;
        turn.unwrap_or(Turn::Judged)
    }

    /// The call goes out: by now it cannot be stopped, whatever becomes of the node.
    pub(crate) async fn send(self: &Arc<Self>, call: SendCall, heedless: bool) -> Answer {
        let turn = self.next_turn(message_of(&call.wire_id));
        if turn == Turn::NoConnection {
            return Err(not_sent(NotSentCause::Connect));
        }
        let nth = self.write_down(&call, heedless);
        if let Turn::Late(delay) = turn {
            let this = self.clone();
            self.on_its_way.spawn(async move {
                tokio::time::sleep(delay).await;
                this.judge(&call)
            });
            tokio::time::sleep(WHOLE_CALL).await;
            return Err(in_doubt());
        }
        tokio::time::sleep(WAY).await;
        let answer = self.arrive(&call, turn);
        tokio::time::sleep(WAY).await;
        if let Err(CallError::Refused(error)) = &answer
            && error.class() != Class::Busy
        {
            self.truth.lock().unwrap().calls[nth].known = Known::No;
        }
        answer
    }

    fn arrive(&self, call: &SendCall, turn: Turn) -> Answer {
        match turn {
            Turn::Judged | Turn::NoConnection | Turn::Late(_) => self.judge(call),
            Turn::AnswerLost => self.judge(call).and(Err(in_doubt())),
            Turn::JudgedBusy => self.judge(call).and(Err(refused(-1))),
            Turn::Busy => Err(refused(-1)),
            Turn::Lost => Err(in_doubt()),
            Turn::TokenDies => {
                let mut world = self.world.lock().unwrap();
                world.revoke_tokens(self.now().0, APPID);
                drop(world);
                self.judge(call)
            }
            Turn::Refused(code) => Err(refused(code)),
        }
    }

    fn judge(&self, call: &SendCall) -> Answer {
        let content = &call.content;
        let request = SendRequest {
            access_token: call.token.expose(),
            touser: &content.touser,
            template_id: &content.template_id,
            data: &content.data,
            client_msg_id: content.kind.repeatable().then_some(&*call.wire_id),
            ..SendRequest::default()
        };
        let judged = self.world.lock().unwrap().send(self.now().0, &request);
        match judged {
            Ok(accepted) => {
                let msgid = content.kind.repeatable().then_some(accepted.msgid);
                if !accepted.repeated {
                    self.accepted(call, msgid);
                }
                Ok(msgid)
            }
            Err(refusal) => Err(refused_at(
                Endpoint::TemplateSend,
                refusal.errcode,
                &refusal.errmsg,
            )),
        }
    }

    /// A message is on its user's screen, or will be found not to be.
    fn accepted(&self, call: &SendCall, msgid: Option<i64>) {
        let message = message_of(&call.wire_id);
        let mut truth = self.truth.lock().unwrap();
        let nth = truth
            .accepted
            .iter()
            .filter(|a| a.message == message)
            .count();
        let word = msgid.and(self.script.words.get(nth).copied());
        truth.accepted.push(Acceptance {
            message,
            wire_id: call.wire_id.clone(),
            msgid,
            seen: word.is_none_or(|word| word.failed.is_none()),
            offered: false,
            told: false,
        });
        if let Some((msgid, word)) = msgid.zip(word) {
            let receipt = Receipt {
                openid: call.content.touser.clone(),
                msgid,
                word,
                at: self.now(),
            };
            // The run may be over by now.
            let _ = self.receipts.send(receipt);
        }
    }

    /// The receipt of this msgid goes to a node.
    pub(crate) fn offered(&self, msgid: i64) {
        self.change(msgid, |accepted| accepted.offered = true);
    }

    /// A node took the receipt of this msgid.
    pub(crate) fn told(&self, msgid: i64) {
        self.change(msgid, |accepted| accepted.told = true);
    }

    fn change(&self, msgid: i64, change: fn(&mut Acceptance)) {
        let mut truth = self.truth.lock().unwrap();
        let accepted = truth.accepted.iter_mut();
        accepted.filter(|a| a.msgid == Some(msgid)).for_each(change);
    }

    pub(crate) async fn fetch_token(&self, mode: TokenMode) -> Result<Granted, CallError> {
        tokio::time::sleep(WAY).await;
        let request = TokenRequest::new(APPID, SECRET);
        let force = mode == TokenMode::Forced;
        let mut world = self.world.lock().unwrap();
        let granted = world.stable_token(self.now().0, &request, force);
        let granted = granted.map_err(|refusal| {
            refused_at(Endpoint::StableToken, refusal.errcode, &refusal.errmsg)
        })?;
        Ok(Granted {
            secret: AccessToken::new(granted.access_token),
            expires_in: Duration::from_secs(granted.expires_in.unsigned_abs()),
        })
    }

    fn write_down(&self, call: &SendCall, heedless: bool) -> usize {
        let mut truth = self.truth.lock().unwrap();
        truth.calls.push(Call {
            message: message_of(&call.wire_id),
            wire_id: call.wire_id.clone(),
            at: self.now(),
            known: Known::Maybe,
            heedless,
        });
        truth.calls.len() - 1
    }
}
