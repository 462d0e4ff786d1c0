//! HTTPS on the listener, and how many connections it holds.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Wire;
use crate::harness::{Settings, TestGateway, get};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");

fn connector(versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let file = format!("{FOLDER}/tls.crt.pem");
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
        let stream = TcpStream::connect(gateway.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = connector(versions).connect(name, stream).await.unwrap();
        let (head, _) = get("/v1/accounts").written(gateway.address());
        let asked = format!("{head}connection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
        assert!(heard.contains("\"accounts\""), "{heard}");
    }
    let mut plain = Wire::to(gateway.address()).await;
    plain
        .say("GET /v1/accounts HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(!plain.rest().await.contains("HTTP/1.1"));
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
