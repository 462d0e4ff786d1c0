//! The people of one account: who follows it, and what each of them really saw.
//! It records what it is told was accepted; whether to accept is decided elsewhere.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FollowerState {
    #[default]
    Subscribed,
    /// Never followed, or left: 43004.
    Unsubscribed,
    /// Put on the blacklist by the account: 43019.
    Blacklisted,
    /// Switched these messages off: 43101.
    Refused,
}

/// One message on somebody's screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Unix milliseconds.
    pub at: i64,
    pub msgid: i64,
    pub client_msg_id: Option<Box<str>>,
    pub template_id: Box<str>,
    /// `data` of the request, as its JSON text.
    pub data: Box<str>,
}

/// How a message with a `client_msg_id` fared; the window counts from `at_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    person: u32,
    pub(crate) times: u32,
    pub(crate) msgid: i64,
    pub(crate) at_ms: i64,
}

#[derive(Clone, Debug)]
struct Person {
    openid: Arc<str>,
    state: FollowerState,
    count: u32,
    seen: Vec<Seen>,
}

impl Person {
    /// Whoever is black-listed or wants no messages follows all the same.
    fn follows(&self) -> bool {
        self.state != FollowerState::Unsubscribed
    }
}

/// Within this time the content rule refuses the same content to the same openid.
const CONTENT_WINDOW_MS: i64 = 60_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    numbers: HashMap<Arc<str>, u32>,
    people: Vec<Person>,
    /// Almost every `client_msg_id` is used for one openid alone …
    shown: HashMap<Box<str>, Shown>,
    /// … those used for further ones are here.
    shown_to_others: HashMap<(u32, Box<str>), Shown>,
    contents: HashMap<(u32, u64), i64>,
    /// How many subscription messages of a template somebody still takes; none at all after a reject.
    subscriptions: HashMap<(u32, Box<str>), Option<u32>>,
    contents_by_age: VecDeque<(i64, (u32, u64))>,
    minutes: HashMap<u32, (i64, u32)>,
}

impl Ledger {
    pub(crate) fn state(&self, openid: &str) -> Option<FollowerState> {
        let number = *self.numbers.get(openid)?;
        Some(self.people[number as usize].state)
    }

    /// Everybody who is known.
    pub(crate) fn openids(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(|openid| &**openid)
    }

    pub(crate) fn set_state(&mut self, openid: &str, state: FollowerState) {
        let number = self.person(openid);
        self.people[number as usize].state = state;
    }

    /// The number under which somebody is kept; made, as a follower, when new.
    pub(crate) fn person(&mut self, openid: &str) -> u32 {
        if let Some(&number) = self.numbers.get(openid) {
            return number;
        }
        let number = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let openid: Arc<str> = openid.into();
        self.numbers.insert(Arc::clone(&openid), number);
        self.people.push(Person {
            openid,
            state: FollowerState::Subscribed,
            count: 0,
            seen: Vec::new(),
        });
        number
    }

    /// Those who follow, in the order in which they came, from the one after `after` on. None for one who is not known.
    pub(crate) fn followers(&self, after: &str, most: usize) -> Option<Vec<&str>> {
        let begin = match after {
            "" => 0,
            known => *self.numbers.get(known)? as usize + 1,
        };
        let mut page = Vec::new();
        for person in self.people.iter().skip(begin) {
            if page.len() == most {
                break;
            }
            if person.follows() {
                page.push(&*person.openid);
            }
        }
        Some(page)
    }

    pub(crate) fn followers_count(&self) -> usize {
        self.people.iter().filter(|person| person.follows()).count()
    }

    pub(crate) fn subscribe(&mut self, openid: &str, template_id: &str, accept: bool) {
        let person = self.person(openid);
        let key = (person, template_id.into());
        let left = self.subscriptions.entry(key).or_default();
        *left = accept.then(|| left.unwrap_or(0) + 1);
    }

    pub(crate) fn credits(&self, openid: &str, template_id: &str) -> u32 {
        let person = self.numbers.get(openid).copied();
        let key = person.map(|person| (person, Box::from(template_id)));
        let left = key.and_then(|key| self.subscriptions.get(&key).copied());
        left.flatten().unwrap_or(0)
    }

