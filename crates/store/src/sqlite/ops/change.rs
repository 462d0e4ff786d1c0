//! What a caller asks of a stored message: cancel it, send it again. A nonce is spent even if the message refuses,
//! so that no call can be played twice.

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{CancelRefused, Cancelled, LeftAlone, RetryRefused};
use hongyan_courier::message::MessageId;
use hongyan_courier::port::{Again, ChangeError, Moved, Nonce};

use super::{Op, audit};
use crate::sqlite::base::Base;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) struct CancelOp {
    pub(in crate::sqlite) id: MessageId,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for CancelOp {
    type Answer = Result<Cancelled, ChangeError<CancelRefused>>;
    const NAME: &'static str = "cancel";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(ChangeError::NonceSeen));
        }
        let changed = base.change(self.id, self.now, |_, delivery| delivery.cancel())?;
        let cancelled = changed.ok_or(ChangeError::NotFound);
        let cancelled = cancelled.and_then(|changed| changed.answer.map_err(ChangeError::Refused));
        if cancelled.is_ok() {
            audit::note(&base.conn, self.nonce.as_ref())?;
        }
        Ok(cancelled)
    }
}

pub(in crate::sqlite) struct RetryOp {
    pub(in crate::sqlite) id: MessageId,
    pub(in crate::sqlite) force: bool,
    pub(in crate::sqlite) nonce: Option<Nonce>,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for RetryOp {
    type Answer = Result<Moved, ChangeError<RetryRefused>>;
    const NAME: &'static str = "retry";

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        if !base.spend(self.nonce.as_ref())? {
            return Ok(Err(ChangeError::NonceSeen));
        }
        let (force, now) = (self.force, self.now);
        let Some(message) = base.find(self.id)? else {
            return Ok(Err(ChangeError::NotFound));
        };
        let paused = base.is_paused(&message.content)?;
        let changed = base.change(self.id, now, |content, delivery| {
            delivery.retry(content, force, now)?;
            if paused {
                delivery.hold();
            }
            Ok(())
        })?;
        let retried = changed.ok_or(ChangeError::NotFound);
        let retried = retried.and_then(|changed| match changed.answer {
            Ok(()) => Ok(changed.moved),
            Err(refused) => Err(ChangeError::Refused(refused)),
        });
        if retried.is_ok() {
            audit::note(&base.conn, self.nonce.as_ref())?;
        }
        Ok(retried)
    }
}

pub(in crate::sqlite) struct RetryAllOp {
    pub(in crate::sqlite) again: Again,
    pub(in crate::sqlite) now: UnixMs,
}

impl Op for RetryAllOp {
    type Answer = Vec<Result<Moved, LeftAlone>>;
    const NAME: &'static str = "retry_all";

    fn rows(&self) -> usize {
        self.again.ids.len()
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.now)
    }

    fn run(&mut self, base: &mut Base) -> Result<Self::Answer, Fault> {
        let mut retried = Vec::with_capacity(self.again.ids.len());
        let mut due_at = self.again.first_due;
        for id in &self.again.ids {
            let done = retry_one(base, *id, due_at, self.now)?;
            if done.is_ok() {
                due_at = due_at.plus(self.again.every);
            }
            retried.push(done);
        }
        Ok(retried)
    }
}

fn retry_one(
    base: &mut Base,
    id: MessageId,
    due_at: UnixMs,
    now: UnixMs,
) -> Result<Result<Moved, LeftAlone>, Fault> {
    let Some(message) = base.find(id)? else {
        return Ok(Err(LeftAlone::NotEnded));
    };
    let hold = base.hold(&message.content, due_at)?;
    let paused = base.is_paused(&message.content)?;
    let changed = base.change(id, now, |content, delivery| {
        delivery.retry_as_one_of_many(content, hold, due_at, now)?;
        if paused {
            delivery.hold();
        }
        Ok(())
    })?;
    let changed = changed.ok_or(LeftAlone::NotEnded);
    Ok(changed.and_then(|changed| changed.answer.map(|()| changed.moved)))
}
