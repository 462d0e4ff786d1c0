//! What the writer is asked to do, one file per concern. Each operation runs inside the writer's transaction and may be
//! run again after a rollback; what must wait for the commit is in `committed`.

pub(super) mod accept;
pub(super) mod audit;
pub(super) mod beat;
pub(super) mod blank;
pub(super) mod broadcast;
pub(super) mod change;
pub(super) mod claim;
#[cfg(test)]
mod crowded;
pub(super) mod enforce;
pub(super) mod events;
pub(super) mod forget;
pub(super) mod keys;
pub(super) mod probe;
pub(super) mod prune;
pub(super) mod quota;
pub(super) mod receipt;
pub(super) mod recipient;
#[cfg(test)]
mod scheduled;
pub(super) mod settle;
pub(super) mod standing;
pub(super) mod sweep;
pub(super) mod templates;
pub(super) mod virtual_tokens;

use hongyan_courier::UnixMs;
use hongyan_courier::port::StoreError;
use tokio::sync::oneshot;

use super::base::Base;
use super::fault::Fault;

/// Something that one transaction does.
pub(super) trait Op: Send + 'static {
    /// What the caller is told once it is durable.
    type Answer: Send + 'static;
    /// What metrics call it.
    const NAME: &'static str;
    /// About how many rows it writes.
    fn rows(&self) -> usize {
        1
    }
    /// Whether it is about new messages, so that it need not wait for others to have rows.
    fn only_adds(&self) -> bool {
        false
    }
    /// When it was asked for.
    fn now(&self) -> Option<UnixMs>;
    /// Does it. Whatever it returns as a fault is rolled back.
    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault>;
    /// It is durable.
    fn committed(self)
    where
        Self: Sized,
    {
    }
}

/// An operation with whoever waits for its answer.
pub(super) trait Job: Send {
    fn rows(&self) -> usize;
    fn only_adds(&self) -> bool;
    fn now(&self) -> Option<UnixMs>;
    fn run(&mut self, base: &mut Base) -> Result<(), Fault>;
    fn committed(self: Box<Self>);
    fn failed(self: Box<Self>, error: StoreError);
}

pub(super) struct Asked<O: Op> {
    op: O,
    answer: Option<O::Answer>,
    reply: oneshot::Sender<Result<O::Answer, StoreError>>,
}

impl<O: Op> Asked<O> {
    pub(super) fn new(op: O) -> (Self, oneshot::Receiver<Result<O::Answer, StoreError>>) {
        let (reply, answered) = oneshot::channel();
        let asked = Self {
            op,
            answer: None,
            reply,
        };
        (asked, answered)
    }
}

impl<O: Op> Job for Asked<O> {
    fn rows(&self) -> usize {
        self.op.rows()
    }

    fn only_adds(&self) -> bool {
        self.op.only_adds()
    }

    fn now(&self) -> Option<UnixMs> {
        self.op.now()
    }

    fn run(&mut self, base: &mut Base) -> Result<(), Fault> {
        self.answer = Some(self.op.run(base)?);
        Ok(())
    }

    fn committed(self: Box<Self>) {
        self.op.committed();
        if let Some(answer) = self.answer {
            // Whoever asked may have hung up; what was done stays done.
            let _ = self.reply.send(Ok(answer));
        }
    }

    fn failed(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}
