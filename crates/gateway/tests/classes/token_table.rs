//! Every errcode that a token endpoint may answer, and how its account stands until the answer changes.
//! The account's messages wait meanwhile, and no other account notices.

pub(crate) struct Row {
    pub(crate) codes: &'static [i64],
    /// `stopped` where an operator must act or WeChat must relent, `degraded` where it passes by itself.
    pub(crate) state: &'static str,
    /// What an operator reads, in part.
    pub(crate) detail: &'static str,
    pub(crate) back: Back,
}

/// When the account asks for a token again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// At its next probe, or soon where nobody needs to act.
    Soon,
    /// Not before this long: WeChat said when, or the day's quota is at stake.
    Later,
}

/// What WeChat says of an address that is not on the whitelist.
pub(crate) const NOT_LISTED: &str =
    "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist";

use Back::{Later, Soon};

const SECRET: &str = "the AppSecret is wrong or frozen: set the right one";
const NO_TOKEN: &str = "there is no usable token yet";
const ADDRESS: &str = "add 47.94.148.108 to the account's IP whitelist";

const fn row(codes: &'static [i64], state: &'static str, detail: &'static str, back: Back) -> Row {
    Row {
        codes,
        state,
        detail,
        back,
    }
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row(&[40001, 40125, 40243],         "stopped",  SECRET,                         Soon),
    row(&[40013],                       "stopped",  "the appid is wrong",           Soon),
    row(&[40164, 61004, 45035],         "stopped",  ADDRESS,                        Soon),
    row(&[89501, 89502, 89503, 89504, 89505], "stopped", ADDRESS,                   Soon),
    row(&[89506, 89507],                "stopped",  ADDRESS,                        Later),
    row(&[40002, 41002, 41004, 43002],  "stopped",  "WeChat says",                  Soon),
    row(&[45102, 45501, 48004, 50004, 50007], "stopped", "WeChat says",             Soon),
    row(&[43104, 45103, 48001, 48008, 48009], "stopped", "WeChat says",             Soon),
    row(&[45009, 45040, 45104, 48006],  "stopped",  "the day's token quota is spent", Later),
    // It passes by itself: too busy, too fast, a retired address.
    row(&[-1, 61450, 200_001, 268_487_001, 268_487_002, 45011, 48017], "degraded", NO_TOKEN, Soon),
    // It says nothing of the account, so it is believed to pass.
    row(&[40003, 40004, 40008, 40014, 40033, 40035, 40036, 40037, 40039, 40062, 40081, 40097, 40165, 40166, 40168, 40176,
          40241, 40249, 41001, 41009, 41011, 41030, 42001, 43001, 43003, 43004, 43019, 43100, 43101, 43107, 43108, 43116,
          43117, 44002, 44007, 45002, 45005, 45012, 45013, 45014, 45015, 45021, 45047, 45051, 45082, 45168, 47001, 47002,
          47003, 48002, 48011, 49003, 50002, 50005, 9_001_001, 99_999], "degraded", NO_TOKEN, Soon),
];
