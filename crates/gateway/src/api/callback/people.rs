//! What WeChat pushes about people: who follows, who no longer does, who agreed to messages and who does not want them.
//! It must not decide what follows from it.

#[cfg(test)]
mod tests;

use hongyan_courier::recipient::{News, What};
use hongyan_wechat::callback::event::{Event, Header, Subscription};

/// More choices than WeChat's dialogue offers.
const CHOICES_MAX: usize = 64;

/// Whom an event is about and what it tells; nothing if it tells nothing of a recipient.
pub(super) fn news(event: &Event) -> Option<(String, Vec<News>)> {
    let (header, told): (&Header, Vec<What>) = match event {
        Event::Subscribe(header) => (header, vec![What::Follows]),
        Event::Unsubscribe(header) => (header, vec![What::FollowsNot]),
        Event::SubscribeMsgPopup(said) | Event::SubscribeMsgChange(said) => {
            let choices = said.list.iter().take(CHOICES_MAX);
            (&said.header, choices.filter_map(choice).collect())
        }
        _ => return None,
    };
    let at = header.create_time;
    let news = told.into_iter().map(|what| News::of_event(what, at));
    Some((header.openid.clone(), news.collect()))
}

fn choice(one: &Subscription) -> Option<What> {
    match one.status.as_str() {
        "accept" => Some(What::Accepts(one.template_id.clone())),
        "reject" => Some(What::Refuses(one.template_id.clone())),
        _ => None,
    }
}
