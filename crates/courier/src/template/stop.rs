//! Stopped templates: why one is not to be used, and what ends that.
//! Pure. It must not know where stops are kept; a store heeds them when it leases messages.

use hongyan_wechat::errcode::{Class, TemplateFault};
use serde::{Deserialize, Serialize};

use super::Template;
use super::drift::{Change, compare};
use crate::account::{Flag, FlagSubject};
use crate::message::{Content, Reason, words};
use crate::time::UnixMs;

words! {
    /// Why a template is stopped.
    StopCause {
        /// It asks for other values than those that waiting messages were written with.
        Edited = "edited",
        /// The account's list no longer has it.
        Gone = "gone",
        /// WeChat said twice that it does not know it (40037).
        Unknown = "unknown",
        /// WeChat says that it cannot be used (40036, 48011 …).
        Unusable = "unusable",
        /// WeChat restricts it (43107, 43116).
        Restricted = "restricted",
        /// WeChat blocked what it says (40249, 45168).
        ContentBlocked = "content_blocked",
    }
}

/// A template of which nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub template_id: String,
    /// Why.
    pub cause: StopCause,
    /// The errcode that said so; none if its list did.
    pub errcode: Option<i64>,
    /// Since when.
    pub since: UnixMs,
    /// For what text the waiting messages were written, where it is another by now.
    pub text: Option<String>,
}

impl StopCause {
    /// Of two causes the graver one stands: what a list can mend must not hide what it cannot.
    fn gravity(self) -> u8 {
        match self {
            Self::Gone | Self::Unknown | Self::Unusable => 0,
            Self::Edited => 1,
            Self::Restricted | Self::ContentBlocked => 2,
        }
    }

    /// Whether a list that has the template as it was ends it.
    fn is_mended_by_a_list(self) -> bool {
        !matches!(self, Self::Restricted | Self::ContentBlocked)
    }

    /// As a flag tells it.
    fn reason(self) -> Reason {
        match self {
            Self::Edited => Reason::TemplateEdited,
            Self::Gone => Reason::TemplateGone,
            Self::Unknown | Self::Unusable | Self::Restricted => Reason::InvalidTemplate,
            Self::ContentBlocked => Reason::ContentBlocked,
        }
    }

    /// What an operator should do, in English and in Chinese.
    #[must_use]
    pub fn advice(self) -> (&'static str, &'static str) {
        match self {
            Self::Edited => (
                "compare its text with what your programs send; resume it to send what waits, or cancel those messages",
                "核对模板内容与程序发送的字段；恢复后将发送等待中的消息，或先取消它们",
            ),
            Self::Gone => (
                "add it again or use another template; it goes on by itself if it comes back as it was",
                "重新添加或改用其他模板；若原样恢复，将自动继续发送",
            ),
            Self::Unknown | Self::Unusable => (
                "check the id in WeChat's console; it goes on by itself once a list has it again, or resume it",
                "在微信后台核对模板 ID；再次同步到该模板后将自动继续发送，也可手动恢复",
            ),
            Self::Restricted => (
                "see WeChat's console for the restriction; resume it when that is lifted",
                "在微信后台查看限制原因；解除后手动恢复",
            ),
            Self::ContentBlocked => (
                "read what was sent and WeChat's rules for content; resume it when the text is mended",
                "检查所发内容是否符合微信规范；修改后手动恢复",
            ),
        }
    }
}

impl Stop {
    /// What a refusal of a send says about its template; nothing if it is about something else, or if no list could ever
    /// say that the template is there after all: WeChat now and then denies one that is.
    #[must_use]
    pub fn by_answer(content: &Content, class: Class, errcode: i64, now: UnixMs) -> Option<Self> {
        let cause = match class {
            Class::Template(TemplateFault::Unknown) => StopCause::Unknown,
            Class::Template(TemplateFault::Unusable) => StopCause::Unusable,
            Class::Template(TemplateFault::Restricted) => StopCause::Restricted,
            Class::Content => StopCause::ContentBlocked,
            _ => return None,
        };
        if cause.is_mended_by_a_list() && content.kind.traits().list.is_none() {
            return None;
        }
        Some(Self {
            template_id: content.template_id.clone(),
            cause,
            errcode: Some(errcode),
            since: now,
            text: None,
        })
    }

    /// What a change of the list says about a template; nothing if messages may go on.
    #[must_use]
    pub fn by_change(before: &Template, change: &Change, now: UnixMs) -> Option<Self> {
        let cause = match change {
            Change::Edited { .. } => StopCause::Edited,
            Change::Gone => StopCause::Gone,
            Change::Added | Change::Reworded => return None,
        };
        Some(Self {
            template_id: before.id.clone(),
            cause,
            errcode: None,
            since: now,
            text: Some(before.text().to_owned()),
        })
    }

