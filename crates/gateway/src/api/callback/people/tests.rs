//! Every event about a user, as WeChat pushes it: how the user stands then, what is held back, and what that does to a message
//! of every kind, wherever it stands. No event about a user says anything of a template, so none can stop one.

use hongyan_courier::delivery::{Delivery, Lease, Look, Objection};
use hongyan_courier::kind::Kind;
use hongyan_courier::message::{Reason, Status};
use hongyan_courier::recipient::{Following, Hold, News, Recipient, Source, What, hold};
use hongyan_courier::time::UnixMs;
use hongyan_wechat::callback::event::parse;

use super::news;

const NOW: UnixMs = UnixMs(1_795_400_000_000);
const OPENID: &str = "o9AgO5Kd5ggOC";
/// The template of the event, and another one.
const TEMPLATE: &str = "appointment";
const OTHER: &str = "reminder";

/// What is held back of which templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    OfTemplate(Reason),
    OfAll(Reason),
}

/// What was known of the user.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Follows,
    Left,
    /// As an answer to a send said.
    Refused,
    /// As a receipt said.
    Blocked,
    /// As a person wants it.
    ByHand,
    Agreed,
}

/// An event in XML and in JSON, what was known before it, and what is then: the standing, what is held back, and how many
/// agreements are left, if any were counted.
type Row = (
    &'static str,
    &'static str,
    Before,
    Following,
    Held,
    Option<u32>,
);

use Before::{Agreed, Blocked, ByHand, Follows, Left, Nothing, Refused};
use Following::{Subscribed, Unknown, Unsubscribed};

const SUBSCRIBE: (&str, &str) = (
    "<Event>subscribe</Event><EventKey/>",
    r#""Event":"subscribe","EventKey":"""#,
);
const SCANNED: (&str, &str) = (
    "<Event>subscribe</Event><EventKey>qrscene_7</EventKey><Ticket>T</Ticket>",
    r#""Event":"subscribe","EventKey":"qrscene_7","Ticket":"T""#,
);
const UNSUBSCRIBE: (&str, &str) = (
    "<Event>unsubscribe</Event><EventKey/>",
    r#""Event":"unsubscribe","EventKey":"""#,
);
const ACCEPT: (&str, &str) = (
    "<Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent><List><TemplateId>appointment</TemplateId>\
     <SubscribeStatusString>accept</SubscribeStatusString><PopupScene>1</PopupScene></List></SubscribeMsgPopupEvent>",
    r#""Event":"subscribe_msg_popup_event","List":{"TemplateId":"appointment","SubscribeStatusString":"accept","PopupScene":"1"}"#,
);
const REJECT: (&str, &str) = (
    "<Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent><List><TemplateId>appointment</TemplateId>\
     <SubscribeStatusString>reject</SubscribeStatusString><PopupScene>2</PopupScene></List></SubscribeMsgPopupEvent>",
    r#""Event":"subscribe_msg_popup_event","List":[{"TemplateId":"appointment","SubscribeStatusString":"reject","PopupScene":"2"}]"#,
);
const BOTH: (&str, &str) = (
    "<Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent><List><TemplateId>appointment</TemplateId>\
     <SubscribeStatusString>accept</SubscribeStatusString><PopupScene>0</PopupScene></List><List><TemplateId>survey</TemplateId>\
     <SubscribeStatusString>reject</SubscribeStatusString><PopupScene>0</PopupScene></List></SubscribeMsgPopupEvent>",
    r#""Event":"subscribe_msg_popup_event","List":[{"TemplateId":"appointment","SubscribeStatusString":"accept","PopupScene":"0"},
        {"TemplateId":"survey","SubscribeStatusString":"reject","PopupScene":"0"}]"#,
);
const NEITHER: (&str, &str) = (
    "<Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent><List><TemplateId>appointment</TemplateId>\
     <SubscribeStatusString>filter</SubscribeStatusString><PopupScene>0</PopupScene></List></SubscribeMsgPopupEvent>",
    r#""Event":"subscribe_msg_popup_event","List":[{"TemplateId":"appointment","SubscribeStatusString":"filter","PopupScene":"0"}]"#,
);
const CHANGED: (&str, &str) = (
    "<Event>subscribe_msg_change_event</Event><SubscribeMsgChangeEvent><List><TemplateId>appointment</TemplateId>\
     <SubscribeStatusString>reject</SubscribeStatusString></List></SubscribeMsgChangeEvent>",
    r#""Event":"subscribe_msg_change_event","List":[{"TemplateId":"appointment","SubscribeStatusString":"reject"}]"#,
);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (SUBSCRIBE.0, SUBSCRIBE.1, Nothing, Subscribed, Held::Nothing, None),
    (SUBSCRIBE.0, SUBSCRIBE.1, Left,    Subscribed, Held::Nothing, None),
    (SUBSCRIBE.0, SUBSCRIBE.1, Refused, Subscribed, Held::Nothing, None),
    (SUBSCRIBE.0, SUBSCRIBE.1, Blocked, Subscribed, Held::Nothing, None),
    (SUBSCRIBE.0, SUBSCRIBE.1, ByHand,  Subscribed, Held::OfAll(Reason::SuppressedByOperator), None),
    (SCANNED.0,   SCANNED.1,   Left,    Subscribed, Held::Nothing, None),
    (UNSUBSCRIBE.0, UNSUBSCRIBE.1, Nothing, Unsubscribed, Held::OfAll(Reason::NotSubscribed), None),
    (UNSUBSCRIBE.0, UNSUBSCRIBE.1, Follows, Unsubscribed, Held::OfAll(Reason::NotSubscribed), None),
    (UNSUBSCRIBE.0, UNSUBSCRIBE.1, Agreed,  Unsubscribed, Held::OfAll(Reason::NotSubscribed), Some(1)),
    (ACCEPT.0,  ACCEPT.1,  Nothing, Unknown,      Held::Nothing, Some(1)),
    (ACCEPT.0,  ACCEPT.1,  Agreed,  Unknown,      Held::Nothing, Some(2)),
    (ACCEPT.0,  ACCEPT.1,  Refused, Unknown,      Held::Nothing, Some(1)),
    (ACCEPT.0,  ACCEPT.1,  Left,    Unsubscribed, Held::OfAll(Reason::NotSubscribed), Some(1)),
    (ACCEPT.0,  ACCEPT.1,  ByHand,  Unknown,      Held::OfAll(Reason::SuppressedByOperator), Some(1)),
    (REJECT.0,  REJECT.1,  Nothing, Unknown,      Held::OfTemplate(Reason::UserRefused), None),
    (REJECT.0,  REJECT.1,  Agreed,  Unknown,      Held::OfTemplate(Reason::UserRefused), Some(0)),
    (REJECT.0,  REJECT.1,  Follows, Subscribed,   Held::OfTemplate(Reason::UserRefused), None),
    (BOTH.0,    BOTH.1,    Nothing, Unknown,      Held::Nothing, Some(1)),
    (NEITHER.0, NEITHER.1, Agreed,  Unknown,      Held::Nothing, Some(1)),
    (CHANGED.0, CHANGED.1, Nothing, Unknown,      Held::OfTemplate(Reason::UserRefused), None),
    (CHANGED.0, CHANGED.1, Agreed,  Unknown,      Held::OfTemplate(Reason::UserRefused), Some(0)),
];

