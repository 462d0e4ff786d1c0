//! `nacos:DATA_ID`, `nacos:GROUP/DATA_ID` or either with `#FIELD`: a configuration of Nacos, listened to by long polls.
//! It speaks the HTTP API that 1.x and 2.x have, and 3.x while its adapter for that is on.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::http::{Answer, PATIENCE, Server};
use super::keyring::Credential;
use super::outage::Outage;
use super::seen::Seen;
use super::{Fault, SecretSource, field};

const GROUP: &str = "DEFAULT_GROUP";
/// How long a poll may take when nothing changes.
const POLL: Duration = Duration::from_secs(30);
/// The pause after a poll that failed.
const PAUSE: Duration = Duration::from_secs(5);
const FORM: &str = "application/x-www-form-urlencoded";

pub struct Nacos {
    server: Server,
    namespace: String,
    login: Option<(String, Credential)>,
    session: tokio::sync::Mutex<Option<Session>>,
    /// The MD5 of what was read last, as Nacos has it, by place without its field; empty where nothing was.
    seen: Seen<String>,
    outage: Outage,
}

struct Session {
    token: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedIn {
    access_token: String,
    /// Seconds.
    token_ttl: u64,
}

impl Nacos {
    /// `login` is a user name and the password; `namespace` is empty for the public one.
    #[must_use]
    pub fn new(server: Server, namespace: String, login: Option<(String, Credential)>) -> Self {
        Self {
            server,
            namespace,
            login,
            session: tokio::sync::Mutex::default(),
            seen: Seen::default(),
            outage: Outage::new("nacos"),
        }
    }

    /// The parameter that says who asks; empty where nobody has to.
    async fn session(&self) -> Result<Zeroizing<String>, Fault> {
        let Some((user, password)) = &self.login else {
            return Ok(Zeroizing::default());
        };
        let mut session = self.session.lock().await;
        if let Some(open) = &*session
            && Instant::now() < open.until
        {
            return Ok(parameter(&open.token));
        }
        let password = password.get().await?;
        let form = Zeroizing::new(format!(
            "username={}&password={}",
            encoded(user).as_str(),
            encoded(password.expose_secret()).as_str()
        ));
        let request = form_post("/nacos/v1/auth/login", &form)?;
        let answer = self.server.ask(request, PATIENCE).await?;
        if answer.status != StatusCode::OK {
            return Err(Fault::Wrong(format!(
                "cannot be read: Nacos answers the login with {}",
                answer.status
            )));
        }
        let logged_in: LoggedIn = answer.json()?;
        let open = Session {
            token: SecretString::from(logged_in.access_token),
            // Somewhat before its end.
            until: Instant::now() + Duration::from_secs(logged_in.token_ttl) * 9 / 10,
        };
        let parameter = parameter(&open.token);
        *session = Some(open);
        Ok(parameter)
    }

    /// Asks with the session; one that is refused is not used again.
    async fn ask(&self, request: Request<Bytes>, patience: Duration) -> Result<Answer, Fault> {
        let answer = self.server.ask(request, patience).await?;
        if [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&answer.status) {
            *self.session.lock().await = None;
        }
        Ok(answer)
    }

    async fn get(&self, place: &str) -> Result<Answer, Fault> {
        let (group, data_id) = parts(place);
        let session = self.session().await?;
        let target = Zeroizing::new(format!(
            "/nacos/v1/cs/configs?dataId={}&group={}&tenant={}{}",
            encoded(data_id).as_str(),
            encoded(group).as_str(),
            encoded(&self.namespace).as_str(),
            session.as_str()
        ));
        let request = Request::get(target.as_str()).body(Bytes::new());
        let request =
            request.map_err(|_| Fault::Wrong("is not the name of a configuration".to_owned()))?;
        let answer = self.ask(request, PATIENCE).await?;
        if answer.status == StatusCode::NOT_FOUND {
            self.seen.note(place, String::new());
        }
        answer.found("by this user")
    }

    /// Whether it is another one than that of this MD5, or will be within the time of a poll.
    async fn differs(&self, place: &str, md5: &str) -> Result<bool, Fault> {
        let (group, data_id) = parts(place);
        let listening = format!(
            "{data_id}\u{2}{group}\u{2}{md5}\u{2}{}\u{1}",
            self.namespace
        );
        let session = self.session().await?;
        let form = Zeroizing::new(format!(
            "Listening-Configs={}{}",
            encoded(&listening).as_str(),
            session.as_str()
        ));
        let mut request = form_post("/nacos/v1/cs/configs/listener", &form)?;
        let timeout = POLL.as_millis().to_string();
        if let Ok(timeout) = timeout.parse() {
            request
                .headers_mut()
                .insert("Long-Pulling-Timeout", timeout);
        }
        let answer = self.ask(request, POLL + PATIENCE).await?;
        match answer.status {
            StatusCode::OK => Ok(!answer.body.trim_ascii().is_empty()),
            status => Err(Fault::Away(format!("is answered with {status}"))),
        }
    }
}

fn parts(place: &str) -> (&str, &str) {
    place.split_once('/').unwrap_or((GROUP, place))
}

fn form_post(path: &str, form: &str) -> Result<Request<Bytes>, Fault> {
    Request::post(path)
        .header(CONTENT_TYPE, FORM)
        .body(Bytes::copy_from_slice(form.as_bytes()))
        .map_err(|_| Fault::Wrong("cannot be asked for".to_owned()))
}

fn parameter(token: &SecretString) -> Zeroizing<String> {
    let token = encoded(token.expose_secret());
    Zeroizing::new(format!("&accessToken={}", token.as_str()))
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())
}

#[async_trait]
impl SecretSource for Nacos {
    async fn read(&self, place: &str) -> Result<SecretString, Fault> {
        let (place, name) = field::split(place);
        let answer = self.get(place).await?;
        let md5 = hex::encode(Md5::digest(&*answer.body));
        self.seen.note(place, md5);
        field::pick(&answer.body, name)
    }

    async fn changed(&self, place: &str) {
        let (place, _) = field::split(place);
        let md5 = self.seen.last(place).await;
        loop {
            let asked = self.differs(place, &md5).await;
            self.outage.note(&asked);
            match asked {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
