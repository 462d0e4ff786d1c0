//! A program under measurement: started, waited for, its CPU time and memory read from /proc, and stopped.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::Result;

/// Clock ticks in a second, as Linux counts CPU time for programs.
const TICKS: f64 = 100.0;
/// How long a program may take to come up, or a line to come.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pid: u32,
}

impl Program {
    pub(crate) fn start<S: AsRef<OsStr>>(
        program: &Path,
        args: &[S],
        folder: &Path,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(
                folder.join("stderr.log"),
            )?))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
            pid,
        })
    }

    /// Waits for a line that begins with `word`, and answers the rest of it.
    pub(crate) async fn line(&mut self, word: &str) -> Result<String> {
        let wait = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(word) {
                    return Ok(rest.trim().to_owned());
                }
            }
            bail!("it ended without saying '{word}'")
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .with_context(|| format!("no '{word}' in time"))?
    }

    /// CPU seconds used so far, in user and system mode.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name, in parentheses, may hold spaces: count from behind it.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |n: usize| {
            fields
                .get(n)
                .and_then(|field| field.parse::<f64>().ok())
                .context("/proc/…/stat is odd")
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }

    /// The most memory it held at once, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .context("/proc/…/status is odd")?;
        Ok(kib / 1024.0)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("cannot stop it")
    }
}
