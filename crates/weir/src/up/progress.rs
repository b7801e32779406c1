//! Reports on stderr how far the pools are: bars on a terminal, lines elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    time::{Duration, Instant},
};
use weir_api::MachineConfigPool;
use weir_rules::status::settled::{Progress, progress};

/// A pool is not reported more often than this, except when it finishes.
const LEAST_PAUSE: Duration = Duration::from_millis(500);

/// Shows the progress of pools.
pub(super) struct Display {
    bars: Option<MultiProgress>,
    pools: BTreeMap<String, Shown>,
    start: Instant,
}

struct Shown {
    text: String,
    at: Instant,
    bar: Option<ProgressBar>,
}

impl Display {
    pub(super) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, pools: BTreeMap::new(), start: Instant::now() }
    }

    /// Prints a line above the bars, or just a line.
    pub(super) fn say(&self, text: &str) {
        match &self.bars {
            // Nothing can be reported once the terminal is gone.
            Some(bars) => _ = bars.println(text),
            None => tell!("{text}"),
        }
    }

    /// Shows changes.
    pub(super) fn show(&mut self, pool: &MachineConfigPool) {
        let name = pool.metadata.name.clone().unwrap_or_default();
        let progress = progress(pool);
        let text = progress.to_string();
        let bars = self.bars.as_ref();
        let shown = self.pools.entry(name.clone()).or_insert_with(|| Shown {
            text: String::new(),
            at: Instant::now().checked_sub(LEAST_PAUSE).unwrap_or_else(Instant::now),
            bar: bars.map(|bars| bars.add(bar(&name))),
        });
        let rest = matches!(progress, Progress::AtRest { .. });
        if shown.text == text || (!rest && shown.at.elapsed() < LEAST_PAUSE) {
            return;
        }
        match &shown.bar {
            Some(bar) => draw(bar, &progress, &text),
            None => tell!("{:6.2}s  {name}: {text}", self.start.elapsed().as_secs_f64()),
        }
        shown.text = text;
        shown.at = Instant::now();
    }

    /// Leaves the last state of the bars on the screen.
    pub(super) fn finish(&self) {
        for bar in self.pools.values().filter_map(|shown| shown.bar.as_ref()) {
            bar.abandon();
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(1).with_prefix(name.to_owned());
    match ProgressStyle::with_template("{prefix:>10} [{bar:24}] {wide_msg}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn draw(bar: &ProgressBar, progress: &Progress, text: &str) {
    let (position, length) = match progress {
        Progress::Moving { updated, of, .. } => (*updated, *of),
        Progress::AtRest { nodes } => (*nodes, *nodes),
        Progress::NotRendered | Progress::NotSeen | Progress::Degraded { .. } => (0, 1),
    };
    bar.set_length(u64::try_from(length.max(1)).unwrap_or(1));
    bar.set_position(u64::try_from(position.max(i32::from(length == 0))).unwrap_or(0));
    bar.set_message(text.to_owned());
}
