// SPDX-License-Identifier: Apache-2.0
//! `polygraph streams`: which streams a fleet of workers is to run, and how they are.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use polygraph_core::event::StreamId;
use polygraph_core::fleet::{Status, Wanted};
use polygraph_delivery::{Board, ProducerConfig, Wish, create_fleet_topics};

use crate::cli::{Connection, seconds};
use crate::error::{Error, Result};
use crate::publish::config;
use crate::{uri, wall};

/// `polygraph streams`.
#[derive(Subcommand)]
pub enum Command {
    /// Print the streams that are wanted, who runs each, and how it is: exit 1 unless all run
    List {
        #[command(flatten)]
        cluster: Cluster,
        /// The consumer group of the workers
        #[arg(long, default_value = "polygraph")]
        group: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Want a stream, or want it otherwise
    Set {
        /// Its id in events
        stream: String,
        /// Where it comes from: rtsp, rtmp, http, https, srt or udp; or a file that every worker has
        uri: String,
        /// How many pictures a second are searched for faces
        #[arg(long, value_name = "FPS", default_value_t = 5.0)]
        analysis_fps: f64,
        /// Look for small faces too
        #[arg(long)]
        tiles: bool,
        /// Do not write down what is said
        #[arg(long)]
        no_transcript: bool,
        /// Do not look for signs of manipulation in faces
        #[arg(long)]
        no_forensics: bool,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Take a stream back
    Remove {
        /// Its id
        stream: String,
        #[command(flatten)]
        cluster: Cluster,
    },
}

/// Which cluster.
#[derive(Args)]
pub struct Cluster {
    /// host:port, several with commas between
    #[arg(long = "kafka", visible_alias = "brokers", value_name = "BROKERS")]
    brokers: String,
    #[command(flatten)]
    connection: Connection,
    /// How long to wait for the cluster
    #[arg(long = "kafka-timeout", value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    timeout: Duration,
    /// Partitions of polygraph.desired, where it has to be made
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
}

impl Cluster {
    fn config(&self) -> Result<ProducerConfig> {
        config(&self.brokers, self.timeout, &self.connection)
    }

    fn board(&self) -> Result<Board> {
        let config = self.config()?;
        create_fleet_topics(&config, self.partitions, None)?;
        Ok(Board::new(config)?)
    }
}

/// Reads or writes the table of wanted streams.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List { cluster, group, json } => list(&cluster.board()?, group, *json),
        Command::Set { stream, uri, analysis_fps, tiles, no_transcript, no_forensics, cluster } => {
            let (analysis_fps, tiles) = (*analysis_fps, *tiles);
            let (transcript, forensics) = (!no_transcript, !no_forensics);
            let wanted = Wanted { analysis_fps, tiles, transcript, forensics, ..Wanted::new(uri) };
            set(&cluster.board()?, stream, &wanted)
        }
        Command::Remove { stream, cluster } => {
            let board = cluster.board()?;
            if !board.wanted()?.iter().any(|wish| wish.stream == *stream) {
                return Err(Error::input(stream, "no such stream is wanted; polygraph streams list shows them"));
            }
            board.want(stream, None)?;
            outln!("{stream}: taken back");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn set(board: &Board, stream: &str, wanted: &Wanted) -> Result<ExitCode> {
    let id = StreamId::new(stream);
    if id.as_str() != stream {
        return Err(Error::input(stream, format!("letters, digits, '.', '_' and '-' make an id; `{id}` would do")));
    }
    let invalid = |why: String| Error::input(stream, why);
    let record = serde_json::to_vec(wanted).map_err(|error| invalid(error.to_string()))?;
    // What a worker would refuse is not written in the first place.
    Wanted::read(&record).map_err(invalid)?;
    board.want(stream, Some(&record))?;
    outln!("{stream}: wanted");
    Ok(ExitCode::SUCCESS)
}

/// A line of the list.
#[derive(serde::Serialize)]
struct Line {
    stream: String,
    /// `None`: somebody runs it although nobody wants it, or did until now.
    wanted: Option<Wanted>,
    /// What is wrong with its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<String>,
    actual: Option<Status>,
    /// The worker that said so is a member of the group.
    present: bool,
}

fn list(board: &Board, group: &str, json: bool) -> Result<ExitCode> {
    let members = board.members(group)?;
    let lines = lines(board.wanted()?, &board.status()?, &members);
    for line in &lines {
        if json {
            outln!("{}", serde_json::to_string(line).unwrap_or_default());
        } else {
            outln!("{}", line.told());
        }
    }
    if !json {
        outln!("{} streams, {} workers", lines.len(), members.len());
    }
    let all_run =
        lines.iter().all(|line| line.present && line.actual.as_ref().is_some_and(|now| now.state == "running"));
    Ok(if all_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wanted beside what is; streams that nobody wants are shown while somebody runs them.
fn lines(wishes: Vec<Wish>, status: &BTreeMap<String, Vec<u8>>, members: &[String]) -> Vec<Line> {
    let mut all: BTreeMap<String, Option<Result<Wanted, String>>> =
        wishes.into_iter().map(|wish| (wish.stream, Some(Wanted::read(&wish.record)))).collect();
    for stream in status.keys() {
        all.entry(stream.clone()).or_default();
    }
    let line = |(stream, wanted): (String, Option<Result<Wanted, String>>)| {
        let actual: Option<Status> = status.get(&stream).and_then(|record| serde_json::from_slice(record).ok());
        let present = actual.as_ref().is_some_and(|actual| members.contains(&actual.worker));
        let (wanted, invalid) = match wanted {
            None => (None, None),
            Some(Ok(wanted)) => (Some(wanted), None),
            Some(Err(why)) => (None, Some(why)),
        };
        Line { stream, wanted, invalid, actual, present }
    };
    let over = |line: &Line| {
        let ended = line.actual.as_ref().is_none_or(|now| matches!(now.state.as_str(), "stopped" | "refused"));
        line.wanted.is_none() && line.invalid.is_none() && (ended || !line.present)
    };
    all.into_iter().map(line).filter(|line| !over(line)).collect()
}

impl Line {
    fn told(&self) -> String {
        let wanted = match (&self.wanted, &self.invalid) {
            (Some(wanted), _) => uri::shown(&wanted.uri),
            (None, Some(why)) => format!("not valid: {why}"),
            (None, None) => "not wanted".into(),
        };
        let actual = match &self.actual {
            None => "nobody runs it".into(),
            Some(now) => {
                let gone = if self.present { "" } else { " (gone)" };
                let reason = now.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let Status { worker, generation, state, .. } = now;
                format!("{state} on {worker}{gone} for {} s, generation {generation}{reason}", self.age())
            }
        };
        format!("{}\t{wanted}\t{actual}", self.stream)
    }

    fn age(&self) -> u64 {
        self.actual.as_ref().map_or(0, |actual| wall::now_ms().saturating_sub(actual.since_ms) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(stream: &str, record: &str) -> Wish {
        Wish { partition: 0, stream: stream.into(), record: record.into() }
    }

    fn status(worker: &str, state: &str) -> Vec<u8> {
        let status = Status { worker: worker.into(), generation: 3, state: state.into(), reason: None, since_ms: 0 };
        serde_json::to_vec(&status).unwrap()
    }

    #[test]
    fn what_is_wanted_stands_beside_what_is() {
        let wishes =
            vec![wish("a", r#"{"uri":"rtsp://u:p@cam/1?key=k"}"#), wish("b", "{"), wish("c", r#"{"uri":"x"}"#)];
        let is = [
            ("a".into(), status("w1", "running")),
            ("c".into(), status("w9", "running")),
            ("d".into(), status("w1", "stopped")),
            ("e".into(), status("w1", "running")),
            ("f".into(), status("w9", "running")),
        ];
        let told: Vec<_> = lines(wishes, &is.into(), &["w1".into()]).iter().map(Line::told).collect();
        let [a, b, c, e] = &told[..] else { panic!("{told:?}") };
        assert!(a.starts_with("a\trtsp://cam/1\trunning on w1 for ") && a.ends_with("generation 3"), "{a}");
        assert!(b.starts_with("b\tnot valid: ") && b.ends_with("nobody runs it"), "{b}");
        assert!(c.contains("running on w9 (gone)"), "{c}");
        assert!(e.starts_with("e\tnot wanted\trunning on w1"), "{e}");
    }
}
