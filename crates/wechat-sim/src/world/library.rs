//! An account's own templates: taken from WeChat's library, and deleted.
//! The library itself is not here: any well-formed number is in it. Where WeChat's own would refuse a number for its
//! industry or its keywords (45027, 40247), a fault has to say so.

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
                let account = &mut world.accounts[number];
                let own = account.templates.values();
                let own = own.filter(|template| !template.subscription);
                if own.count() >= TEMPLATES_MAX {
                    return Err(Denied::code(45026));
                }
                let letters =
                    (0..TEMPLATE_ID_LEN).map(|_| char::from(world.random.sample(Alphanumeric)));
                let template_id: String = letters.collect();
                let template = Template::from(&TemplateConfig {
                    template_id: template_id.clone(),
                    title: number_in_library.to_owned(),
                    content,
                    subscription: false,
                    long_term: false,
                });
                account.templates.insert(template_id.clone(), template);
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
                let account = &mut world.accounts[number];
                let own = account.templates.get(template_id);
                if own.is_none_or(|template| template.subscription) {
                    return Err(Denied::code(40037));
                }
                account.templates.remove(template_id);
                account.deleted.insert(template_id.to_owned());
                Ok(json!({"errcode": 0, "errmsg": "ok"}))
            },
        )
    }

    pub(super) fn must_have_templates(&self, number: usize) -> Result<(), Denied> {
        match self.accounts[number].kind {
            AccountKind::Subscription => Err(Denied::code(48001)),
            AccountKind::Test | AccountKind::Verified => Ok(()),
        }
    }
}

/// The text of a template as the library would give it. Of the category library every keyword is a `thing`.
fn content(number_in_library: &str, keywords: &[String]) -> Result<String, Denied> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(number_in_library) {
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
    if !old.is_some_and(digits) {
        return Err(Denied::code(40037));
    }
    let line = |place: usize| format!("关键词{place}:{{{{keyword{place}.DATA}}}}\n");
    let lines: String = (1..=OLD_KEYWORDS).map(line).collect();
    Ok(format!("{{{{first.DATA}}}}\n{lines}{{{{remark.DATA}}}}"))
}
