//! Events as WeChat writes them, in XML and in JSON.

use hongyan_wechat::callback::CallbackError;
use hongyan_wechat::callback::event::{
    Event, Header, ReceiptStatus, Subscription, SubscriptionReceipt, SubscriptionReceipts,
    Subscriptions, parse,
};

const HEAD: &str = "<ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
    <CreateTime>1610969440</CreateTime><MsgType><![CDATA[event]]></MsgType>";
const JSON_HEAD: &str =
    r#""ToUserName":"gh_1","FromUserName":"o1","CreateTime":"1610969440","MsgType":"event""#;

fn header() -> Header {
    Header {
        to_user_name: "gh_1".into(),
        openid: "o1".into(),
        create_time: 1610969440,
    }
}

fn xml(rest: &str) -> Result<Event, CallbackError> {
    parse(format!("\n <xml>\n{HEAD}\n{rest}</xml>\n").as_bytes())
}

fn json(rest: &str) -> Result<Event, CallbackError> {
    parse(format!(" {{{JSON_HEAD},{rest}}}").as_bytes())
}

#[test]
fn followers_come_and_go() {
    let scanned = xml("<Event>subscribe</Event><EventKey>qrscene_1</EventKey><Ticket>T</Ticket>");
    assert_eq!(scanned, Ok(Event::Subscribe(header())));
    assert_eq!(
        xml("<Event><![CDATA[unsubscribe]]></Event><EventKey/>"),
        Ok(Event::Unsubscribe(header()))
    );
    assert_eq!(
        json(r#""Event":"subscribe","EventKey":"""#),
        Ok(Event::Subscribe(header()))
    );
}

#[test]
fn other_events_and_messages_are_named() {
    assert_eq!(
        xml("<Event>VIEW</Event>"),
        Ok(Event::Other {
            event: "VIEW".into()
        })
    );
    let text = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
        <MsgType><![CDATA[text]]></MsgType><Content>a &amp; b</Content><MsgId>6419570388</MsgId></xml>";
    assert_eq!(
        parse(text.as_bytes()),
        Ok(Event::Message {
            msg_type: "text".into()
        })
    );
    let location =
        r#"{"MsgType":"location","Location_X":23.134521,"Deep":{"List":[1,{"a":null}]}}"#;
    assert_eq!(
        parse(location.as_bytes()),
        Ok(Event::Message {
            msg_type: "location".into()
        })
    );
}

/// WeChat has many events, and gives their fields the names of ours with shapes of their own.
#[test]
fn the_fields_of_other_events_do_not_matter() {
    let other = |name: &str| Ok(Event::Other { event: name.into() });
    for odd in [
        r#""Status":1.5"#,
        r#""Status":true"#,
        r#""Status":["a"]"#,
        r#""MsgID":1e300"#,
        r#""MsgID":false"#,
        r#""MsgID":[1,2],"MsgId":{"a":null}"#,
        r#""List":null"#,
        r#""List":7,"List":[[]]"#,
        r#""SubscribeMsgPopupEvent":"no""#,
        r#""CreateTime":[]"#,
    ] {
        let push = format!(r#"{{{odd},"MsgType":"event","Event":"WIFI_CONNECTED"}}"#);
        assert_eq!(parse(push.as_bytes()), other("WIFI_CONNECTED"), "{odd}");
        let push = format!(r#"{{"MsgType":"text",{odd}}}"#);
        let text = Event::Message {
            msg_type: "text".into(),
        };
        assert_eq!(parse(push.as_bytes()), Ok(text), "{odd}");
    }
    let followed = json(r#""Event":"subscribe","Status":[],"MsgID":1.5,"List":null"#);
    assert_eq!(followed, Ok(Event::Subscribe(header())));
    let repeated = "<Event>card_pass_check</Event><Status>1</Status><Status>2</Status><List/><A/><List>x</List>";
    assert_eq!(xml(repeated), other("card_pass_check"));
    let receipt = r#""Event":"TEMPLATESENDJOBFINISH","MsgID":1,"Status":"success","List":null"#;
    assert!(matches!(json(receipt), Ok(Event::TemplateSendJobFinish(_))));
    // The events that are read still are.
    for odd in [r#""MsgID":1.5,"Status":"a""#, r#""MsgID":1,"Status":[]"#] {
        assert!(json(&format!(r#""Event":"TEMPLATESENDJOBFINISH",{odd}"#)).is_err());
    }
}

#[test]
fn receipts_take_either_spelling_of_the_id_and_any_status() {
    let cases = [
        ("success", ReceiptStatus::Success),
        ("failed:user block", ReceiptStatus::UserBlock),
        ("failed: system failed", ReceiptStatus::SystemFailed),
        ("Failed : System Failed", ReceiptStatus::SystemFailed),
        ("failed:freq limit", ReceiptStatus::FreqLimit),
        (
            "failed: moon phase",
            ReceiptStatus::Other("failed: moon phase".into()),
        ),
        (
            "success: almost",
            ReceiptStatus::Other("success: almost".into()),
        ),
        ("", ReceiptStatus::Other(String::new())),
    ];
    for id in ["MsgID", "MsgId"] {
        for (raw, expected) in &cases {
            let event = "TEMPLATESENDJOBFINISH";
            let in_xml = xml(&format!(
                "<Event>{event}</Event><{id}>3717005636572528642</{id}><Status><![CDATA[{raw}]]></Status>"
            ));
            let in_json = json(&format!(
                r#""Event":"{event}","{id}":3717005636572528642,"Status":"{raw}""#
            ));
            for event in [in_xml, in_json] {
                let Ok(Event::TemplateSendJobFinish(receipt)) = event else {
                    panic!("{event:?}")
                };
                assert_eq!(
                    (receipt.msgid, &receipt.status),
                    (3717005636572528642, expected)
                );
            }
        }
    }
}

#[test]
fn receipts_that_lack_something_are_refused() {
    let event = "<Event>TEMPLATESENDJOBFINISH</Event>";
    assert_eq!(
        xml(&format!("{event}<Status>success</Status>")),
        Err(CallbackError::Malformed("it has no MsgID"))
    );
    assert_eq!(
        xml(&format!("{event}<MsgID>1</MsgID>")),
        Err(CallbackError::Malformed("it has no Status"))
    );
    let float = json(r#""Event":"TEMPLATESENDJOBFINISH","MsgID":"1e3","Status":"success""#);
    assert_eq!(
        float,
        Err(CallbackError::Malformed("its MsgID is not a number"))
    );
    let twice = format!("{event}<MsgID>1</MsgID><MsgID>2</MsgID><Status>success</Status>");
    assert!(xml(&twice).is_err());
}

#[test]
fn choices_come_one_or_many() {
    let choice = |template_id: &str, status: &str| Subscription {
        template_id: template_id.into(),
        status: status.into(),
    };
    let item = |id, status| {
        format!(
            "<List><TemplateId>{id}</TemplateId><SubscribeStatusString>{status}</SubscribeStatusString><PopupScene>1</PopupScene></List>"
        )
    };
    let event = "<Event>subscribe_msg_popup_event</Event>";
    let one = vec![choice("t1", "accept")];
    let two = vec![choice("t1", "accept"), choice("t2", "reject")];
    let popup = |list: &[Subscription]| {
        Ok(Event::SubscribeMsgPopup(Subscriptions {
            header: header(),
            list: list.to_vec(),
        }))
    };
    let wrapped = |items: &str| {
        xml(&format!(
            "{event}<SubscribeMsgPopupEvent>{items}</SubscribeMsgPopupEvent>"
        ))
    };
    assert_eq!(wrapped(&item("t1", "accept")), popup(&one));
    assert_eq!(
        wrapped(&(item("t1", "accept") + &item("t2", "reject"))),
        popup(&two)
    );
    assert_eq!(xml(event), popup(&[]));

    let event = r#""Event":"subscribe_msg_popup_event""#;
    let first = r#"{"TemplateId":"t1","SubscribeStatusString":"accept","PopupScene":"0"}"#;
    let second = r#"{"TemplateId":"t2","SubscribeStatusString":"reject"}"#;
    assert_eq!(json(&format!(r#"{event},"List":{first}"#)), popup(&one));
    assert_eq!(json(&format!(r#"{event},"List":[{first}]"#)), popup(&one));
    assert_eq!(
        json(&format!(r#"{event},"List":[{first},{second}]"#)),
        popup(&two)
    );

    assert_eq!(json(&format!(r#"{event},"List":null"#)), popup(&[]));

    let change = xml(&format!(
        "<Event>subscribe_msg_change_event</Event><SubscribeMsgChangeEvent>{}</SubscribeMsgChangeEvent>",
        item("t1", "reject")
    ));
    let list = vec![choice("t1", "reject")];
    assert_eq!(
        change,
        Ok(Event::SubscribeMsgChange(Subscriptions {
            header: header(),
            list
        }))
    );
}

#[test]
fn outcomes_of_subscription_messages() {
    let expected = Event::SubscribeMsgSent(SubscriptionReceipts {
        header: header(),
        list: vec![SubscriptionReceipt {
            template_id: "t1".into(),
            msgid: Some(1864323726461255680),
            error_code: 0,
            error_status: "success".into(),
        }],
    });
    let in_xml = xml(
        "<Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent><List><TemplateId><![CDATA[t1]]></TemplateId>\
         <MsgID>1864323726461255680</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List></SubscribeMsgSentEvent>",
    );
    let in_json = json(
        r#""Event":"subscribe_msg_sent_event","List":{"TemplateId":"t1","MsgID":"1864323726461255680","ErrorCode":"0","ErrorStatus":"success"}"#,
    );
    assert_eq!(in_xml.as_ref(), Ok(&expected));
    assert_eq!(in_json, Ok(expected));
}
