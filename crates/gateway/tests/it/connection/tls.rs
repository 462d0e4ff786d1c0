//! HTTPS on the listener, and how many connections it holds.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Wire;
use crate::harness::{Settings, TestGateway, get};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");

/// Believes whom this certificate vouches for.
fn connector(
    certificate: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let file = format!("{FOLDER}/{certificate}");
    roots
        .add(CertificateDer::from_pem_file(file).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connected(
    gateway: &TestGateway,
    connector: &TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gateway.address()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    connector.connect(name, stream).await
}

async fn assert_served(gateway: &TestGateway, stream: &mut TlsStream<TcpStream>) {
    let (head, _) = get("/v1/accounts").written(gateway.address());
    let asked = format!("{head}connection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    assert!(heard.contains("\"accounts\""), "{heard}");
}

#[tokio::test]
async fn a_certificate_makes_the_listener_speak_https_alone() {
    let settings = Settings {
        server: format!(
            "tls = {{ certificate = \"file:{FOLDER}/tls.crt.pem\", key = \"file:{FOLDER}/tls.pem\" }}\n\
             ops_listen = \"127.0.0.1:0\""
        ),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let connector = connector("tls.crt.pem", versions);
        let mut stream = connected(&gateway, &connector).await.unwrap();
        assert_served(&gateway, &mut stream).await;
    }
    let mut plain = Wire::to(gateway.address()).await;
    plain
        .say("GET /v1/accounts HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(!plain.rest().await.contains("HTTP/1.1"));
    gateway.finish().await;
}

#[tokio::test]
async fn another_certificate_is_shown_from_the_next_connection_on() {
    let folder = tempfile::tempdir().unwrap();
    let put = |certificate: &str, key: &str| {
        for (from, to) in [(certificate, "shown.pem"), (key, "key.pem")] {
            std::fs::copy(format!("{FOLDER}/{from}"), folder.path().join(to)).unwrap();
        }
    };
    put("tls.crt.pem", "tls.pem");
    let place = folder.path().display();
    let settings = Settings {
        server: format!(
            "tls = {{ certificate = \"file:{place}/shown.pem\", key = \"file:{place}/key.pem\" }}\n\
             ops_listen = \"127.0.0.1:0\""
        ),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let versions = &[&rustls::version::TLS13];
    let (old, new) = (
        connector("tls.crt.pem", versions),
        connector("authority.pem", versions),
    );
    let mut held = connected(&gateway, &old).await.unwrap();
    assert!(connected(&gateway, &new).await.is_err());

    put("program.pem", "tls.pem");
    let refused = gateway.reload().await.unwrap_err().to_string();
    assert!(refused.contains("server.tls"), "not a pair: {refused}");
    put("program.pem", "program.key.pem");
    let changes = gateway.reload().await.unwrap();
    assert!(changes.certificate, "{changes:?}");
    assert!(connected(&gateway, &old).await.is_err());
    let mut stream = connected(&gateway, &new).await.unwrap();
    assert_served(&gateway, &mut stream).await;
    assert_served(&gateway, &mut held).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once() {
    let settings = Settings {
        server: "connections = 2\nops_listen = \"127.0.0.1:0\"".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let held = [
        Wire::to(gateway.address()).await,
        Wire::to(gateway.address()).await,
    ];
    let mut newcomer = Wire::to(gateway.address()).await;
    assert_eq!(newcomer.rest().await, "");
    drop(held);
    // There is room as soon as the others are seen to be gone.
    let answered = async {
        loop {
            let mut wire = Wire::to(gateway.address()).await;
            wire.say("GET /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await;
            if wire.rest().await.starts_with("HTTP/1.1 404") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered)
        .await
        .expect("room for another");
    gateway.finish().await;
}
