//! Connections: who may take how long, what is answered to what is no HTTP, and what a stop does to each.

mod patience;
mod stop;
mod tls;
mod wire;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A caller who writes bytes and sees which come back.
struct Wire(TcpStream);

impl Wire {
    async fn to(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// What comes back until there is such a piece of it.
    async fn until(&mut self, piece: &str) -> String {
        let mut heard = Vec::new();
        let hearing = async {
            while !String::from_utf8_lossy(&heard).contains(piece) {
                let some = self.0.read_buf(&mut heard).await.unwrap();
                assert!(some > 0, "it ended after {heard:?}");
            }
        };
        tokio::time::timeout(Duration::from_secs(15), hearing)
            .await
            .unwrap_or_else(|_| panic!("no {piece}"));
        String::from_utf8(heard).unwrap()
    }

    /// What comes back until the connection is closed, which must happen soon.
    async fn rest(&mut self) -> String {
        let mut heard = Vec::new();
        let hearing = async {
            // A reset is an end too: whoever drops a connection with bytes unread causes one.
            while self.0.read_buf(&mut heard).await.is_ok_and(|some| some > 0) {}
        };
        tokio::time::timeout(Duration::from_secs(15), hearing)
            .await
            .expect("the connection is closed");
        String::from_utf8(heard).unwrap()
    }
}
