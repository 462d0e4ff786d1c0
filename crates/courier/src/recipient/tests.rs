//! What follows from each piece of news, and in which order news may come.

use std::time::Duration;

use hongyan_wechat::errcode::{Endpoint, KNOWN, classify};

use super::*;
use crate::conformance::fixture::{NOW, at, content};
use crate::recipient::news::What;

const TEMPLATE: &str = "appointment";

fn news(what: What, source: Source, at: UnixMs) -> News {
    News {
        what,
        source,
        at,
        errcode: None,
    }
}

fn event(what: What, at: UnixMs) -> News {
    News::of_event(what, at.0 / 1_000)
}

fn after(all: impl IntoIterator<Item = (News, UnixMs)>) -> Recipient {
    let mut known = Recipient::default();
    for (news, now) in all {
        known.hear(&news, now);
    }
    known
}

fn held(known: &Recipient, now: UnixMs) -> Option<Hold> {
    hold(&known.suppressions, TEMPLATE, now)
}

const DAY: u64 = 86_400;

/// What is heard, how the user stands then, what holds a message back, and for how many days; none for good.
type Row = (What, Source, Following, Option<Reason>, Option<u64>);

#[test]
fn every_piece_of_news_has_its_consequence() {
    use Following::{Blacklisted, Dead, Subscribed, Unknown, Unsubscribed};
    use Source::{Errcode, Event, Operator, Receipt, UserInfo};
    let template = || TEMPLATE.to_owned();
    let by_hand = What::Suppress {
        template_id: None,
        expires_at: None,
        note: None,
    };
    #[rustfmt::skip]
    let rows: [Row; 13] = [
        (What::Follows, Event, Subscribed, None, None),
        (What::Follows, UserInfo, Subscribed, None, None),
        (What::FollowsNot, Event, Unsubscribed, Some(Reason::NotSubscribed), None),
        (What::FollowsNot, UserInfo, Unsubscribed, Some(Reason::NotSubscribed), None),
        (What::MayNotFollow, Errcode, Unknown, None, None),
        (What::Blacklisted, Errcode, Blacklisted, Some(Reason::UserBlocked), None),
        (What::Dead, Errcode, Dead, Some(Reason::UserUnavailable), Some(30)),
        (What::NotOurs, Errcode, Unknown, Some(Reason::InvalidOpenid), Some(7)),
        (What::Blocked, Receipt, Unknown, Some(Reason::UserBlocked), Some(30)),
        (What::Refuses(template()), Errcode, Unknown, Some(Reason::UserRefused), Some(30)),
        (What::Refuses(template()), Event, Unknown, Some(Reason::UserRefused), None),
        (What::Accepts(template()), Event, Unknown, None, None),
        (by_hand, Operator, Unknown, Some(Reason::SuppressedByOperator), None),
    ];
    for (what, source, state, reason, days) in rows {
        let told = news(what, source, NOW);
        let mut known = Recipient::default();
        let raised = known.hear(&told, NOW);
        assert_eq!((known.state, raised), (state, reason), "{told:?}");
        assert_eq!(held(&known, NOW), reason.map(Hold::End), "{told:?}");
        if let Some(days) = days {
            let last = at(days * DAY - 1);
            assert!(held(&known, last).is_some(), "{told:?}");
        }
        let far = at(days.unwrap_or(10_000) * DAY);
        let holds = reason.is_some() && days.is_none();
        assert_eq!(held(&known, far).is_some(), holds, "{told:?}");
    }
}

#[test]
fn an_answer_speaks_of_its_recipient_as_its_class_says() {
    let told = |code| {
        let class = classify(Endpoint::TemplateSend, code);
        News::of_answer(class, code, &content("o1"), NOW).map(|news| news.what)
    };
    let refuses = Some(What::Refuses(TEMPLATE.into()));
    for code in KNOWN.iter().copied() {
        let expected = match code {
            40003 | 49003 => Some(What::NotOurs),
            43004 | 50005 => Some(What::MayNotFollow),
            43101 | 48002 => refuses.clone(),
            43019 => Some(What::Blacklisted),
            50002 => Some(What::Dead),
            43117 => Some(What::Limited(Duration::from_secs(120))),
            _ => None,
        };
        assert_eq!(told(code), expected, "{code}");
    }
}

#[test]
fn a_pause_ends_no_message_and_an_end_outweighs_it() {
    let pause = What::Limited(Duration::from_secs(60));
    let mut known = after([(news(pause, Source::Receipt, NOW), NOW)]);
    assert_eq!(held(&known, NOW), Some(Hold::Until(at(60))));
    assert_eq!(held(&known, at(60)), None);
    known.hear(&event(What::FollowsNot, NOW), NOW);
    assert_eq!(held(&known, NOW), Some(Hold::End(Reason::NotSubscribed)));
}

#[test]
fn what_is_said_again_holds_for_the_longest_that_was_said() {
    let pause = |seconds| What::Limited(Duration::from_secs(seconds));
    let known = after([
        (news(pause(600), Source::Receipt, NOW), NOW),
        (news(pause(60), Source::Errcode, at(1)), at(1)),
    ]);
    assert_eq!(known.suppressions.len(), 1);
    assert_eq!(held(&known, at(1)), Some(Hold::Until(at(600))));
}

