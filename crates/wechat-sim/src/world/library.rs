//! An account's own templates: taken from WeChat's library, and deleted.
//! The library itself is not here: any well-formed number is in it. Where WeChat's own would refuse a number for its
//! industry or its keywords (45027, 40247, 200013), a fault has to say so.

use std::ops::RangeInclusive;

use rand::RngExt;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

use super::World;
use super::account::{AccountKind, Template};
use super::refusal::{Denied, Refusal};
use crate::config::TemplateConfig;
use crate::fault::Endpoint;

/// Templates in use at a time.
const TEMPLATES_MAX: usize = 25;
const TEMPLATE_ID_LEN: usize = 43;
/// What the numbers of the old library begin with.
const OLD_PREFIXES: [&str; 2] = ["OPENTM", "TM"];
/// How many keywords a template of the old library has here.
const OLD_KEYWORDS: usize = 2;
/// How many keywords a subscription template has.
const KEYWORDS: RangeInclusive<usize> = 2..=5;
/// The longest word for what a subscription template is for, in characters.
const SCENE_CHARS: usize = 15;

impl World {
    /// `template/api_add_template`.
    pub fn template_add(
        &mut self,
        now_ms: i64,
        access_token: &str,
        number_in_library: &str,
        keywords: &[String],
    ) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::TemplateAdd,
            |world, number| {
                world.must_have_templates(number)?;
                let content = content(number_in_library, keywords)?;
                if world.is_full(number, false) {
                    return Err(Denied::code(45026));
                }
                let template_id = world.take_in(number, number_in_library, content, false);
                Ok(json!({"errcode": 0, "errmsg": "ok", "template_id": template_id}))
            },
        )
    }

    /// `template/del_private_template`. What was deleted is unknown from then on, in a world that is not strict too.
    pub fn template_delete(
        &mut self,
        now_ms: i64,
        access_token: &str,
        template_id: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::TemplateDelete,
            |world, number| {
                world.must_have_templates(number)?;
                world.drop_template(number, template_id, false)
            },
        )
    }

    /// `newtmpl/addtemplate`: a title of the library, the numbers of its keywords, and what it is for.
    pub fn subscription_template_add(
        &mut self,
        now_ms: i64,
        access_token: &str,
        tid: &str,
        (keywords, scene): (&[u32], &str),
    ) -> Result<Value, Refusal> {
        let endpoint = Endpoint::SubscriptionTemplateAdd;
        self.with_token(now_ms, access_token, endpoint, |world, number| {
            world.must_have_subscriptions(number)?;
            let content = notice(tid, keywords, scene)?;
            if world.is_full(number, true) {
                return Err(Denied::code(200_012));
            }
            let template_id = world.take_in(number, tid, content, true);
            Ok(json!({"errcode": 0, "errmsg": "ok", "priTmplId": template_id}))
        })
    }

    /// `newtmpl/deltemplate`. What WeChat says where there is no such template is not documented: 40037 here.
    pub fn subscription_template_delete(
        &mut self,
        now_ms: i64,
        access_token: &str,
        template_id: &str,
    ) -> Result<Value, Refusal> {
        let endpoint = Endpoint::SubscriptionTemplateDelete;
        self.with_token(now_ms, access_token, endpoint, |world, number| {
            world.must_have_subscriptions(number)?;
            world.drop_template(number, template_id, true)
        })
    }

    fn is_full(&self, number: usize, subscription: bool) -> bool {
        let own = self.accounts[number].templates.values();
        let own = own.filter(|template| template.subscription == subscription);
        own.count() >= TEMPLATES_MAX
    }

    /// Makes a template of the library one of the account's. Answers its id.
    fn take_in(
        &mut self,
        number: usize,
        title: &str,
        content: String,
        subscription: bool,
    ) -> String {
        let letters = (0..TEMPLATE_ID_LEN).map(|_| char::from(self.random.sample(Alphanumeric)));
        let template_id: String = letters.collect();
        let template = Template::from(&TemplateConfig {
            template_id: template_id.clone(),
            title: title.to_owned(),
            content,
            subscription,
            long_term: false,
        });
        let own = &mut self.accounts[number].templates;
        own.insert(template_id.clone(), template);
        template_id
    }

    fn drop_template(
        &mut self,
        number: usize,
        template_id: &str,
        subscription: bool,
    ) -> Result<Value, Denied> {
        let account = &mut self.accounts[number];
        let own = account.templates.get(template_id);
        if own.is_none_or(|template| template.subscription != subscription) {
            return Err(Denied::code(40037));
        }
        account.templates.remove(template_id);
        account.deleted.insert(template_id.to_owned());
        Ok(json!({"errcode": 0, "errmsg": "ok"}))
    }

    pub(super) fn must_have_subscriptions(&self, number: usize) -> Result<(), Denied> {
        match self.accounts[number].kind {
            AccountKind::Verified => Ok(()),
            AccountKind::Test | AccountKind::Subscription => Err(Denied::code(200_100)),
        }
    }

    pub(super) fn must_have_templates(&self, number: usize) -> Result<(), Denied> {
        match self.accounts[number].kind {
            AccountKind::Subscription => Err(Denied::code(48001)),
            AccountKind::Test | AccountKind::Verified => Ok(()),
        }
    }
}

/// The text of a subscription template as the library would give it: every keyword is a `thing`.
fn notice(tid: &str, keywords: &[u32], scene: &str) -> Result<String, Denied> {
    if !is_number(tid) {
        return Err(Denied::code(200_014));
    }
    let twice = |nth: usize| keywords[..nth].contains(&keywords[nth]);
    if !KEYWORDS.contains(&keywords.len()) || (0..keywords.len()).any(twice) {
        return Err(Denied::code(200_020));
    }
    if scene.chars().count() > SCENE_CHARS {
        return Err(Denied::code(200_021));
    }
    let line = |kid: &u32| format!("关键词{kid}:{{{{thing{kid}.DATA}}}}");
    let lines: Vec<_> = keywords.iter().map(line).collect();
    Ok(lines.join("\n"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text of a template as the library would give it. Of the category library every keyword is a `thing`.
fn content(number_in_library: &str, keywords: &[String]) -> Result<String, Denied> {
    if is_number(number_in_library) {
        let named = !keywords.is_empty() && keywords.iter().all(|word| !word.trim().is_empty());
        if !named {
            return Err(Denied::code(40246));
        }
        let line =
            |(place, word): (usize, &String)| format!("{word}:{{{{thing{}.DATA}}}}", place + 1);
        let lines: Vec<_> = keywords.iter().enumerate().map(line).collect();
        return Ok(lines.join("\n"));
    }
    let old = OLD_PREFIXES
        .iter()
        .find_map(|prefix| number_in_library.strip_prefix(prefix));
    if !old.is_some_and(is_number) {
        return Err(Denied::code(40037));
    }
    let line = |place: usize| format!("关键词{place}:{{{{keyword{place}.DATA}}}}\n");
    let lines: String = (1..=OLD_KEYWORDS).map(line).collect();
    Ok(format!("{{{{first.DATA}}}}\n{lines}{{{{remark.DATA}}}}"))
}
