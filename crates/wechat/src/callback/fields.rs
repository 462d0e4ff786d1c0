//! The fields of each kind of push, as written on the wire; one struct for what is read at one time.
//! Apart from one another, so that what one event has in an odd shape never spoils another.

use serde::Deserialize;

use super::body::{OneOrMany, Text};

/// What tells a push's kind, and nothing besides.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Kind {
    pub(super) msg_type: Option<Text>,
    pub(super) event: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HeaderFields {
    pub(super) to_user_name: Option<Text>,
    pub(super) from_user_name: Option<Text>,
    pub(super) create_time: Option<Text>,
}

/// Repeats the header's fields: receipts are by far the most pushes, and are read in one go.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiptFields {
    pub(super) to_user_name: Option<Text>,
    pub(super) from_user_name: Option<Text>,
    pub(super) create_time: Option<Text>,
    #[serde(rename = "MsgID", alias = "MsgId")]
    pub(super) msgid: Option<Text>,
    pub(super) status: Option<Text>,
}

/// JSON has the list at the top; XML wraps it in one of the three others.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Lists {
    list: OneOrMany<Item>,
    subscribe_msg_popup_event: Items,
    subscribe_msg_change_event: Items,
    subscribe_msg_sent_event: Items,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Items {
    list: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Item {
    pub(super) template_id: Text,
    pub(super) subscribe_status_string: Text,
    #[serde(rename = "MsgID", alias = "MsgId")]
    pub(super) msgid: Text,
    pub(super) error_code: Text,
    pub(super) error_status: Text,
}

impl Lists {
    pub(super) fn of_popup(self) -> Vec<Item> {
        either(self.list, self.subscribe_msg_popup_event)
    }

    pub(super) fn of_change(self) -> Vec<Item> {
        either(self.list, self.subscribe_msg_change_event)
    }

    pub(super) fn of_sent(self) -> Vec<Item> {
        either(self.list, self.subscribe_msg_sent_event)
    }
}

fn either(list: OneOrMany<Item>, wrapped: Items) -> Vec<Item> {
    if wrapped.list.is_empty() {
        list.0
    } else {
        wrapped.list
    }
}
