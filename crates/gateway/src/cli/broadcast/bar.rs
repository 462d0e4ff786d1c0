//! What is shown while the command works: on a terminal a bar with what troubles it, and elsewhere one line of the first
//! trouble alone.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Task;

/// What is being done, and how far it is.
pub(super) enum Phase {
    /// Rows are being checked.
    Checking,
    /// The file is being handed over; so many bytes it has.
    Uploading(u64),
    /// Its messages are being sent.
    Sending,
}

/// A bar that shows nothing yet but what troubles it; none at all for machines.
pub(super) fn bar(json: bool) -> ProgressBar {
    let target = match json {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    ProgressBar::with_draw_target(None, target).with_style(style("{msg}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Task<'_> {
    pub(super) fn begin(&self, phase: Phase) {
        let bar = &self.bar;
        bar.set_position(0);
        bar.set_message("");
        bar.set_style(style(match phase {
            Phase::Checking => "{pos} {msg}",
            Phase::Uploading(_) => "{bar:32} {bytes}/{total_bytes} {msg}",
            Phase::Sending => "{bar:32} {pos}/{len} {msg}",
        }));
        match phase {
            Phase::Checking => bar.set_message(self.lang.pick("rows checked", "行已检查")),
            Phase::Uploading(bytes) => bar.set_length(bytes),
            Phase::Sending => {}
        }
    }

    /// A call did not go well, and is made again.
    pub(super) fn troubled(&self, error: &anyhow::Error) {
        let again = self.lang.pick("trying again", "正在重试");
        let text = format!("{error:#}; {again}");
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
        } else if self.told_trouble.set(()).is_ok() {
            // Nothing is left to do if standard error is gone.
            let _ = writeln!(std::io::stderr(), "hongyan: {text}");
        }
    }
}
