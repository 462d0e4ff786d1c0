//! What may be called how often: daily counters that start anew at Beijing midnight, minute counters, clearing.
//! It knows nothing of what the counted calls do.

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const BEIJING_AHEAD_MS: i64 = 8 * 3_600_000;

pub(crate) const PLAIN_TOKENS_A_DAY: u64 = 2_000;
pub(crate) const STABLE_TOKENS_A_DAY: u64 = 500_000;
pub(crate) const STABLE_TOKENS_A_MINUTE: u64 = 10_000;
pub(crate) const FORCED_TOKENS_A_DAY: u64 = 20;
pub(crate) const CLEARINGS_A_MONTH: u64 = 10;
/// No API tells the month; thirty days stand for it.
const MONTH_MS: i64 = 30 * DAY_MS;

/// How often something happened in the current stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    stretch: i64,
    used: u64,
}

impl Meter {
    pub(crate) fn used(&self, stretch: i64) -> u64 {
        if self.stretch == stretch {
            self.used
        } else {
            0
        }
    }

    /// Counts one more unless `limit` is reached.
    pub(crate) fn take(&mut self, stretch: i64, limit: u64) -> bool {
        let used = self.used(stretch);
        if used >= limit {
            return false;
        }
        *self = Self {
            stretch,
            used: used + 1,
        };
        true
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }
}

/// The meters of one account.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meters {
    pub(crate) plain_day: Meter,
    pub(crate) stable_day: Meter,
    pub(crate) stable_minute: Meter,
    pub(crate) forced_day: Meter,
    pub(crate) sends_day: Meter,
    /// Of each call for subscription messages.
    pub(crate) subscriptions_day: [Meter; 3],
    pub(crate) sends_minute: Meter,
    pub(crate) clearings_month: Meter,
    pub(crate) industry_month: Meter,
}

impl Meters {
    /// Ten times a month at most; false when that is used up.
    pub(crate) fn clear(&mut self, now_ms: i64) -> bool {
        if !self.clearings_month.take(month(now_ms), CLEARINGS_A_MONTH) {
            return false;
        }
        self.plain_day.clear();
        self.stable_day.clear();
        self.forced_day.clear();
        self.sends_day.clear();
        self.subscriptions_day.iter_mut().for_each(Meter::clear);
        true
    }
}

pub(crate) fn beijing_day(now_ms: i64) -> i64 {
    (now_ms + BEIJING_AHEAD_MS).div_euclid(DAY_MS)
}

pub(crate) fn minute(now_ms: i64) -> i64 {
    now_ms.div_euclid(MINUTE_MS)
}

pub(crate) fn month(now_ms: i64) -> i64 {
    (now_ms + BEIJING_AHEAD_MS).div_euclid(MONTH_MS)
}