#[test]
fn a_new_follower_is_written_to_again_but_for_what_a_person_said() {
    let by_hand = What::Suppress {
        template_id: None,
        expires_at: Some(at(90)),
        note: None,
    };
    let known = after([
        (event(What::FollowsNot, NOW), NOW),
        (news(What::Blocked, Source::Receipt, NOW), NOW),
        (
            news(What::Refuses(TEMPLATE.into()), Source::Errcode, NOW),
            NOW,
        ),
        (news(by_hand, Source::Operator, NOW), NOW),
        (event(What::Follows, at(5)), at(5)),
    ]);
    let left: Vec<Reason> = known.suppressions.iter().map(|one| one.reason).collect();
    assert_eq!(left, [Reason::SuppressedByOperator]);
    assert_eq!(
        (known.state, known.since),
        (Following::Subscribed, Some(at(5)))
    );
}

#[test]
fn whoever_is_found_to_follow_is_spared_nothing_else() {
    let known = after([
        (event(What::FollowsNot, NOW), NOW),
        (news(What::Blocked, Source::Receipt, NOW), NOW),
        (news(What::Follows, Source::UserInfo, at(5)), at(5)),
    ]);
    assert_eq!(held(&known, at(5)), Some(Hold::End(Reason::UserBlocked)));
}

#[test]
fn what_speaks_of_an_earlier_time_changes_nothing() {
    let follows_again = [
        (event(What::FollowsNot, NOW), NOW),
        (event(What::Follows, at(100)), at(100)),
    ];
    let late = [
        event(What::FollowsNot, at(99)),
        news(What::Blacklisted, Source::Errcode, at(99)),
        news(What::NotOurs, Source::Errcode, at(99)),
        news(What::MayNotFollow, Source::Errcode, at(99)),
        news(What::FollowsNot, Source::UserInfo, at(99)),
        news(What::Blocked, Source::Receipt, at(30)),
    ];
    let before = after(follows_again.clone());
    for late in late {
        let mut known = before.clone();
        assert_eq!(known.hear(&late, at(101)), None, "{late:?}");
        assert_eq!(known, before, "{late:?}");
    }
    let mut gone = after([(event(What::FollowsNot, at(100)), at(100))]);
    let before = gone.clone();
    gone.hear(&news(What::Follows, Source::UserInfo, at(99)), at(101));
    gone.hear(&event(What::Follows, at(99)), at(101));
    assert_eq!(gone, before);
}

#[test]
fn a_repeated_event_does_not_undo_what_a_person_did() {
    let resume = What::Resume {
        template_id: None,
        override_until: None,
    };
    let known = after([
        (event(What::FollowsNot, NOW), NOW),
        (news(resume, Source::Operator, at(1)), at(1)),
        (event(What::FollowsNot, NOW), at(2)),
    ]);
    assert_eq!(held(&known, at(2)), None);
}

#[test]
fn a_person_may_overrule_wechat_for_a_time() {
    let resume = What::Resume {
        template_id: None,
        override_until: Some(at(60)),
    };
    let mut known = after([(news(resume, Source::Operator, NOW), NOW)]);
    known.hear(&event(What::FollowsNot, at(1)), at(1));
    assert_eq!(
        (known.state, held(&known, at(1))),
        (Following::Unsubscribed, None)
    );
    known.hear(&news(What::NotOurs, Source::Errcode, at(60)), at(60));
    assert_eq!(held(&known, at(60)), Some(Hold::End(Reason::InvalidOpenid)));
}

#[test]
fn an_agreement_lifts_a_refusal_of_its_template_alone() {
    let known = after([
        (event(What::Refuses("other".into()), NOW), NOW),
        (
            news(What::Refuses(TEMPLATE.into()), Source::Errcode, NOW),
            NOW,
        ),
        (event(What::Accepts(TEMPLATE.into()), at(1)), at(1)),
    ]);
    assert_eq!(held(&known, at(1)), None);
    let other = hold(&known.suppressions, "other", at(1));
    assert_eq!(other, Some(Hold::End(Reason::UserRefused)));
}

#[test]
fn a_refusal_takes_what_was_agreed_to_before_and_not_after() {
    let mut known = after([
        (event(What::Accepts(TEMPLATE.into()), NOW), NOW),
        (event(What::Accepts(TEMPLATE.into()), at(5)), at(5)),
    ]);
    assert_eq!(known.credits[0].left, 2);
    // The answer to a call that was begun before the user agreed.
    let late = news(What::Refuses(TEMPLATE.into()), Source::Errcode, at(3));
    assert_eq!(known.hear(&late, at(6)), None);
    assert_eq!((known.credits[0].left, held(&known, at(6))), (2, None));
    let refused = news(What::Refuses(TEMPLATE.into()), Source::Errcode, at(7));
    known.hear(&refused, at(7));
    assert_eq!(known.credits[0].left, 0);
    known.hear(
        &news(What::Spent(TEMPLATE.into()), Source::Errcode, at(8)),
        at(8),
    );
    assert_eq!(known.credits[0].left, 0);
}
