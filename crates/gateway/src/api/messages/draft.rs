//! One message as a caller writes it, read field by field: WeChat's own body plus the gateway's optional fields.
//! It must not store anything; every fault of the message is gathered, none is answered alone.

use std::time::Duration;

use hongyan_courier::kind::Kind;
use hongyan_courier::message::{AccountName, Content, Priority};
use hongyan_courier::template::book::Lists;
use hongyan_courier::template::check::{OnViolation, Terms};
use hongyan_courier::template::measure::Counting;
use hongyan_courier::time::UnixMs;
use serde_json::value::RawValue;

use super::data;
use super::faults::{Faults, in_both};
use super::fields::{Field, link, miniprogram, moment, text};
use crate::api::accounts::Seen;
use crate::api::error::Problem;
use crate::auth::error::AuthError;

use fit::Fit;
use written::Written;

mod fit;
mod kinds;
pub(in crate::api) mod written;

const OPENID_CHARS_MAX: usize = 64;
const TEMPLATE_ID_CHARS_MAX: usize = 64;
const CLIENT_MSG_ID_CHARS_MAX: usize = 128;
const REFERENCE_CHARS_MAX: usize = 256;
/// A clock may go after another, and a request takes its time: what is a little late goes at once.
const SEND_BEHIND_MAX: Duration = Duration::from_secs(300);
const SEND_AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the caller, the moment and the configuration add to a message.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// As the caller knows them.
    pub accounts: Seen<'a>,
    pub client: &'a str,
    pub trace_id: &'a str,
    pub now: UnixMs,
    /// What messages are checked against.
    pub lists: &'a dyn Lists,
    /// Whether WeChat was asked by now, as far as it may be, for a template that is in no list.
    pub asked: bool,
    pub counting: Counting,
    /// Whether the caller may send to recipients who are suppressed.
    pub may_override: bool,
}

impl Surroundings<'_> {
    /// The same once WeChat was asked, as far as it may be, for a template that was in no list.
    pub(in crate::api) fn asked(self) -> Self {
        Self {
            asked: true,
            ..self
        }
    }
}

/// A message without faults.
#[derive(Debug)]
pub struct Draft {
    pub(super) content: Content,
    pub(super) expires_at: Option<UnixMs>,
    pub(super) client_msg_id: Option<String>,
    /// What its sender should know although it is taken.
    pub(super) warnings: Vec<String>,
}

/// Why a message is not taken now.
#[derive(Debug)]
pub struct Refusal {
    pub problem: Problem,
    /// Whether only the moment or the configuration speak against it, so that it may have been taken before.
    pub(super) passing: bool,
    /// What it would be, where that can be told.
    pub(super) draft: Option<Box<Draft>>,
    /// Its template is in no list; a fresh one may have it.
    unlisted: bool,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            passing: false,
            draft: None,
            unlisted: false,
        }
    }
}

impl Refusal {
    /// What nothing but the moment or the configuration speaks against.
    pub(in crate::api) fn for_now(&self) -> Option<&Content> {
        let draft = self.draft.as_ref().filter(|_| self.passing)?;
        Some(&draft.content)
    }

    /// What a fresh list of templates may let through: whatever else is wrong with it, no list can mend.
    pub(in crate::api) fn unlisted(&self) -> Option<&Content> {
        let draft = self.draft.as_ref().filter(|_| self.unlisted)?;
        Some(&draft.content)
    }
}

