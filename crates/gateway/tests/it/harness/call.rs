//! One HTTP call over one connection: signed or not, well-formed or not.

use bytes::Bytes;
use hongyan_gateway::auth::signer::Signer;
use hongyan_gateway::clock::SystemClock;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{CLIENT, CLIENT_SECRET};

#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Bytes,
    headers: Vec<(String, String)>,
    /// None for a call that nobody signed.
    secret: Option<String>,
    client: String,
    /// Signed as if it were so many milliseconds later.
    later_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn get(path: &str) -> Call {
    Call::new(Method::GET, path, Bytes::new())
}

pub(crate) fn post(path: &str, body: &Value) -> Call {
    Call::new(
        Method::POST,
        path,
        Bytes::from(serde_json::to_vec(body).unwrap()),
    )
}

impl Call {
    pub(crate) fn new(method: Method, path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            body: body.into(),
            headers: Vec::new(),
            secret: Some(CLIENT_SECRET.to_owned()),
            client: CLIENT.to_owned(),
            later_ms: 0,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn unsigned(mut self) -> Self {
        self.secret = None;
        self
    }

    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    /// Without a header, signed or not.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// To another address than was signed.
    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With another body than was signed.
    pub(crate) fn body(mut self, body: &'static str) -> Self {
        self.body = Bytes::from_static(body.as_bytes());
        self
    }

    /// By another method than was signed.
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Signed by another client.
    pub(crate) fn by(mut self, client: &str, secret: &str) -> Self {
        client.clone_into(&mut self.client);
        self.secret(secret)
    }

    pub(crate) fn later(mut self, seconds: i64) -> Self {
        self.later_ms = seconds * 1000;
        self
    }

    /// Signs now, so that the very same call can be made again.
    pub(crate) fn sealed(mut self) -> Self {
        let Some(secret) = self.secret.take() else {
            return self;
        };
        let signer = Signer::new(self.client.clone(), &SecretString::from(secret));
        let uri: Uri = self.path.parse().unwrap();
        let mut now = SystemClock::new().wall();
        now.0 += self.later_ms;
        let signed = signer.headers(&self.method, &uri, &self.body, now).unwrap();
        self.headers
            .extend(signed.map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub(crate) fn request(self, host: &str) -> Request<Full<Bytes>> {
        let sealed = self.sealed();
        let mut request = Request::builder()
            .method(sealed.method)
            .uri(sealed.path)
            .header("host", host);
        for (name, value) in sealed.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(sealed.body)).unwrap()
    }

    /// The request as it goes over the wire, its head without the empty line that ends it.
    pub(crate) fn written(self, host: &str) -> (String, Bytes) {
        let sealed = self.sealed();
        let length = sealed.body.len().to_string();
        let own = [("host", host), ("content-length", &length)];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut head = format!("{} {} HTTP/1.1\r\n", sealed.method, sealed.path);
        for (name, value) in own.into_iter().chain(sealed.headers) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        (head, sealed.body)
    }

    pub(crate) async fn make(self, host: &str) -> Reply {
        let request = self.request(host);
        let stream = TcpStream::connect(host).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let answer = async {
            let response = sender.send_request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Reply {
                status: parts.status,
                headers: parts.headers,
                body,
            }
        };
        tokio::pin!(answer);
        let reply = tokio::select! {
            reply = &mut answer => reply,
            _ = connection => answer.await,
        };
        super::canary::check_answer(&reply);
        reply
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Checks that this is a problem of this kind, whole, and gives its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(self.headers.contains_key("x-request-id"));
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        assert_eq!(problem["trace_id"].as_str().map(str::len), Some(32));
        assert!(problem["title"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}
