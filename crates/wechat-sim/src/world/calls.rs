//! How often each endpoint was called and what it refused: the numbers a test asserts on.
//! It knows nothing of accounts; one is kept for each and one for all.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fault::Endpoint;

/// Calls as they arrived, refused or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    pub token: u64,
    /// In normal mode.
    pub stable_token: u64,
    /// `stable_token` with `force_refresh`.
    pub forced: u64,
    pub sends: u64,
    pub bizsends: u64,
    pub subscribe_sends: u64,
    pub one_time_sends: u64,
    /// Sends that made a new message.
    pub accepted: u64,
    /// Sends recognised by their `client_msg_id`.
    pub repeated: u64,
    pub templates: u64,
    pub subscription_templates: u64,
    pub add_subscription_template: u64,
    pub del_subscription_template: u64,
    pub add_template: u64,
    pub del_template: u64,
    pub get_industry: u64,
    pub set_industry: u64,
    pub user_info: u64,
    pub user_get: u64,
    pub quota: u64,
    pub clear_quota: u64,
    pub api_domain_ip: u64,
    /// Codes that were to be redeemed.
    pub oauth: u64,
    /// Unknown paths.
    pub unknown: u64,
    /// By errcode, over all endpoints.
    pub rejected: BTreeMap<i64, u64>,
}

impl Calls {
    /// Token calls of every kind.
    pub fn fetches(&self) -> u64 {
        self.token + self.stable_token + self.forced
    }

    pub fn rejected_with(&self, errcode: i64) -> u64 {
        self.rejected.get(&errcode).copied().unwrap_or(0)
    }

    pub(crate) fn arrived(&mut self, endpoint: Endpoint) {
        let counter = match endpoint {
            Endpoint::Token => &mut self.token,
            Endpoint::StableToken => &mut self.stable_token,
            Endpoint::ForcedToken => &mut self.forced,
            Endpoint::Send => &mut self.sends,
            Endpoint::BizSend => &mut self.bizsends,
            Endpoint::SubscribeSend => &mut self.subscribe_sends,
            Endpoint::OneTimeSend => &mut self.one_time_sends,
            Endpoint::Templates => &mut self.templates,
            Endpoint::SubscriptionTemplates => &mut self.subscription_templates,
            Endpoint::SubscriptionTemplateAdd => &mut self.add_subscription_template,
            Endpoint::SubscriptionTemplateDelete => &mut self.del_subscription_template,
            Endpoint::TemplateAdd => &mut self.add_template,
            Endpoint::TemplateDelete => &mut self.del_template,
            Endpoint::IndustryGet => &mut self.get_industry,
            Endpoint::IndustrySet => &mut self.set_industry,
            Endpoint::UserInfo => &mut self.user_info,
            Endpoint::UserList => &mut self.user_get,
            Endpoint::Quota => &mut self.quota,
            Endpoint::ClearQuota => &mut self.clear_quota,
            Endpoint::ApiDomainIp => &mut self.api_domain_ip,
            Endpoint::Oauth => &mut self.oauth,
            Endpoint::Unknown => &mut self.unknown,
        };
        *counter += 1;
    }

    pub(crate) fn refused(&mut self, errcode: i64) {
        *self.rejected.entry(errcode).or_default() += 1;
    }
}
