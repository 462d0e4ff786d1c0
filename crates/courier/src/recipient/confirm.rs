//! Asks WeChat whether a user really does not follow: a send is now and then refused for that although the user does.
//! A few at a time, in the background; what cannot be asked now waits.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hongyan_wechat::errcode::{Class, Fault};
use hongyan_wechat::error::CallError;
use tokio_util::sync::CancellationToken;

use super::hearing::Hearing;
use super::{Followers, News, Source, What};
use crate::message::AccountName;
use crate::port::StoreError;
use crate::token::Keeper;

/// The pause between two rounds, and the most that are asked about in one: WeChat's daily number of calls is shared with
/// whatever else the account asks.
const ROUND: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 8;
/// When a user is asked about again whose state could not be told.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Asks about users of whom there is doubt.
pub struct Confirmations {
    /// Where the answers go.
    pub hearing: Hearing,
    /// WeChat.
    pub followers: Arc<dyn Followers>,
    /// The accounts' tokens.
    pub keeper: Arc<Keeper>,
}

impl Confirmations {
    /// Asks until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            let round = async {
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "cannot look for recipients to confirm");
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    /// Asks about those who wait longest.
    pub async fn round(&self) -> Result<(), StoreError> {
        let now = self.hearing.clock.now();
        let due = self.hearing.recipients.to_confirm(AT_ONCE, now).await?;
        join_all(
            due.iter()
                .map(|(account, openid)| self.ask(account, openid)),
        )
        .await;
        Ok(())
    }

    async fn ask(&self, account: &AccountName, openid: &str) {
        let at = self.hearing.clock.now();
        let what = match self.keeper.current(account) {
            Ok(token) => {
                let secret = token.secret.clone();
                let answer = self.followers.follows(account, openid, secret).await;
                self.keeper.answered(account, &token, &answer);
                match answer {
                    Ok(true) => What::Follows,
                    Ok(false) => What::FollowsNot,
                    Err(error) => self.unanswered(account, &error),
                }
            }
            Err(wait) => What::AskAgain(wait.until.max(at.plus(ROUND))),
        };
        let news = News {
            what,
            source: Source::UserInfo,
            at,
            errcode: None,
        };
        let heard = self.hearing.hear(account, openid, vec![news], None).await;
        if let Err(error) = heard {
            tracing::warn!(%error, %account, "cannot store whether a user follows");
        }
    }

    fn unanswered(&self, account: &AccountName, error: &CallError) -> What {
        if let CallError::Refused(refusal) = error
            && refusal.class() == Class::Parameter(Fault::OpenId)
        {
            return What::NotOurs;
        }
        tracing::debug!(%error, %account, "WeChat did not say whether a user follows");
        What::AskAgain(self.hearing.clock.now().plus(ASK_AGAIN))
    }
}