impl Draft {
    /// Reads a whole body.
    pub fn from_body(body: &[u8], around: Surroundings<'_>) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            Problem::malformed(format!("the body is not UTF-8: byte {at} is no part of it"))
        })?;
        Self::from_json(text, around)
    }

    /// Reads one element of a batch, or a whole body.
    pub fn from_json(json: &str, around: Surroundings<'_>) -> Result<Self, Refusal> {
        Self::of(written(json)?, around)
    }

    /// Reads a whole body as WeChat's own call for this kind takes it: other fields are passed over, and whose message it is
    /// does not stand in it.
    pub fn from_foreign(
        body: &[u8],
        kind: Kind,
        account: &AccountName,
        around: Surroundings<'_>,
    ) -> Result<Self, Refusal> {
        let json = std::str::from_utf8(body).map_err(|_| Problem::malformed("not UTF-8"))?;
        let word = |word: &str| serde_json::value::to_raw_value(word).expect("text is JSON");
        let (kind_word, account) = (word(kind.as_str()), word(account.as_str()));
        let mut written = written(json)?;
        written.leave_out_foreign(kind);
        written.kind = Some(&*kind_word);
        written.account = Some(&*account);
        Self::of(written, around)
    }

    fn of(written: Written<'_>, around: Surroundings<'_>) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let draft = written.read(around, &mut faults);
        if let Some(error) = faults.forbidden {
            return Err(Problem::from(error).into());
        }
        match draft {
            Some(draft) if faults.list.is_empty() => Ok(draft),
            draft => Err(Refusal {
                passing: faults.passing == faults.list.len(),
                unlisted: faults.unlisted,
                problem: Problem::invalid_message(faults.list),
                draft: draft.map(Box::new),
            }),
        }
    }
}

fn written(json: &str) -> Result<Written<'_>, Problem> {
    serde_json::from_str(json).map_err(|error| {
        if error.is_data() {
            Problem::malformed("a message must be a JSON object")
        } else {
            Problem::malformed(format!("the body is not JSON: {error}"))
        }
    })
}

impl Draft {
    /// What is to be sent.
    pub fn into_content(self) -> Content {
        self.content
    }

    /// What is to be sent, and until when.
    pub fn into_parts(self) -> (Content, Option<UnixMs>) {
        (self.content, self.expires_at)
    }
}

