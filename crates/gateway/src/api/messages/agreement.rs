//! What a sender is told of a message whose user agreed to each message of its template: that what was agreed to is used up.
//! It holds nothing back, because the count is what was heard of: the user may have agreed where nobody told of it.

use futures::future::join_all;
use hongyan_courier::message::{Content, Status};
use hongyan_courier::port::Stored;
use hongyan_courier::template::Lasts;
use hongyan_courier::template::book::{Lists, Lookup};
use hongyan_courier::template::violation::{About, Warning};

use super::send::Intake;

/// So many recipients of a batch are looked at together.
const AT_ONCE: usize = 16;

/// What a sender is told of a message that is taken.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) warnings: Vec<String>,
    /// Its user is not known to have agreed to it.
    pub(super) used_up: Option<String>,
}

impl Told {
    /// What is told of the message as it was stored. One that was stored before has used up what it needed itself, and one
    /// that ended at once says why.
    pub(super) fn of(mut self, stored: &Stored) -> Vec<String> {
        let goes = !stored.replayed && stored.status != Status::Suppressed;
        self.warnings.extend(self.used_up.filter(|_| goes));
        self.warnings
    }
}

impl Intake {
    /// A warning where all that a message's user was heard to agree to was sent. Where nothing was heard there is none.
    pub(super) async fn used_up(&self, content: &Content) -> Option<String> {
        let one_by_one = content.kind.traits().needs_agreement && !self.is_long_term(content);
        if !one_by_one {
            return None;
        }
        let (account, openid) = (&content.account, &content.touser);
        // A store that does not answer will say so when it is to take the message.
        let known = self.recipients.recipient(account, openid).await.ok()?;
        let used_up = known.has_used_up(&content.template_id);
        used_up.then(|| {
            let about = About::NoneAgreed;
            let field = "touser".to_owned();
            Warning { field, about }.told()
        })
    }

    /// The same of each of these.
    pub(super) async fn all_used_up(&self, contents: &[&Content]) -> Vec<Option<String>> {
        let mut warnings = Vec::with_capacity(contents.len());
        for some in contents.chunks(AT_ONCE) {
            let looking = some.iter().map(|content| self.used_up(content));
            warnings.extend(join_all(looking).await);
        }
        warnings
    }

    fn is_long_term(&self, content: &Content) -> bool {
        let lists = self.templates.known(&content.account);
        let found = lists.look_up(content.kind, &content.template_id);
        matches!(found, Lookup::Known(template) if template.lasts == Some(Lasts::LongTerm))
    }
}
