//! The real servers that `scripts/secret-stores.sh` installs into target/: moto, an AWS-compatible KMS, from PyPI, and
//! rnacos, a Nacos-compatible server, from the crate registry.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::harness::Call;

/// What the script installs.
pub(super) fn installed(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_hongyan"));
    let target = target
        .parent()
        .and_then(|profile| profile.parent())
        .unwrap();
    let path = target.join("secret-stores").join(name);
    let path = if path.exists() {
        path
    } else {
        // Where the target directory is another than the script's.
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/secret-stores")
            .join(name)
    };
    assert!(
        path.exists(),
        "{} is missing: run scripts/secret-stores.sh",
        path.display()
    );
    path
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs a server until it answers at its port.
pub(super) async fn serving(mut command: Command, port: u16) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn().unwrap();
    let answering = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, answering)
        .await
        .expect("it answers");
    child
}

/// rnacos in a folder of its own.
pub(super) struct Nacos {
    address: String,
    _folder: TempDir,
    _child: Child,
}

impl Nacos {
    pub(super) async fn start() -> Self {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let mut rnacos = Command::new(installed("bin/rnacos"));
        rnacos.current_dir(folder.path());
        for (name, value) in [
            ("RNACOS_HTTP_PORT", port),
            ("RNACOS_GRPC_PORT", free_port()),
            ("RNACOS_HTTP_CONSOLE_PORT", free_port()),
        ] {
            rnacos.env(name, value.to_string());
        }
        rnacos.env("RNACOS_DATA_DIR", folder.path());
        Self {
            address: format!("127.0.0.1:{port}"),
            _child: serving(rnacos, port).await,
            _folder: folder,
        }
    }

    /// How a configuration says where it is.
    pub(super) fn section(&self) -> String {
        format!("[nacos]\naddress = \"http://{}\"\n", self.address)
    }

    /// Puts a text into the group `hongyan` of the public namespace.
    pub(super) async fn publish(&self, data_id: &str, text: &str) {
        let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
        let body = format!("dataId={data_id}&group=hongyan&content={text}");
        let publishing = async {
            // Its store elects itself first.
            loop {
                let call = Call::new(Method::POST, "/nacos/v1/cs/configs", body.clone());
                let call = call
                    .unsigned()
                    .header("content-type", "application/x-www-form-urlencoded");
                if call.make(&self.address).await.status.is_success() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let patience = Duration::from_secs(20);
        let published = tokio::time::timeout(patience, publishing).await;
        published.expect("it takes configurations");
    }
}