impl Written<'_> {
    /// None only where there is a fault.
    fn read(mut self, around: Surroundings<'_>, faults: &mut Faults) -> Option<Draft> {
        let account = self.account(around.accounts, faults);
        let required = |value, name, chars_max, faults: &mut Faults| {
            let found = text(value, Field { name, chars_max }, faults);
            if found.is_none() {
                faults.add_once(name, "is missing");
            }
            found
        };
        let touser = required(self.touser, "touser", OPENID_CHARS_MAX, faults);
        let template_id = required(
            self.template_id,
            "template_id",
            TEMPLATE_ID_CHARS_MAX,
            faults,
        );
        faults.forbid_template(around.accounts.lacks_template(template_id.as_deref()));
        let (kind, kind_is_sound) = self.kind(faults);
        let (mut data, is_sound) = self.data((kind, kind_is_sound), faults);
        let optional = |value, name, chars_max, faults: &mut Faults| {
            text(value, Field { name, chars_max }, faults).map(String::from)
        };
        let client_msg_id = optional(
            self.client_msg_id,
            "client_msg_id",
            CLIENT_MSG_ID_CHARS_MAX,
            faults,
        );
        let reference = optional(self.reference, "reference", REFERENCE_CHARS_MAX, faults);
        let url = link(self.url, faults);
        let miniprogram = miniprogram(self.miniprogram, faults);
        let mut extras = self.extras(kind, faults);
        if self.overrides(around, faults) {
            extras.get_or_insert_default().override_suppression = true;
        }
        self.check_fields(kind, faults);
        let priority = self.priority(faults);
        let (send_at, expires_at) = self.times(around.now, faults);
        let mut fit = Fit::new(self.terms(account.as_ref(), kind, around, faults));
        if let Some(target) = &miniprogram {
            fit.judge(&target.violations, faults);
        }
        if is_sound && let (Some(account), Some(template_id)) = (&account, &template_id) {
            let template = (account, &**template_id);
            fit.template(around, template, &mut data, faults);
        }
        for misplaced in self.misplaced.drain(..) {
            faults.add(misplaced.field, misplaced.problem);
        }
        let content = Content {
            account: account?,
            client: around.client.to_owned(),
            kind,
            priority,
            touser: touser?.into_owned(),
            template_id: template_id?.into_owned(),
            url,
            miniprogram: miniprogram.map(|target| target.json),
            data,
            extras,
            reference,
            trace_id: Some(around.trace_id.to_owned()),
            send_at,
            broadcast: None,
        };
        Some(Draft {
            content,
            expires_at,
            client_msg_id,
            warnings: fit.warnings,
        })
    }

    /// The data as it is written anew, and whether it can be held against a template.
    fn data(&self, (kind, kind_is_sound): (Kind, bool), faults: &mut Faults) -> (String, bool) {
        let before = faults.list.len();
        let data = match self.data {
            Some(raw) => data::rewrite(raw, faults),
            None => {
                faults.add("data", "is missing");
                String::new()
            }
        };
        kinds::check_data(kind, &data, faults);
        let is_sound = kind_is_sound && faults.list.len() == before;
        (data, is_sound)
    }

    fn terms(
        &self,
        account: Option<&AccountName>,
        kind: Kind,
        around: Surroundings<'_>,
        faults: &mut Faults,
    ) -> Terms {
        let field = Field {
            name: "on_violation",
            chars_max: 32,
        };
        let wish = text(self.on_violation, field, faults).and_then(|word| {
            let known = OnViolation::from_word(&word);
            if known.is_none() {
                faults.add("on_violation", "must be reject, truncate or send");
            }
            known
        });
        let usual = account.and_then(|account| around.accounts.known(account.as_str()));
        let usual = usual.map_or(OnViolation::Reject, |known| known.on_violation);
        Terms {
            kind,
            on_violation: wish.unwrap_or(usual),
            counting: around.counting,
        }
    }

    fn account(&self, accounts: Seen<'_>, faults: &mut Faults) -> Option<AccountName> {
        let field = Field {
            name: "account",
            chars_max: 64,
        };
        match (text(self.account, field, faults), self.account) {
            (Some(name), _) => {
                if !accounts.reaches(&name) {
                    faults.forbidden = Some(AuthError::OtherAccounts);
                }
                let found = accounts.find(&name).cloned();
                if found.is_none() {
                    let problem = in_both(
                        format!("unknown account; known: {accounts}"),
                        format!("未知账号；已配置：{accounts}"),
                    );
                    faults.add_passing("account", problem);
                }
                // It may have been configured when the message was taken.
                Some(found.unwrap_or_else(|| AccountName::from(&*name)))
            }
            (None, None) => {
                let sole = accounts.sole().cloned();
                if sole.is_none() {
                    let problem = in_both(
                        format!("is missing; known: {accounts}"),
                        format!("未填写；已配置：{accounts}"),
                    );
                    faults.add_passing("account", problem);
                }
                sole
            }
            (None, Some(_)) => None,
        }
    }

    /// Whether it is to go out whatever is recorded against its recipient: for those to say who may change that record.
    fn overrides(&self, around: Surroundings<'_>, faults: &mut Faults) -> bool {
        let problem = match self.override_suppression.map(RawValue::get) {
            None | Some("false") => return false,
            Some("true") if around.may_override => return true,
            Some("true") => "is for clients with the scope recipients, and no broadcast's",
            Some(_) => "must be true or false",
        };
        faults.add("override_suppression", problem);
        false
    }

    fn priority(&self, faults: &mut Faults) -> Priority {
        let field = Field {
            name: "priority",
            chars_max: 32,
        };
        let Some(word) = text(self.priority, field, faults) else {
            return Priority::Normal;
        };
        Priority::from_word(&word).unwrap_or_else(|| {
            faults.add("priority", "must be high, normal or bulk");
            Priority::Normal
        })
    }

    fn times(&self, now: UnixMs, faults: &mut Faults) -> (Option<UnixMs>, Option<UnixMs>) {
        let send_at = moment(self.send_at, "send_at", faults);
        let expires_at = moment(self.expires_at, "expires_at", faults);
        if send_at.is_some_and(|at| at > now.plus(SEND_AHEAD_MAX)) {
            let problem = in_both("is more than a year ahead", "比现在晚一年以上");
            faults.add_passing("send_at", problem);
        }
        if send_at.is_some_and(|at| at < now.minus(SEND_BEHIND_MAX)) {
            let problem = in_both(
                "has passed by more than 5 minutes; leave it out to send at once",
                "已过去超过 5 分钟；如需立即发送请不要填写",
            );
            faults.add_passing("send_at", problem);
        }
        if let Some(end) = expires_at {
            if end <= now {
                faults.add_passing("expires_at", in_both("has passed", "已经过去"));
            } else if send_at.is_some_and(|at| end <= at) {
                let problem = in_both("is not after send_at", "必须晚于 send_at");
                faults.add_in_both("expires_at", problem);
            }
        }
        (send_at, expires_at)
    }
}

#[cfg(test)]
mod tests;
