//! The kinds of messages. What differs between them stands in one table, [`Traits`]: everything downstream asks the
//! table, never the kind's name.

use hongyan_wechat::errcode::Endpoint;
use serde::{Deserialize, Serialize};

use crate::message::words;

words! {
    /// What sort of message it is.
    Kind {
        /// A template message of a service account.
        Template = "template",
        /// A subscription message of a service account (`bizsend`).
        Subscription = "subscription",
        /// A one-time subscription message: one for each time the user agreed on the authorise page.
        OneTime = "one_time_subscription",
        /// A subscription message of a mini-program; its account is the mini-program.
        MiniProgram = "miniprogram_subscription",
    }
}

/// One for each kind, in the order of [`Kind::ALL`].
pub type ByKind<T> = [T; Kind::ALL.len()];

/// By what WeChat's later word finds its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptBy {
    /// `TEMPLATESENDJOBFINISH` names the msgid that the call answered.
    Msgid,
    /// `subscribe_msg_sent_event` names openid and template; the msgid in it is one that few calls answer.
    Match,
    /// WeChat says nothing more: `sent` is the end.
    Nothing,
}

/// Whose rules for values by their key's type apply (two pages of WeChat's differ a little).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRules {
    /// The template message page's.
    Template,
    /// The subscription message page's.
    Subscription,
    /// One key, `content`, of at most [`ONE_TIME_CONTENT_CHARS`].
    Content,
}

words! {
    /// A list of templates that WeChat keeps of an account.
    ListOf {
        /// Of template messages (`get_all_private_template`).
        Templates = "template",
        /// Of subscription messages (`newtmpl/gettemplate`), also a mini-program's.
        Subscriptions = "subscription",
    }
}

/// The longest text of a one-time subscription message, in characters.
pub const ONE_TIME_CONTENT_CHARS: usize = 200;

words! {
    /// A field that some kinds have and others have not.
    KindField {
        /// The landing page.
        Url = "url",
        /// The mini-program that a tap opens.
        Miniprogram = "miniprogram",
        /// Where a tap leads: an address, or a page of the mini-program that sends.
        Page = "page",
        /// In which language the card is shown.
        Lang = "lang",
        /// Which version of the mini-program a tap opens.
        MiniprogramState = "miniprogram_state",
        /// The scene of the authorise page.
        Scene = "scene",
        /// The card's title.
        Title = "title",
    }
}

/// What a kind is like.
#[derive(Debug)]
pub struct Traits {
    /// The call that sends it, in whose light an errcode is read.
    pub endpoint: Endpoint,
    /// Whether WeChat drops a repeat of the same call within ten minutes (`client_msg_id`).
    pub repeatable: bool,
    /// By what WeChat's later word finds it.
    pub receipt: ReceiptBy,
    /// Which rules its values keep.
    pub values: ValueRules,
    /// Which list its template is in, if any.
    pub list: Option<ListOf>,
    /// Whether each message uses up an agreement of its user. Template messages go to every follower.
    pub needs_agreement: bool,
    /// The fields it has besides those that all have.
    pub fields: &'static [KindField],
    /// Those of them that it cannot do without.
    pub required: &'static [KindField],
}

const TEMPLATE: Traits = Traits {
    endpoint: Endpoint::TemplateSend,
    repeatable: true,
    receipt: ReceiptBy::Msgid,
    values: ValueRules::Template,
    list: Some(ListOf::Templates),
    needs_agreement: false,
    fields: &[KindField::Url, KindField::Miniprogram],
    required: &[],
};

const SUBSCRIPTION: Traits = Traits {
    endpoint: Endpoint::SubscriptionSend,
    repeatable: false,
    receipt: ReceiptBy::Match,
    values: ValueRules::Subscription,
    list: Some(ListOf::Subscriptions),
    needs_agreement: true,
    fields: &[
        KindField::Page,
        KindField::Miniprogram,
        KindField::MiniprogramState,
        KindField::Lang,
    ],
    required: &[],
};

const ONE_TIME: Traits = Traits {
    endpoint: Endpoint::OneTimeSend,
    repeatable: false,
    receipt: ReceiptBy::Nothing,
    values: ValueRules::Content,
    list: None,
    needs_agreement: true,
    fields: &[
        KindField::Url,
        KindField::Miniprogram,
        KindField::Scene,
        KindField::Title,
    ],
    required: &[KindField::Scene, KindField::Title],
};

const MINI_PROGRAM: Traits = Traits {
    endpoint: Endpoint::MiniProgramSend,
    repeatable: false,
    receipt: ReceiptBy::Match,
    values: ValueRules::Subscription,
    list: Some(ListOf::Subscriptions),
    needs_agreement: true,
    fields: &[
        KindField::Page,
        KindField::MiniprogramState,
        KindField::Lang,
    ],
    required: &[],
};

impl Kind {
    /// What it is like.
    #[must_use]
    pub const fn traits(self) -> &'static Traits {
        match self {
            Self::Template => &TEMPLATE,
            Self::Subscription => &SUBSCRIPTION,
            Self::OneTime => &ONE_TIME,
            Self::MiniProgram => &MINI_PROGRAM,
        }
    }

    /// Whether WeChat drops a repeat of the same call within ten minutes.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        self.traits().repeatable
    }
}

/// What only some messages have. But for the last, their kind asks for it and WeChat takes it as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Where a tap leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// `zh_CN`, `en_US`, `zh_HK` or `zh_TW`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// `developer`, `trial` or `formal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miniprogram_state: Option<String>,
    /// 0 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<u16>,
    /// At most 15 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It goes out whatever is recorded against its recipient: its sender wants it so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub override_suppression: bool,
}

hongyan_wechat::debug_without!(
    Extras: lang, miniprogram_state, scene, override_suppression; page, title
);

impl Extras {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kind_cannot_do_without_is_one_of_its_fields() {
        for kind in Kind::ALL {
            let traits = kind.traits();
            assert!(
                traits
                    .required
                    .iter()
                    .all(|field| traits.fields.contains(field))
            );
        }
    }

    #[test]
    fn only_what_wechat_knows_again_is_repeated() {
        let repeated: Vec<Kind> = Kind::ALL
            .iter()
            .copied()
            .filter(|kind| kind.repeatable())
            .collect();
        assert_eq!(repeated, [Kind::Template]);
    }
}
