//! The messages as records, and how accounts stand: changes are operations for the writer, the rest are reads.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Standing};
use hongyan_courier::delivery::{CancelRefused, Cancelled, RetryRefused};
use hongyan_courier::message::{AccountName, Message, MessageId};
use hongyan_courier::port::{
    AcceptError, ChangeError, Depth, Filter, Ledger, Moved, Nonce, Standings, StoreError, Sweep,
    Swept,
};
use hongyan_courier::receipt::{NewReceipt, ReceiptTaken};
use hongyan_courier::retention::Old;

use super::SqliteStore;
use super::ops::change::{CancelOp, RetryOp};
use super::ops::keys::Spend;
use super::ops::probe::ProbeOp;
use super::ops::prune::PruneOp;
use super::ops::receipt::ReceiveOp;
use super::ops::standing::SetStandingOp;
use super::ops::sweep::SweepOp;
use super::read::{find, page};

#[async_trait]
impl Ledger for SqliteStore {
    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.read("find", move |reader| find::message(reader, id))
            .await
    }

    async fn page(&self, filter: Filter, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.read("page", move |reader| page::page(reader, &filter, limit))
            .await
    }

    async fn cancel(
        &self,
        id: MessageId,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Cancelled, ChangeError<CancelRefused>> {
        self.ask(CancelOp { id, nonce, now }).await?
    }

    async fn retry(
        &self,
        id: MessageId,
        force: bool,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Moved, ChangeError<RetryRefused>> {
        self.ask(RetryOp {
            id,
            force,
            nonce,
            now,
        })
        .await?
    }

    async fn receive(
        &self,
        receipt: NewReceipt,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<ReceiptTaken, AcceptError> {
        self.ask(ReceiveOp {
            receipt,
            nonce,
            now,
        })
        .await?
    }

    async fn spend(&self, nonce: Nonce, now: UnixMs) -> Result<(), AcceptError> {
        self.ask(Spend { nonce, now }).await?
    }

    async fn sweep(
        &self,
        what: Sweep,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Swept>, StoreError> {
        self.ask(SweepOp { what, limit, now }).await
    }

    async fn prune(&self, what: Old, before: UnixMs, limit: usize) -> Result<usize, StoreError> {
        self.ask(PruneOp {
            what,
            before,
            limit,
        })
        .await
    }

    async fn depths(&self, now: UnixMs) -> Result<Vec<Depth>, StoreError> {
        let counts = self.queued.counts();
        self.read("depths", move |reader| find::depths(reader, &counts, now))
            .await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.ask(ProbeOp).await
    }
}

#[async_trait]
impl Standings for SqliteStore {
    async fn standing(&self, account: &AccountName) -> Result<Standing, StoreError> {
        let account = account.clone();
        self.read("standing", move |reader| find::standing(reader, &account))
            .await
    }

    async fn set_standing(
        &self,
        account: &AccountName,
        standing: Standing,
    ) -> Result<(), StoreError> {
        let account = account.clone();
        self.ask(SetStandingOp { account, standing }).await
    }

    async fn flags(
        &self,
        account: &AccountName,
        limit: usize,
    ) -> Result<Vec<AccountFlag>, StoreError> {
        let account = account.clone();
        self.read("flags", move |reader| find::flags(reader, &account, limit))
            .await
    }
}