/// Events that tell nothing of a user's standing: what became of messages, and all that is none of the gateway's business.
const OTHERS: [(&str, &str); 5] = [
    (
        "<Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent><List><TemplateId>appointment</TemplateId>\
         <MsgID>1</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List></SubscribeMsgSentEvent>",
        r#""Event":"subscribe_msg_sent_event","List":{"TemplateId":"appointment","MsgID":"1","ErrorCode":"0","ErrorStatus":"success"}"#,
    ),
    (
        "<Event>TEMPLATESENDJOBFINISH</Event><MsgID>1</MsgID><Status>failed:user block</Status>",
        r#""Event":"TEMPLATESENDJOBFINISH","MsgID":1,"Status":"failed:user block""#,
    ),
    (
        "<Event>VIEW</Event><EventKey>http://x</EventKey>",
        r#""Event":"VIEW","EventKey":"http://x""#,
    ),
    (
        "<Event>CLICK</Event><EventKey>help</EventKey>",
        r#""Event":"CLICK","EventKey":"help""#,
    ),
    (
        "<Event>SCAN</Event><EventKey>7</EventKey>",
        r#""Event":"SCAN","EventKey":"7""#,
    ),
];

/// The event as it is pushed in either format, at this moment of WeChat's.
fn pushed((xml, json): (&str, &str), at: UnixMs) -> [String; 2] {
    let seconds = at.0 / 1_000;
    [
        format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>{OPENID}</FromUserName><CreateTime>{seconds}</CreateTime>\
             <MsgType>event</MsgType>{xml}</xml>"
        ),
        format!(
            r#"{{"ToUserName":"gh_1","FromUserName":"{OPENID}","CreateTime":{seconds},"MsgType":"event",{json}}}"#
        ),
    ]
}

