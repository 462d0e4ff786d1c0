//! The program's clock: the wall's time, made to run forward whatever happens to the wall.
//! It must not be passed over: nothing else in this program looks at the time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hongyan_courier::time::{Clock, UnixMs};
use nix::time::{ClockId, clock_gettime};

/// Counts on while the machine is suspended, which a plain monotonic clock does not.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::CLOCK_MONOTONIC;

/// `now` is the steady clock plus the largest distance that the wall was ever seen ahead of it. So a step forward is
/// followed at once, and after a step back time goes on at its pace: windows and leases neither stretch nor restart.
#[derive(Debug)]
pub struct SystemClock {
    wall_ahead_ns: AtomicI64,
}

impl SystemClock {
    pub fn new() -> Self {
        Self {
            wall_ahead_ns: AtomicI64::new(i64::MIN),
        }
    }

    /// The wall's time as it is, steps back included: for what is compared with other machines' clocks.
    pub fn wall(&self) -> UnixMs {
        UnixMs(read_ns(ClockId::CLOCK_REALTIME) / NS_PER_MS)
    }

    fn at(&self, wall_ns: i64, steady_ns: i64) -> UnixMs {
        let ahead = wall_ns - steady_ns;
        let most = self
            .wall_ahead_ns
            .fetch_max(ahead, Ordering::Relaxed)
            .max(ahead);
        UnixMs((steady_ns + most) / NS_PER_MS)
    }
}

/// How far the wall may be set back without making fresh again what was forgotten as too old.
pub const SET_BACK: Duration = Duration::from_secs(300);

/// Until when by the wall it must be remembered that something was accepted because its moment was at most `window` old.
/// A second more, since the very last one is still accepted.
pub fn remember_until(moment: UnixMs, window: Duration) -> UnixMs {
    moment
        .plus(window)
        .plus(SET_BACK)
        .plus(Duration::from_secs(1))
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        self.at(read_ns(ClockId::CLOCK_REALTIME), read_ns(STEADY))
    }

    fn wall(&self) -> UnixMs {
        SystemClock::wall(self)
    }
}

const NS_PER_MS: i64 = 1_000_000;

fn read_ns(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("the kernel has had this clock since 2011");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_never_turns_or_slows_time() {
        let clock = SystemClock::new();
        let at_ms = |wall: i64, steady: i64| clock.at(wall * NS_PER_MS, steady * NS_PER_MS).0;
        assert_eq!(at_ms(1_000_000, 500), 1_000_000);
        assert_eq!(at_ms(1_000_100, 600), 1_000_100);
        // The wall steps back an hour: ten more steady milliseconds are ten milliseconds.
        assert_eq!(at_ms(1_000_110 - 3_600_000, 610), 1_000_110);
        // It steps forward: followed, and kept when it steps back again.
        assert_eq!(at_ms(1_000_120 + 3_600_000, 620), 4_600_120);
        assert_eq!(at_ms(1_000_130, 630), 4_600_130);
    }

    #[test]
    fn what_is_forgotten_stays_too_old_although_the_wall_is_set_back() {
        let (wall, window) = (UnixMs(1_767_225_600_000), Duration::from_secs(300));
        for age in [-300_i64, 0, 299, 300] {
            let moment = UnixMs(wall.0 - age * 1000);
            let forgotten_at = remember_until(moment, window);
            let set_back = forgotten_at.minus(SET_BACK);
            assert_eq!(set_back.0 - moment.0, 301_000, "{age}");
        }
    }

    #[test]
    fn the_present_is_near_the_wall() {
        let clock = SystemClock::new();
        let (now, wall) = (clock.now(), clock.wall());
        assert!((wall.0 - now.0).abs() < 10_000, "{now} {wall}");
        assert!(clock.now() >= now);
    }
}
