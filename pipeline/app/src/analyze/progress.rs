// SPDX-License-Identifier: Apache-2.0
//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use polygraph_core::report::Found;

use super::graph::Graph;

/// Between redraws.
const REDRAW: Duration = Duration::from_millis(200);
/// Between lines where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Shows how far a run is.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    began: Instant,
    shown: Instant,
}

impl Progress {
    /// Shows nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // The template is a constant that indicatif knows; its default would do as well.
            if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar, quiet, began: Instant::now(), shown: Instant::now() }
    }

    /// Draws, if it is time.
    pub fn show(&mut self, graph: &mut Graph, found: Found) {
        let every = if self.bar.is_some() { REDRAW } else { LINE };
        if self.quiet || self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let at = graph.watch.end_ns();
        let duration = graph.duration();
        let seconds = at as f64 / 1e9;
        let of = duration.map(|all| format!(" of {:.0}", all.nseconds() as f64 / 1e9)).unwrap_or_default();
        let speed = seconds / self.began.elapsed().as_secs_f64();
        let Found { tracks, words, cuts, incidents } = found;
        let text = format!(
            "{seconds:.0}{of} s, {speed:.1} x real time, {tracks} faces, {words} words, {cuts} cuts, {incidents} incidents"
        );
        match &self.bar {
            Some(bar) => {
                bar.set_length(duration.map_or(0, |all| all.mseconds()));
                bar.set_position(at / 1_000_000);
                bar.set_message(text);
            }
            None => errln!("{text}"),
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
