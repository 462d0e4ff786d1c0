//! What an event tells of messages: one receipt for a template message, any number for subscription messages.
//! It must not know how the event came in.

use hongyan_courier::delivery::{Policy, ReceiptWord};
use hongyan_courier::message::AccountName;
use hongyan_courier::next::Roll;
use hongyan_courier::receipt::NewReceipt;
use hongyan_wechat::callback::event::{Event, Header, SubscriptionReceipt};
use sha2::{Digest, Sha256};

/// The receipts in an event; none in one that tells of something else.
pub(super) fn told_by(event: &Event, account: &AccountName, policy: Policy) -> Vec<NewReceipt> {
    match event {
        Event::TemplateSendJobFinish(receipt) => vec![NewReceipt {
            account: account.clone(),
            msgid: receipt.msgid,
            template_id: None,
            openid: receipt.openid.clone(),
            word: ReceiptWord::from(&receipt.status),
            status: receipt.raw_status.clone(),
            create_time: receipt.create_time,
            policy,
            roll: Roll::draw(),
        }],
        Event::SubscribeMsgSent(sent) => {
            let told = |one| of_subscription(one, &sent.header, account, policy);
            sent.list.iter().map(told).collect()
        }
        _ => Vec::new(),
    }
}

/// An event without an id of its own is known again by its template. Below zero, where WeChat has no ids.
fn stand_in(template_id: &str) -> i64 {
    let hash = Sha256::digest(template_id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first) | i64::MIN
}

fn of_subscription(
    receipt: &SubscriptionReceipt,
    header: &Header,
    account: &AccountName,
    policy: Policy,
) -> NewReceipt {
    let status = match receipt.error_code {
        0 => receipt.error_status.clone(),
        code => format!("{code} {}", receipt.error_status),
    };
    NewReceipt {
        account: account.clone(),
        msgid: receipt
            .msgid
            .unwrap_or_else(|| stand_in(&receipt.template_id)),
        template_id: Some(receipt.template_id.clone()),
        openid: header.openid.clone(),
        word: ReceiptWord::from(receipt),
        status,
        create_time: header.create_time,
        policy,
        roll: Roll::draw(),
    }
}