    pub(crate) fn has_rejected(&self, person: u32, template_id: &str) -> bool {
        self.subscriptions.get(&(person, template_id.into())) == Some(&None)
    }

    /// Spends one; false if there is none.
    pub(crate) fn spend_credit(&mut self, person: u32, template_id: &str) -> bool {
        match self.subscriptions.get_mut(&(person, template_id.into())) {
            Some(Some(left @ 1..)) => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn shown(&self, person: u32, client_msg_id: &str) -> Option<&Shown> {
        let shown = self.shown.get(client_msg_id)?;
        if shown.person == person {
            return Some(shown);
        }
        self.shown_to_others.get(&(person, client_msg_id.into()))
    }

    /// Puts a message on somebody's screen; `seen` is none when only counts are kept.
    pub(crate) fn show(
        &mut self,
        person: u32,
        client_msg_id: Option<&str>,
        at_ms: i64,
        msgid: i64,
        seen: Option<Seen>,
    ) {
        let kept = &mut self.people[person as usize];
        kept.count += 1;
        kept.seen.extend(seen);
        let Some(id) = client_msg_id else { return };
        let fresh = Shown {
            person,
            times: 1,
            msgid,
            at_ms,
        };
        let known = match self.shown.get_mut(id) {
            None => {
                self.shown.insert(id.into(), fresh);
                return;
            }
            Some(first) if first.person == person => first,
            Some(_) => {
                let known = self.shown_to_others.entry((person, id.into()));
                known.or_insert(Shown { times: 0, ..fresh })
            }
        };
        *known = Shown {
            times: known.times + 1,
            ..fresh
        };
    }

    /// True when the same content went to the same person within the last minute; notes it otherwise.
    pub(crate) fn content_repeats(&mut self, person: u32, content: u64, now_ms: i64) -> bool {
        while let Some((at, key)) = self.contents_by_age.front().copied()
            && at + CONTENT_WINDOW_MS <= now_ms
        {
            self.contents_by_age.pop_front();
            self.contents.remove(&key);
        }
        self.contents.contains_key(&(person, content))
    }

    pub(crate) fn note_content(&mut self, person: u32, content: u64, now_ms: i64) {
        self.contents.insert((person, content), now_ms);
        self.contents_by_age.push_back((now_ms, (person, content)));
    }

    /// How many messages somebody got in this minute so far.
    pub(crate) fn in_minute(&self, person: u32, minute: i64) -> u32 {
        match self.minutes.get(&person) {
            Some(&(at, count)) if at == minute => count,
            _ => 0,
        }
    }

    pub(crate) fn note_minute(&mut self, person: u32, minute: i64) {
        let count = self.in_minute(person, minute) + 1;
        self.minutes.insert(person, (minute, count));
    }

    pub(crate) fn seen(&self, openid: &str) -> &[Seen] {
        self.numbers
            .get(openid)
            .map_or(&[], |&number| &self.people[number as usize].seen)
    }

    pub(crate) fn count(&self, openid: &str) -> u32 {
        self.numbers
            .get(openid)
            .map_or(0, |&number| self.people[number as usize].count)
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, u32)> {
        self.numbers
            .iter()
            .map(|(openid, &number)| (&**openid, self.people[number as usize].count))
    }

    /// Every `client_msg_id` with how often it was really shown.
    pub(crate) fn shown_counts(&self) -> impl Iterator<Item = (&str, u32)> {
        let others = self.shown_to_others.iter();
        self.shown
            .iter()
            .map(|(id, shown)| (&**id, shown.times))
            .chain(others.map(|((_, id), shown)| (&**id, shown.times)))
    }

    pub(crate) fn times_shown(&self, client_msg_id: &str) -> u32 {
        let first = self.shown.get(client_msg_id).map_or(0, |shown| shown.times);
        let others = self.shown_to_others.iter();
        let others = others.filter(|((_, id), _)| &**id == client_msg_id);
        first + others.map(|(_, shown)| shown.times).sum::<u32>()
    }
}
