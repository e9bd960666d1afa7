// SPDX-License-Identifier: Apache-2.0
//! `polygraph replay`: the same ids again, so that consumers drop what they have.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use polygraph_delivery::{Courier, CourierConfig, Message, Producer};

use crate::{
    cli::Replay,
    error::{Error, Result},
    publish::{config, shortfall, spooled_shortfall, tell},
};

/// Where events are sent from again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An `events.ndjson`.
    Events(PathBuf),
    /// The folder of a spool.
    Spool(PathBuf),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("spool:") {
            Some("") => Err("write spool:FOLDER, or a file".into()),
            None if text.is_empty() => Err("write spool:FOLDER, or a file".into()),
            Some(folder) => Ok(Self::Spool(folder.into())),
            None => Ok(Self::Events(text.into())),
        }
    }
}

/// Sends events again.
pub fn run(replay: &Replay) -> Result<ExitCode> {
    match (&replay.events, &replay.from) {
        (Some(events), _) | (None, Some(Source::Events(events))) => file(events, replay),
        (None, Some(Source::Spool(folder))) => spool(folder, replay),
        // clap demands one of them.
        (None, None) => Ok(ExitCode::FAILURE),
    }
}

fn spool(folder: &Path, replay: &Replay) -> Result<ExitCode> {
    if !folder.join(polygraph_delivery::SPOOL_FILE).is_file() {
        return Err(Error::input(folder.display().to_string(), "there is no spool in this folder"));
    }
    let config = config(&replay.brokers, replay.timeout, &replay.connection)?;
    // Whoever sends a spool again wants what is old, too.
    let config = CourierConfig { max_age: Duration::MAX, ..CourierConfig::new(config, folder) };
    let courier = Courier::start(config, |notice| tell(&notice))?;
    let delivery = courier.finish(replay.timeout);
    let sum = delivery.tallies.sum();
    outln!("{} events were in the spool, {} acknowledged", sum.replayed, sum.acknowledged);
    if !delivery.complete() {
        errln!("polygraph: {}", spooled_shortfall(&delivery, &replay.brokers, folder));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn file(events: &Path, replay: &Replay) -> Result<ExitCode> {
    let file = File::open(events).map_err(Error::file(events))?;
    // There is nothing else to do here, so a full queue holds the reading back.
    let producer = Producer::start(config(&replay.brokers, replay.timeout, &replay.connection)?)?;
    // A line that is no event, such as the last one of a full disk, doesn't keep the others back.
    let mut bad = None;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let message = line
            .map_err(|error| error.to_string())
            .and_then(|line| Message::of_line(&line, replay.profile).map_err(|why| why.to_string()));
        match message {
            // A refusal is in the counts.
            Ok(message) => drop(producer.send(message)),
            Err(why) => {
                bad.get_or_insert(Error::Event { path: events.display().to_string(), line: index + 1, why });
            }
        }
    }
    let report = producer.finish(replay.timeout);
    outln!("{} events produced, {} acknowledged", report.counts.produced, report.counts.acknowledged);
    if !report.complete() {
        errln!("polygraph: {}", shortfall(&report, &replay.brokers, events));
        return Ok(ExitCode::FAILURE);
    }
    bad.map_or(Ok(ExitCode::SUCCESS), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_or_a_spool() {
        assert_eq!("spool:/a b".parse(), Ok(Source::Spool("/a b".into())));
        assert_eq!("out/events.ndjson".parse(), Ok(Source::Events("out/events.ndjson".into())));
        for none in ["", "spool:"] {
            assert!(none.parse::<Source>().is_err(), "{none}");
        }
    }
}
