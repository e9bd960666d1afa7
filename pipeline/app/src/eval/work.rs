// SPDX-License-Identifier: Apache-2.0
//! All items of a condition, shared out over jobs.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    Setup, clips,
    condition::Condition,
    degrade::Psnr,
    manifest::{Item, Kind},
    moving,
    outcome::Outcome,
    still,
    stills::Stills,
};
use crate::error::Result;

/// Stills of one pipeline at most: few enough to keep all jobs busy.
const BATCH: usize = 200;
/// Between lines where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// The outcomes of a condition.
#[derive(Debug)]
pub struct Run {
    /// What was done to the pictures.
    pub condition: Condition,
    /// By the items' numbers; moving pictures are made of stills only, so clips are absent there.
    pub outcomes: BTreeMap<usize, Outcome>,
    /// Mean PSNR of the pictures against what they were, in decibels.
    pub psnr_db: Option<f64>,
    /// Wall time.
    pub seconds: f64,
}

/// What one job does at a time.
enum Task<'a> {
    Stills { canvas: (u32, u32), items: Vec<(usize, &'a Item)> },
    Clip(usize, &'a Item),
}

/// What a job tells.
enum News {
    One,
    Ended(Result<Option<BTreeMap<usize, Outcome>>>),
}

/// Runs the items, which are given with their numbers. `None` when the user asked to stop.
///
/// # Errors
/// When the analysers fail; a bad item is an outcome.
pub fn run(setup: &Setup, condition: Condition, items: &[(usize, &Item)]) -> Result<Option<Run>> {
    let began = Instant::now();
    let psnr = Arc::new(Psnr::default());
    let tasks = tasks(condition, items);
    let count = tasks.iter().map(|task| if let Task::Stills { items, .. } = task { items.len() } else { 1 }).sum();
    let mut progress = Progress::new(setup.quiet, condition, count);
    let (next, mut outcomes, mut failure, mut stopped) = (AtomicUsize::new(0), BTreeMap::new(), None, false);
    thread::scope(|scope| {
        let (tell, news) = mpsc::channel();
        for _ in 0..setup.jobs {
            let (tell, tasks, next, psnr) = (tell.clone(), &tasks, &next, &psnr);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ended = one(setup, condition, psnr, task, &tell);
                    let last = !matches!(ended, Ok(Some(_)));
                    // The listener outlives the jobs.
                    if tell.send(News::Ended(ended)).is_err() || last {
                        next.store(tasks.len(), Ordering::Relaxed);
                    }
                }
            });
        }
        drop(tell);
        for news in news {
            match news {
                News::One => progress.one(),
                News::Ended(Ok(Some(found))) => outcomes.extend(found),
                News::Ended(Ok(None)) => stopped = true,
                News::Ended(Err(error)) => drop(failure.get_or_insert(error)),
            }
        }
    });
    progress.finish();
    match failure {
        Some(error) => Err(error),
        None if stopped => Ok(None),
        None => {
            let seconds = began.elapsed().as_secs_f64();
            Ok(Some(Run { condition, outcomes, psnr_db: psnr.mean(), seconds }))
        }
    }
}

fn one(
    setup: &Setup,
    condition: Condition,
    psnr: &Arc<Psnr>,
    task: &Task<'_>,
    tell: &mpsc::Sender<News>,
) -> Result<Option<BTreeMap<usize, Outcome>>> {
    // The listener outlives the jobs.
    let done = || drop(tell.send(News::One));
    match task {
        Task::Stills { canvas, items } => Stills { setup, condition, psnr, canvas: *canvas }.run(items, done),
        Task::Clip(number, item) => {
            let outcome = clips::run(setup, condition, psnr, item)?;
            done();
            Ok(outcome.map(|outcome| BTreeMap::from([(*number, outcome)])))
        }
    }
}

/// Stills by the size of their canvas, clips one by one.
fn tasks<'a>(condition: Condition, items: &[(usize, &'a Item)]) -> Vec<Task<'a>> {
    let moving = matches!(condition, Condition::Moving(_));
    let mut sizes: BTreeMap<(u32, u32), Vec<(usize, &Item)>> = BTreeMap::new();
    let mut tasks = Vec::new();
    for (number, item) in items {
        match item.kind {
            // Voices go another way.
            Kind::Sound => {}
            Kind::Clip if moving => {}
            Kind::Clip => tasks.push(Task::Clip(*number, item)),
            Kind::Still => {
                let size = item.file.as_ref().ok().filter(|_| !moving).and_then(|(file, _)| still::size(file));
                // What can't be read is told when it is decoded.
                let size = size.filter(|(w, h)| *w.min(h) >= 16 && *w.max(h) <= still::LARGEST);
                let canvas = size.map_or((moving::SIZE.0 as u32, moving::SIZE.1 as u32), |(w, h)| still::canvas(w, h));
                sizes.entry(canvas).or_default().push((*number, item));
            }
        }
    }
    for (canvas, items) in sizes {
        tasks.extend(items.chunks(BATCH).map(|items| Task::Stills { canvas, items: items.to_vec() }));
    }
    tasks
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    condition: Condition,
    count: usize,
    done: usize,
    told: Instant,
}

impl Progress {
    fn new(quiet: bool, condition: Condition, count: usize) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
            // The template is a constant that indicatif knows; its default would do as well.
            if let Ok(style) = ProgressStyle::with_template("{prefix:9} [{bar:30}] {pos} of {len} items, {eta} to go") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(condition.to_string());
            bar
        });
        Self { bar, quiet, condition, count, done: 0, told: Instant::now() }
    }

    fn one(&mut self) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if !self.quiet && self.told.elapsed() > LINE => {
                self.told = Instant::now();
                errln!("{}: {} of {} items", self.condition, self.done, self.count);
            }
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
