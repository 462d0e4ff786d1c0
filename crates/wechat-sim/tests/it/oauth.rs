//! The authorise page: it asks whom to be, and sends that user back with a code.

use crate::wire::{APPID, OPENID, call, demo};

#[tokio::test]
async fn the_page_asks_whom_to_be_and_sends_that_user_back() {
    let sim = demo().await;
    let asked = format!(
        "/connect/oauth2/authorize?appid={APPID}&redirect_uri=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z%3D%22&response_type=code\
         &scope=snsapi_base&state=s1"
    );
    let page = call(sim.addr(), "GET", &asked, "").await;
    let redirect_uri = r#"name="redirect_uri" value="https://a.example/x?y=1&amp;z=&quot;""#;
    assert!(page.body.contains(redirect_uri), "{}", page.body);
    assert!(
        page.body.contains(r#"name="state" value="s1""#),
        "{}",
        page.body
    );

    let back = call(sim.addr(), "GET", &format!("{asked}&openid={OPENID}"), "").await;
    assert_eq!(back.status(), "302");
    let location = back.header("location").unwrap();
    let (address, rest) = location.split_once("&code=").unwrap();
    assert_eq!(address, "https://a.example/x?y=1&z=\"");
    assert!(rest.ends_with("&state=s1"), "{location}");
}
