//! The templates of accounts, and the messages of stopped ones that wait aside.
//! What a list changes, and which message can be put aside, is the domain's to say.

use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::account::FlagSubject;
use crate::kind::ListOf;
use crate::message::{AccountName, Content, MessageId, Reason, Status};
use crate::port::StoreError;
use crate::template::catalogue::{Catalogue, Entry, Listed, Templates, Update};
use crate::template::stop::Stop;
use crate::time::UnixMs;

/// What is kept of one account.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    catalogue: Catalogue,
    /// Oldest first.
    pub(super) entries: Vec<Entry>,
}

pub(super) type Shelves = HashMap<AccountName, Shelf>;

impl State {
    /// Whether a template is stopped.
    pub(super) fn is_stopped(&self, content: &Content) -> bool {
        let shelf = self.shelves.get(&content.account);
        shelf.is_some_and(|shelf| shelf.catalogue.stops.contains_key(&content.template_id))
    }

    /// Stops a template, unless it is for a graver cause already.
    pub(super) fn stop(&mut self, account: &AccountName, stop: Option<Stop>) {
        let Some(stop) = stop else { return };
        let shelf = self.shelves.entry(account.clone()).or_default();
        let known = shelf.catalogue.stops.get(&stop.template_id);
        if known.is_none_or(|known| stop.outweighs(known)) {
            let id = stop.template_id.clone();
            shelf.catalogue.stops.insert(id, stop);
        }
    }

    fn take_over(
        &mut self,
        account: &AccountName,
        (of, list): (ListOf, Vec<Listed>),
        now: UnixMs,
    ) -> Update {
        let shelf = self.shelves.entry(account.clone()).or_default();
        let update = shelf.catalogue.update(of, list, now);
        shelf.catalogue.synced.insert(of, now);
        for kept in &update.kept {
            let id = kept.listed.template.id.clone();
            shelf.catalogue.templates.insert(id, kept.clone());
        }
        shelf.entries.extend(update.entries.iter().cloned());
        for stop in &update.stopped {
            let id = stop.template_id.clone();
            shelf.catalogue.stops.insert(id, stop.clone());
        }
        for id in &update.resumed {
            self.resume(account, id);
        }
        for stop in &update.stopped {
            self.raise(account, Some(stop.flag()));
        }
        update
    }

    fn resume(&mut self, account: &AccountName, template_id: &str) -> bool {
        self.lower(account, FlagSubject::Template, template_id);
        let shelf = self.shelves.get_mut(account);
        shelf.is_some_and(|shelf| shelf.catalogue.stops.remove(template_id).is_some())
    }

    fn call_back(&mut self, limit: usize, now: UnixMs) -> usize {
        let aside = self.waiting.iter().filter_map(|(.., id)| self.rows.get(id));
        let aside = aside.map(|row| &row.message).filter(|message| {
            message.delivery.status == Status::Queued
                && message.delivery.reason == Some(Reason::TemplateStopped)
                && !self.is_stopped(&message.content)
        });
        let ids: Vec<MessageId> = aside.map(|message| message.id).take(limit).collect();
        for id in &ids {
            self.change(*id, now, |_, delivery| delivery.unpark(now));
        }
        ids.len()
    }
}

#[async_trait]
impl Templates for MemoryStore {
    async fn catalogue(&self, account: &AccountName) -> Result<Catalogue, StoreError> {
        let state = self.state();
        let shelf = state.shelves.get(account);
        Ok(shelf
            .map(|shelf| shelf.catalogue.clone())
            .unwrap_or_default())
    }

    async fn take_over(
        &self,
        account: &AccountName,
        of: ListOf,
        list: Vec<Listed>,
        now: UnixMs,
    ) -> Result<Update, StoreError> {
        Ok(self.state().take_over(account, (of, list), now))
    }

    async fn history(
        &self,
        account: &AccountName,
        template_id: &str,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let state = self.state();
        let entries = state
            .shelves
            .get(account)
            .map_or(&[][..], |shelf| &shelf.entries);
        let of_template = entries
            .iter()
            .rev()
            .filter(|entry| entry.template_id == template_id);
        Ok(of_template.take(limit).cloned().collect())
    }

    async fn resume(&self, account: &AccountName, template_id: &str) -> Result<bool, StoreError> {
        Ok(self.state().resume(account, template_id))
    }

    async fn call_back(&self, limit: usize, now: UnixMs) -> Result<usize, StoreError> {
        Ok(self.state().call_back(limit, now))
    }
}
