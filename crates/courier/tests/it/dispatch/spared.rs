//! What waits because its recipient gets too much goes as soon as somebody wants it to.

use std::sync::Arc;

use hongyan_courier::Clock;
use hongyan_courier::message::{Reason, Status};
use hongyan_courier::observer::Observer;
use hongyan_courier::recipient::hearing::Hearing;
use hongyan_courier::recipient::{News, Source, What};

use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::LATENCY;
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, openid, seconds};

#[tokio::test(start_paused = true)]
async fn what_waited_for_its_recipient_goes_at_once_when_they_are_resumed() {
    let settings = Settings::new(2, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    let observer: Arc<dyn Observer> = Arc::new(Vec::new());
    let hearing = Hearing {
        recipients: stage.store.inner.clone(),
        slots: stage.node.slots.clone(),
        clock: stage.clock.clone(),
        observer,
    };
    let hear = async |what, source| {
        let at = stage.clock.now();
        let news = News {
            what,
            source,
            at,
            errcode: None,
        };
        let account = ACCOUNT.into();
        let heard = hearing.hear(&account, &openid(0), vec![news], None).await;
        heard.unwrap();
    };
    hear(What::Limited(seconds(3_600)), Source::Receipt).await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    // Looks come every second, and the last one was half a second ago.
    tokio::time::sleep(seconds(10) + seconds(1) / 2).await;
    let waits = &stage.messages(ACCOUNT).await[0].delivery;
    assert_eq!(
        (waits.status, waits.reason),
        (Status::Queued, Some(Reason::FrequencyLimited))
    );
    let resume = What::Resume {
        template_id: None,
        override_until: None,
    };
    hear(resume, Source::Operator).await;
    tokio::time::sleep(LATENCY + seconds(1) / 10).await;
    stage.assert_all(ACCOUNT, Status::Sent, 1).await;
    stage.node.stop().await;
}
