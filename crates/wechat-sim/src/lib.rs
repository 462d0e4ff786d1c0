//! A WeChat that runs here: the Official Account API as a simulator, over real sockets and with its ugly sides.
//! It knows nothing of the gateway that is tested against it.
//!
//! ```
//! use hongyan_wechat_sim::{Fault, Sim, SimConfig};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let sim = Sim::start(SimConfig::demo()).await?;
//! sim.fault("cut:5%".parse::<Fault>()?);
//! // Let a client send through `sim.url()`; then ask what its messages came to:
//! assert_eq!(sim.accepted("a-client-msg-id"), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same without sockets is [`World`]: pure, with the time as an argument. What runs where is described by
//! [`SimConfig`]; its accounts and rules may come from a TOML file:
//!
//! ```
//! let seed: hongyan_wechat_sim::Seed = r#"
//!     [rules]
//!     strict = true                     # only what is listed exists
//!     [[accounts]]
//!     appid = "wx5eed0000c0ffee01"
//!     secret = "5eed5eed5eed5eed5eed5eed5eed5eed"
//!     followers = [{ openid = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA", state = "unsubscribed" }]
//!     templates = [{ template_id = "t1", content = "{{thing1.DATA}}" }]
//!     callback = { url = "http://127.0.0.1:8080/wechat/callback", token = "t", mode = "plain" }
//! "#.parse()?;
//! assert_eq!(seed.accounts[0].daily_quota, 100_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod fault;
mod handle;
mod http;
mod receipts;
pub mod world;

pub use clock::SimClock;
pub use config::{AccountConfig, CallbackTarget, ReceiptPolicy, Seed, SimConfig};
pub use fault::Fault;
pub use handle::{Sim, SimHandle};
pub use receipts::Push;
pub use world::World;