    /// Whether it is to be kept rather than `known`, which is there already.
    #[must_use]
    pub fn outweighs(&self, known: &Self) -> bool {
        self.cause.gravity() > known.cause.gravity()
    }

    /// Whether a fresh list ends it: the template is there, and asks for what waiting messages were written with.
    #[must_use]
    pub fn is_ended_by(&self, listed: Option<&Template>) -> bool {
        let Some(listed) = listed else { return false };
        let as_it_was = |text: &str| {
            let before = Template {
                choices: listed.choices.clone(),
                ..Template::new(&self.template_id, &listed.title, text)
            };
            let drift = compare(&[before], std::slice::from_ref(listed));
            !drift.iter().any(|drift| drift.change.stops_messages())
        };
        self.cause.is_mended_by_a_list() && self.text.as_deref().is_none_or(as_it_was)
    }

    /// What a human should heed.
    #[must_use]
    pub fn flag(&self) -> Flag {
        Flag {
            subject: FlagSubject::Template,
            key: self.template_id.clone(),
            reason: self.cause.reason(),
            errcode: self.errcode,
            at: self.since,
        }
    }
}

#[cfg(test)]
mod tests {
    use hongyan_wechat::errcode::{KNOWN, classify};

    use super::*;
    use crate::message::Kind;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn by_code(kind: Kind, errcode: i64) -> Option<Stop> {
        let class = classify(kind.traits().endpoint, errcode);
        let content = Content {
            kind,
            template_id: "t1".into(),
            ..crate::conformance::fixture::content("o1")
        };
        Stop::by_answer(&content, class, errcode, NOW)
    }

    #[test]
    fn codes_about_the_template_stop_it_and_no_others_do() {
        use StopCause::{ContentBlocked, Restricted, Unknown, Unusable};
        for kind in Kind::ALL {
            let stopping = KNOWN
                .iter()
                .filter_map(|code| Some((*code, by_code(*kind, *code)?.cause)));
            let expected = [
                (40036, Unusable),
                (40037, Unknown),
                (40081, Unusable),
                (40176, Unusable),
                (40249, ContentBlocked),
                (43107, Restricted),
                (43116, Restricted),
                (45168, ContentBlocked),
                (48011, Unusable),
            ];
            // Of the templates of the authorise page there is no list, and who could say that it was a whim?
            let stands = |(_, cause): &(i64, StopCause)| {
                *kind != Kind::OneTime || !matches!(cause, Unknown | Unusable)
            };
            let expected: Vec<_> = expected.into_iter().filter(stands).collect();
            assert_eq!(stopping.collect::<Vec<_>>(), expected, "{kind}");
        }
    }

    #[test]
    fn a_list_ends_what_it_can_mend() {
        let was = Template::new("t1", "", "{{thing1.DATA}}");
        let edited = Template::new("t1", "", "{{thing1.DATA}}{{date2.DATA}}");
        let reworded = Template::new("t1", "x", "商品：{{thing1.DATA}}");
        let list = std::slice::from_ref;
        let change = compare(list(&was), list(&edited)).remove(0).change;
        let stop = Stop::by_change(&was, &change, NOW).unwrap();
        assert_eq!(stop.cause, StopCause::Edited);
        assert!(!stop.is_ended_by(Some(&edited)) && !stop.is_ended_by(None));
        assert!(stop.is_ended_by(Some(&was)) && stop.is_ended_by(Some(&reworded)));

        let gone = Stop::by_change(&was, &Change::Gone, NOW).unwrap();
        assert!(!gone.is_ended_by(None) && gone.is_ended_by(Some(&was)));
        assert!(!gone.is_ended_by(Some(&edited)), "it came back as another");
        for (errcode, ends) in [(40037, true), (48011, true), (43116, false), (40249, false)] {
            let stop = by_code(Kind::Subscription, errcode).unwrap();
            assert_eq!(stop.is_ended_by(Some(&was)), ends, "{errcode}");
        }
    }

    #[test]
    fn what_a_list_can_mend_hides_nothing_graver() {
        let stop = |cause| Stop {
            template_id: "t1".into(),
            cause,
            errcode: None,
            since: NOW,
            text: None,
        };
        assert!(stop(StopCause::Restricted).outweighs(&stop(StopCause::Gone)));
        assert!(stop(StopCause::Edited).outweighs(&stop(StopCause::Gone)));
        assert!(!stop(StopCause::Gone).outweighs(&stop(StopCause::Restricted)));
        assert!(
            !stop(StopCause::Edited).outweighs(&stop(StopCause::Edited)),
            "the first stands"
        );
    }
}
