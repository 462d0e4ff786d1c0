//! The recipients: what was heard of them, and what that does to their messages.
//! What follows from news is `recipient`'s; here it is kept and looked up.

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::delivery::{LeaseRef, Objection};
use crate::message::{AccountName, Content, Message, MessageId, Priority, Reason};
use crate::port::{AcceptError, Claim, Nonce, StoreError};
use crate::recipient::limit::{COUNT_MAX, opens_at};
use crate::recipient::{
    Heard, Hold, Listed, News, RELEASED_MAX, Recipient, Recipients, SuppressionFilter, hold,
};
use crate::time::UnixMs;

impl State {
    pub(super) fn hear(
        &mut self,
        account: &AccountName,
        openid: &str,
        news: &[News],
        now: UnixMs,
    ) -> Heard {
        let key = (account.clone(), openid.to_owned());
        let known = self.recipients.entry(key).or_default();
        let was_spared = known.is_spared();
        let raised = news.iter().filter_map(|news| known.hear(news, now));
        let raised = raised.collect();
        let recipient = known.clone();
        let released = match was_spared && !recipient.is_spared() {
            true => self.release_put_off(account, openid, now),
            false => 0,
        };
        Heard {
            recipient,
            raised,
            released,
        }
    }

    /// Lets go what was put off for a recipient who is spared no more. Answers how many.
    fn release_put_off(&mut self, account: &AccountName, openid: &str, now: UnixMs) -> usize {
        let waiting = self.waiting.iter().filter_map(|(.., id)| self.rows.get(id));
        let own = waiting.map(|row| &row.message).filter(|message| {
            (&message.content.account, message.content.touser.as_str()) == (account, openid)
                && message.delivery.reason == Some(Reason::FrequencyLimited)
        });
        let mut ids: Vec<MessageId> = own.map(|message| message.id).collect();
        ids.sort_unstable();
        ids.truncate(RELEASED_MAX);
        let go = ids.iter().filter(|id| {
            self.change(**id, now, |_, delivery| delivery.put_off_no_more(now)) == Some(true)
        });
        go.count()
    }

    /// What its recipient's suppressions do to a message.
    pub(super) fn held(&self, content: &Content, now: UnixMs) -> Option<Hold> {
        if content.overrides_suppression() {
            return None;
        }
        let key = (content.account.clone(), content.touser.clone());
        let known = self.recipients.get(&key)?;
        hold(&known.suppressions, &content.template_id, now)
    }

    /// What speaks by now against sending a leased message.
    pub(super) fn objection(&self, lease: LeaseRef, now: UnixMs) -> Option<Objection> {
        let content = &self.rows.get(&lease.id)?.message.content;
        match self.held(content, now) {
            Some(Hold::End(reason)) => Some(Objection::Suppressed(reason)),
            Some(Hold::Until(_)) | None => self
                .is_stopped(content)
                .then_some(Objection::TemplateStopped),
        }
    }

    /// The same, and what the account's limits do to it.
    pub(super) fn held_back(&self, message: &Message, claim: &Claim, now: UnixMs) -> Option<Hold> {
        if message.delivery.doubtful() {
            return None;
        }
        let (content, priority) = (&message.content, message.content.priority);
        self.held(content, now).or_else(|| {
            let limits = &claim.limits;
            let limited = limits
                .iter()
                .any(|limit| limit.priorities.contains(&priority));
            limited
                .then(|| self.over_limit(content, priority, claim, now))
                .flatten()
        })
    }

    fn over_limit(
        &self,
        content: &Content,
        priority: Priority,
        claim: &Claim,
        now: UnixMs,
    ) -> Option<Hold> {
        let to_same = self.rows.values().filter(|row| {
            let other = &row.message.content;
            (&other.account, &other.touser) == (&content.account, &content.touser)
        });
        let mut sends: Vec<UnixMs> = to_same
            .filter_map(|row| row.message.delivery.went_out_at())
            .collect();
        sends.sort_unstable_by(|one, other| other.cmp(one));
        sends.truncate(COUNT_MAX);
        opens_at(&claim.limits, priority, &sends, now).map(Hold::Until)
    }

    fn listed(&self, filter: &SuppressionFilter, now: UnixMs) -> Vec<Listed> {
        let of_account = self.recipients.iter();
        let of_account = of_account.filter(|((account, _), _)| *account == filter.account);
        let all = of_account.flat_map(|((_, openid), known)| {
            known.suppressions.iter().map(|one| Listed {
                openid: openid.clone(),
                suppression: one.clone(),
            })
        });
        let wanted = |one: &Listed| {
            one.suppression.holds(now)
                && filter
                    .reason
                    .is_none_or(|reason| one.suppression.reason == reason)
                && filter.before.as_ref().is_none_or(|end| one.place() < *end)
                && one
                    .suppression
                    .template_id
                    .as_ref()
                    .is_none_or(|id| filter.within.has_template(id))
        };
        let mut wanted: Vec<Listed> = all.filter(wanted).collect();
        wanted.sort_by_key(|one| std::cmp::Reverse(one.place()));
        wanted
    }
}

#[async_trait]
impl Recipients for MemoryStore {
    async fn recipient(
        &self,
        account: &AccountName,
        openid: &str,
    ) -> Result<Recipient, StoreError> {
        let key = (account.clone(), openid.to_owned());
        let known = self.state().recipients.get(&key).cloned();
        Ok(known.unwrap_or_default())
    }

    async fn hear(
        &self,
        account: &AccountName,
        openid: &str,
        news: Vec<News>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Heard, AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        let heard = state.hear(account, openid, &news, now);
        state.note(nonce.as_ref());
        Ok(heard)
    }

    async fn suppressions(
        &self,
        filter: SuppressionFilter,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut listed = self.state().listed(&filter, now);
        listed.truncate(limit);
        Ok(listed)
    }

    async fn to_confirm(
        &self,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        let state = self.state();
        let asked = state.recipients.iter();
        let mut due: Vec<_> = asked
            .filter_map(|(key, known)| Some((known.confirm_at.filter(|at| *at <= now)?, key)))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due.into_iter().map(|(_, key)| key.clone()).collect())
    }
}
