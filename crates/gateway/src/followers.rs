//! Who follows an account, as WeChat lists them: the domain's port over the client of `hongyan_wechat`.
//! It must not keep anybody.

use std::sync::Arc;

use async_trait::async_trait;
use hongyan_courier::broadcast::expand::{FollowerPage, Followers};
use hongyan_courier::message::AccountName;
use hongyan_courier::token::Keeper;
use hongyan_wechat::errcode::Class;
use hongyan_wechat::error::CallError;

use crate::wechat_upstream::WechatUpstream;

pub struct WechatFollowers {
    pub upstream: Arc<WechatUpstream>,
    pub keeper: Arc<Keeper>,
}

#[async_trait]
impl Followers for WechatFollowers {
    async fn page(
        &self,
        account: &AccountName,
        after: Option<&str>,
    ) -> Result<FollowerPage, String> {
        let token = self
            .keeper
            .current(account)
            .map_err(|_| "the account has no usable token at present".to_owned())?;
        let asked = self.upstream.followers(account, &token.secret, after);
        match asked.await {
            Ok(page) => {
                self.keeper.accepted(account, &token);
                Ok(FollowerPage {
                    openids: page.openids,
                    next: page.next,
                })
            }
            Err(error) => {
                if let CallError::Refused(refusal) = &error
                    && refusal.class() == Class::Token
                {
                    self.keeper.rejected(account, &token);
                }
                Err(error.to_string())
            }
        }
    }
}