impl Before {
    fn news(self) -> Option<News> {
        let at = NOW.minus(std::time::Duration::from_secs(60));
        let told = |what, source| News {
            what,
            source,
            at,
            errcode: None,
        };
        let event = |what| News::of_event(what, at.0 / 1_000);
        Some(match self {
            Nothing => return None,
            Follows => event(What::Follows),
            Left => event(What::FollowsNot),
            Agreed => event(What::Accepts(TEMPLATE.into())),
            Refused => told(What::Refuses(TEMPLATE.into()), Source::Errcode),
            Blocked => told(What::Blocked, Source::Receipt),
            ByHand => told(
                What::Suppress {
                    template_id: None,
                    expires_at: None,
                    note: None,
                },
                Source::Operator,
            ),
        })
    }

    fn recipient(self) -> Recipient {
        let mut known = Recipient::default();
        if let Some(news) = self.news() {
            known.hear(&news, news.at);
        }
        known
    }
}

fn hear(known: &mut Recipient, body: &str) {
    let event = parse(body.as_bytes()).expect("it can be read");
    let (openid, news) = news(&event).expect("it tells of a user");
    assert_eq!(openid, OPENID);
    for one in news {
        known.hear(&one, NOW);
    }
}

/// Where a message that waits stands once it is judged by what is known of its user.
fn waiting(known: &Recipient, template: &str) -> (Status, Option<Reason>) {
    let mut delivery = Delivery::queued(NOW, None);
    if let Some(Hold::End(reason)) = hold(&known.suppressions, template, NOW) {
        delivery.suppress(reason);
    }
    (delivery.status, delivery.reason)
}

/// What the look before the call says of a message whose user is held back from meanwhile, after a call in doubt or before any.
fn looked_at(kind: Kind, known: &Recipient, in_doubt: bool) -> Look {
    let mut delivery = Delivery::queued(NOW, None);
    delivery.doubt = in_doubt.then_some(NOW);
    delivery.take_lease(Lease {
        node: "n1".into(),
        epoch: 1,
        at: NOW,
    });
    let objection = match hold(&known.suppressions, TEMPLATE, NOW) {
        Some(Hold::End(reason)) => Some(Objection::Suppressed(reason)),
        _ => None,
    };
    delivery.look(kind, delivery.lease_seq, objection, NOW)
}

fn check_messages(known: &Recipient, held: Held, event: &str) {
    let (own, other) = match held {
        Held::Nothing => (None, None),
        Held::OfTemplate(reason) => (Some(reason), None),
        Held::OfAll(reason) => (Some(reason), Some(reason)),
    };
    for (template, reason) in [(TEMPLATE, own), (OTHER, other)] {
        let ended = reason.map_or((Status::Queued, None), |why| {
            (Status::Suppressed, Some(why))
        });
        assert_eq!(waiting(known, template), ended, "{event}: {template}");
    }
    for kind in Kind::ALL {
        let look = own.map_or(Look::Go, |why| Look::Ended(Status::Suppressed, Some(why)));
        assert_eq!(looked_at(*kind, known, false), look, "{event}: {kind}");
        let unknown = Look::Ended(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        let look = if kind.repeatable() && own.is_none() {
            Look::Go
        } else {
            unknown
        };
        assert_eq!(
            looked_at(*kind, known, true),
            look,
            "{event}: {kind} in doubt"
        );
    }
}

#[test]
fn every_event_about_a_user_has_its_place() {
    for (xml, json, before, state, held, credit) in ROWS.iter().copied() {
        for body in pushed((xml, json), NOW) {
            let mut known = before.recipient();
            hear(&mut known, &body);
            assert_eq!(known.state, state, "{body}");
            let left = known.credits.iter().find(|one| one.template_id == TEMPLATE);
            assert_eq!(left.map(|one| one.left), credit, "{body}");
            check_messages(&known, held, &body);

            // WeChat delivers it up to three times.
            let once = known.clone();
            hear(&mut known, &body);
            assert_eq!(known, once, "{body}: again");
        }
    }
}

#[test]
fn of_several_choices_each_is_heard() {
    for body in pushed(BOTH, NOW) {
        let mut known = Recipient::default();
        hear(&mut known, &body);
        let refused = (Status::Suppressed, Some(Reason::UserRefused));
        assert_eq!(waiting(&known, "survey"), refused, "{body}");
    }
}

#[test]
fn other_events_say_nothing_of_a_users_standing() {
    for event in OTHERS {
        for body in pushed(event, NOW) {
            let parsed = parse(body.as_bytes()).expect("it can be read");
            assert_eq!(news(&parsed), None, "{body}");
        }
    }
}
