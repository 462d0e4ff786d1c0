//! Each word for an account, by what is known of it.

use hongyan_courier::account::{Standing, Stop, StopCause};
use hongyan_courier::port::Token;
use hongyan_courier::time::UnixMs;
use hongyan_wechat::AccessToken;

use super::*;

const NOW: UnixMs = UnixMs(1_795_400_000_000);

/// An account that is well.
fn well() -> View {
    let token = Token {
        secret: AccessToken::new("t1"),
        expires_at: NOW.plus(std::time::Duration::from_secs(7_200)),
        fetched_at: NOW,
    };
    View {
        token: Some(token),
        usable: true,
        failing: false,
        standing: Standing::default(),
    }
}

/// An account whose tokens were rejected so many times in a row, the last of them just now.
fn rejected(times: u32) -> View {
    let trouble = Trouble {
        rejections: times,
        ..Trouble::default()
    };
    let standing = Standing {
        trouble: Some(trouble),
        ..Standing::default()
    };
    View {
        usable: false,
        standing,
        ..well()
    }
}

fn check(view: &View, reported: Option<&str>, state: State, detail: Option<&str>) {
    let found = condition(Some(view), reported.map(str::to_owned));
    let said = found.detail.as_deref();
    assert_eq!(found.state, state, "{said:?}");
    assert!(
        detail.map_or(said.is_none(), |part| said.unwrap().contains(part)),
        "{said:?}"
    );
}

#[test]
fn one_rejection_is_nothing_to_act_on() {
    check(&well(), None, State::Ok, None);
    check(&rejected(1), None, State::Ok, None);
    let next_came = View {
        usable: true,
        ..rejected(1)
    };
    check(&next_came, None, State::Ok, None);
}

#[test]
fn a_rejection_of_the_next_token_too_is() {
    let words = Some("something outside");
    check(&rejected(2), None, State::Degraded, words);
    let being_tried = View {
        usable: true,
        ..rejected(2)
    };
    check(&being_tried, None, State::Degraded, words);
}

#[test]
fn a_token_that_cannot_be_fetched_is_missed() {
    let words = Some("no usable token");
    let after_a_rejection = View {
        failing: true,
        ..rejected(1)
    };
    check(&after_a_rejection, None, State::Degraded, words);
    let after_a_restart = View {
        token: None,
        ..rejected(1)
    };
    check(&after_a_restart, None, State::Degraded, words);
    let ended = View {
        usable: false,
        ..well()
    };
    check(&ended, None, State::Degraded, words);
}

#[test]
fn what_the_dispatcher_found_is_said_although_the_token_is_well() {
    let words = Some("45009");
    check(&well(), words, State::Degraded, words);
    let mut stopped = well();
    stopped.standing.stop = Some(Stop {
        cause: StopCause::Credentials,
        detail: "the AppSecret".into(),
        since: NOW,
        probe_at: NOW,
    });
    check(&stopped, words, State::Stopped, Some("the AppSecret"));
}

#[test]
fn a_token_that_came_does_not_open_a_lane() {
    let reports = Reports::default();
    let account = AccountName::from("clinic");
    let say = |source, stopped: Option<&str>| {
        reports.observe(&Event::Standing {
            account: account.clone(),
            source,
            stopped: stopped.map(str::to_owned),
        });
    };
    say(Source::Lane, Some("45009"));
    say(Source::Token, Some("the AppSecret"));
    say(Source::Token, None);
    assert_eq!(reports.closed().get(&account).unwrap(), "45009");
    say(Source::Lane, None);
    assert!(reports.closed().is_empty());
}
