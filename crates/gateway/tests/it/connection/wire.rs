//! What is answered to what is no HTTP: by the HTTP library itself, which knows no problems in JSON.

use super::Wire;
use crate::harness::TestGateway;

#[tokio::test]
async fn what_is_no_http_is_answered_with_a_bare_status_and_closed() {
    let gateway = TestGateway::start().await;
    let many: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let large = "y".repeat(512 << 10);
    for (sent, status) in [
        ("hello\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET /health\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET /health HTTP/9.1\r\n\r\n".to_owned(), "400 Bad Request"),
        (
            "GET /he alth HTTP/1.1\r\n\r\n".to_owned(),
            "400 Bad Request",
        ),
        (
            "GET /health HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            "400 Bad Request",
        ),
        (
            "POST /v1/messages HTTP/1.1\r\ncontent-length: many\r\n\r\n".to_owned(),
            "400 Bad Request",
        ),
        (
            "POST /v1/messages HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
                .to_owned(),
            "400 Bad Request",
        ),
        (
            "POST /v1/messages HTTP/1.1\r\ntransfer-encoding: brotli\r\n\r\n".to_owned(),
            "400 Bad Request",
        ),
        (
            format!("GET /health HTTP/1.1\r\n{many}\r\n"),
            "431 Request Header Fields Too Large",
        ),
        (
            format!("GET /health HTTP/1.1\r\nx: {large}\r\n\r\n"),
            "431 Request Header Fields Too Large",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", &large[..70_000]),
            "414 URI Too Long",
        ),
    ] {
        let mut wire = Wire::to(gateway.address()).await;
        // What is too large is refused before it is all sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut wire.0, sent.as_bytes()).await;
        let heard = wire.rest().await;
        let (head, body) = heard.split_once("\r\n\r\n").unwrap_or((&heard, ""));
        let start: String = sent.chars().take(60).collect();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{start:?}: {heard:?}"
        );
        assert!(
            body.is_empty() && !head.contains("content-type"),
            "{start:?}: {heard}"
        );
    }
    gateway.finish().await;
}

#[tokio::test]
async fn http_2_is_not_answered() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::to(gateway.address()).await;
    wire.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(wire.rest().await, "");
    gateway.finish().await;
}
