//! Goes through stories and blows, point by point, until a run has no further point; on as many threads as there are cores.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hongyan_courier::message::Status;

use super::fate::{Blow, Side, Strike};
use super::run::{Recovery, Report, Tamper, run, untampered};
use super::scenario::Scenario;

/// One story with one kind of blow.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) scenario: Scenario,
    pub(crate) blow: Option<(Blow, Side)>,
    pub(crate) recovery: Recovery,
}

/// What a search came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    pub(crate) struck: usize,
    /// How the messages ended, and how often.
    pub(crate) ends: BTreeMap<Status, usize>,
    pub(crate) broken: Vec<String>,
}

/// Runs a story once, in a world of its own.
pub(crate) fn once(job: &Job, point: usize, tamper: Tamper) -> Report {
    let strike = job.blow.map(|(blow, side)| Strike { point, side, blow });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(run(&job.scenario, strike, job.recovery, tamper))
}

/// Goes through all jobs, each at every point.
pub(crate) fn search(jobs: &[Job]) -> Tally {
    search_with(jobs, untampered, usize::MAX)
}

/// The same with tampered ports, until so many runs broke a promise.
pub(crate) fn search_with(jobs: &[Job], tamper: Tamper, enough: usize) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    point_by_point(job, tamper, enough, &tally);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

fn point_by_point(job: &Job, tamper: Tamper, enough: usize, tally: &Mutex<Tally>) {
    for point in 1.. {
        if tally.lock().unwrap().broken.len() >= enough {
            return;
        }
        let report = once(job, point, tamper);
        let mut tally = tally.lock().unwrap();
        tally.runs += 1;
        tally.struck += usize::from(report.struck);
        for message in &report.messages {
            *tally.ends.entry(message.delivery.status).or_default() += 1;
        }
        for broken in report.broken {
            tally.broken.push(format!(
                "{broken}: {}, {:?} at point {point}, {:?}",
                job.scenario.name, job.blow, job.recovery,
            ));
        }
        if !report.struck {
            return;
        }
    }
}
