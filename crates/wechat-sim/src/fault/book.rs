//! The faults in force, how often each has struck, and the choice for one call.
//! It knows a call only by endpoint, account and openid.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Endpoint, Fault, What, When};

/// What happens to one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Added to the answer's time.
    pub(crate) delay: Duration,
    /// Things that happen to the account before the call is looked at.
    pub(crate) before: Vec<What>,
    /// At most one fault decides the answer: the first listed that strikes.
    pub(crate) answer: Option<What>,
}

#[derive(Debug)]
pub(crate) struct FaultBook {
    rules: Vec<Rule>,
    random: SmallRng,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    calls: u32,
}

impl FaultBook {
    pub(crate) fn new(random_seed: u64) -> Self {
        Self {
            rules: Vec::new(),
            // Not the world's numbers again: that would tie the two together.
            random: SmallRng::seed_from_u64(!random_seed),
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push(Rule { fault, calls: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn choose(
        &mut self,
        endpoint: Endpoint,
        appid: Option<&str>,
        openid: Option<&str>,
    ) -> Trouble {
        let mut trouble = Trouble::default();
        for rule in &mut self.rules {
            let fault = &rule.fault;
            let covered = fault.place.covers(endpoint)
                && (fault.account.is_none() || fault.account.as_deref() == appid)
                && (fault.openid.is_none() || fault.openid.as_deref() == openid);
            let decides = !matches!(
                fault.what,
                What::Slow(_) | What::RevokeTokens | What::AnotherHolder { .. }
            );
            // A rule that is shadowed by an earlier one does not use up its strikes.
            if !covered || (decides && trouble.answer.is_some()) {
                continue;
            }
            let call = rule.calls;
            rule.calls = rule.calls.wrapping_add(1);
            if !strikes(fault.when, call, &mut self.random) {
                continue;
            }
            match &fault.what {
                What::Slow(delay) => trouble.delay += *delay,
                what if decides => trouble.answer = Some(what.clone()),
                what => trouble.before.push(what.clone()),
            }
        }
        trouble
    }
}

fn strikes(when: When, call: u32, random: &mut SmallRng) -> bool {
    match when {
        When::Always => true,
        When::First(calls) => call < calls,
        When::Chance(chance) => random.random::<f64>() < chance,
        When::Burst { trouble, calm } => call % trouble.saturating_add(calm).max(1) < trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;

    fn answers(book: &mut FaultBook, calls: usize) -> usize {
        (0..calls)
            .filter(|_| book.choose(Endpoint::Send, None, None).answer.is_some())
            .count()
    }

    #[test]
    fn first_chance_and_burst_strike_as_often_as_they_say() {
        let cases = [
            (When::Always, 1000..=1000),
            (When::First(3), 3..=3),
            (When::Chance(0.05), 30..=70),
            (
                When::Burst {
                    trouble: 2,
                    calm: 8,
                },
                200..=200,
            ),
        ];
        for (when, expected) in cases {
            let mut book = FaultBook::new(1);
            book.add(Fault {
                when,
                ..Fault::new(What::CutBefore)
            });
            let struck = answers(&mut book, 1000);
            assert!(expected.contains(&struck), "{when:?}: {struck}");
        }
    }

    #[test]
    fn only_covered_calls_are_struck() {
        let mut book = FaultBook::new(1);
        book.add(Fault::code(45009).account("wx1").openid("o1"));
        book.add(Fault::code(45011).at(Place::Tokens));
        let mut code = |endpoint, appid, openid| match book.choose(endpoint, appid, openid).answer {
            Some(What::Code { errcode, .. }) => errcode,
            _ => 0,
        };
        assert_eq!(code(Endpoint::Send, Some("wx1"), Some("o1")), 45009);
        assert_eq!(code(Endpoint::Send, Some("wx1"), Some("o2")), 0);
        assert_eq!(code(Endpoint::Send, Some("wx2"), Some("o1")), 0);
        assert_eq!(code(Endpoint::ForcedToken, Some("wx1"), None), 45011);
    }

    #[test]
    fn delays_add_up_and_the_first_answer_wins() {
        let mut book = FaultBook::new(1);
        book.add(Fault::new(What::Slow(Duration::from_millis(5))));
        book.add(Fault::new(What::CutBefore));
        book.add(Fault::code(45009).first(1));
        book.add(Fault::new(What::Slow(Duration::from_millis(7))));
        let trouble = book.choose(Endpoint::Send, None, None);
        assert_eq!(trouble.delay, Duration::from_millis(12));
        assert_eq!(trouble.answer, Some(What::CutBefore));
    }
}
