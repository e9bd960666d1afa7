// SPDX-License-Identifier: Apache-2.0
//! The command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use polygraph_core::fault::{Faults, Limits};
use polygraph_core::profile::Profile;
use polygraph_models::Provider;

use crate::{
    analyze, doctor,
    error::Result,
    eval::{self, Condition},
    models,
    replay::{self, Source},
    senses, service, streams, topics, worker,
};

/// Watches and listens to streams and files and says what is shown and what is said.
#[derive(Parser)]
#[command(name = "polygraph", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Analyse files or URIs: events.ndjson, transcript.vtt and summary.json
    Analyze(Box<Analyze>),
    /// Measure how good the shipped analysers are on a folder of labelled faces: eval.json and eval.html
    #[command(after_long_help = eval::FOLDER)]
    Eval(Eval),
    /// Send the events of a file or a spool to Kafka, under the ids they have
    Replay(Replay),
    /// Make and check Polygraph's topics at Kafka
    #[command(subcommand)]
    Topics(topics::Command),
    /// List, want and take back the streams that a fleet of workers runs
    #[command(subcommand)]
    Streams(streams::Command),
    /// Run streams that Kafka gives this machine, beside other workers that do the same
    Worker(worker::Worker),
    /// List, fetch, verify and check networks
    #[command(subcommand)]
    Models(models::Command),
    /// Cut what the networks for lips and sound are given out of clips, to train or try such networks
    Senses(senses::Senses),
    /// Watch many live streams: the service, with its API and live page
    Run(service::Run),
    /// Look at this machine: what is there, what is missing, what to do
    Doctor(doctor::Doctor),
}

/// `polygraph analyze`.
#[derive(Args, Clone)]
pub struct Analyze {
    /// Files, or URIs (file, rtsp, rtmp, http, https, srt, udp)
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Folder for the results; with several inputs each gets a folder in it
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many pictures a second are searched for faces
    #[arg(long, value_name = "FPS", default_value_t = 5.0, value_parser = fps)]
    pub analysis_fps: f64,
    /// Look for small faces too: the picture is searched in overlapping tiles, at several times the cost
    #[arg(long)]
    pub tiles: bool,
    /// Do not write down what is said
    #[arg(long)]
    pub no_transcript: bool,
    /// Do not look for signs of manipulation in faces
    #[arg(long)]
    pub no_forensics: bool,
    /// Do not compare lips with the sound, nor say who speaks
    #[arg(long)]
    pub no_lip_sync: bool,
    /// Do not label what is shown: scenes, indoors or outdoors
    #[arg(long)]
    pub no_scenes: bool,
    /// Look for what may be unfit to be shown. Its network is there once `polygraph models fetch nudenet-320n --accept
    /// nudenet-320n` accepted its licence, AGPL-3.0
    #[arg(long)]
    pub safety: bool,
    /// Least score with which a label of --safety is told, in place of its card's
    #[arg(long, value_name = "LABEL=SCORE", requires = "safety", value_delimiter = ',')]
    pub safety_threshold: Vec<String>,
    /// With --keep-faces and --safety: do not blur pictures that show what isn't fit to be shown
    #[arg(long, requires = "safety")]
    pub no_blur: bool,
    /// Read the text that stands on the screen: captions, name straps, signs
    #[arg(long)]
    pub screen_text: bool,
    /// Do not look for faces, nor for anything in them: there are no frame events
    #[arg(long)]
    pub no_faces: bool,
    /// Do not look for shot boundaries
    #[arg(long)]
    pub no_shots: bool,
    /// Do not look for speech, loudness, silence and signs of a synthetic voice
    #[arg(long)]
    pub no_voice: bool,
    /// Look for broadcast faults: all, picture, sound, or names with commas between, such as black,frozen,silence
    #[arg(long, value_name = "LIST", num_args = 0..=1, default_missing_value = "all", value_parser = Faults::parse)]
    pub faults: Option<Faults>,
    /// From where on something is a fault, such as black_s=1.5,silence_dbfs=-50
    #[arg(long, value_name = "LIST", requires = "faults", value_parser = Limits::parse)]
    pub fault_limits: Option<Limits>,
    /// Let lips help the transcript; experimental, of one speaker's 51 words
    #[arg(long, conflicts_with_all = ["no_lip_sync", "no_transcript"])]
    pub lip_reading: bool,
    /// Keep pictures, unblurred, in DIR/evidence and in the report: of each incident, and of each face where it scored
    /// highest, with a map of where it looks manipulated
    #[arg(long, conflicts_with_all = ["no_forensics", "no_faces"])]
    pub keep_faces: bool,
    /// Rules that make incidents: live-moderation, deepfake-screening, broadcast-monitoring, or a TOML file of your own
    #[arg(long, value_name = "NAME|FILE")]
    pub rules: Option<String>,
    /// Certificates of authorities (PEM) whose signers of content credentials (C2PA) are trusted; without it, nobody's are
    #[arg(long, value_name = "FILE")]
    pub trust_anchors: Option<PathBuf>,
    /// What runs the networks: auto, cpu, cuda or tensorrt
    #[arg(long, default_value_t = Provider::Auto)]
    pub provider: Provider,
    /// Id of the stream in events; default: the input's name
    #[arg(long, value_name = "ID")]
    pub stream_id: Option<String>,
    #[command(flatten)]
    pub kafka: Kafka,
    /// Print errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Where events go besides the disk.
#[derive(Args, Clone)]
pub struct Kafka {
    /// Send events to Kafka: host:port, several with commas between
    #[arg(long = "kafka", value_name = "BROKERS")]
    pub brokers: Option<String>,
    /// Keep events in this folder until Kafka has them: what was accepted outlives brokers that are away and a killed
    /// process. A live stream gives up frames first when it is full
    #[arg(long, value_name = "DIR", requires = "brokers")]
    pub spool: Option<PathBuf>,
    /// Most bytes in the spool, such as 20M or 1G; default: 1G
    #[arg(long, value_name = "SIZE", requires = "spool", value_parser = bytes)]
    pub spool_bytes: Option<u64>,
    /// How frames are written for Kafka: polygraph, dlstreamer or deepstream-minimal
    #[arg(long = "kafka-profile", value_name = "PROFILE", default_value_t)]
    pub profile: Profile,
    #[command(flatten)]
    pub connection: Connection,
    /// How long to wait, at the end, until every event is acknowledged
    #[arg(long = "kafka-timeout", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub timeout: Duration,
}

/// How Kafka is spoken to.
#[derive(Args, Clone)]
pub struct Connection {
    /// Settings of librdkafka, one NAME=VALUE a line, such as security.protocol; a value file:PATH or env:NAME is read
    /// from there
    #[arg(long = "kafka-config", value_name = "FILE", requires = "brokers")]
    pub config: Option<PathBuf>,
}

/// `polygraph eval`.
#[derive(Args, Clone)]
pub struct Eval {
    /// The evaluation folder, with its manifest.csv
    pub folder: PathBuf,
    /// Folder for eval.json and eval.html
    #[arg(long, value_name = "DIR", required_unless_present = "calibrate")]
    pub out: Option<PathBuf>,
    /// What is done to the pictures, one run each, with commas between: clean, qp34, qp36, qp38, qp42 (H.264 at that
    /// quantiser), half (half the size and back), noise, moving38 (stills moving through a 640x360 picture, H.264);
    /// or to voices: clean, opus24, aac64, telephone, noise10db
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "clean")]
    pub conditions: Vec<Condition>,
    /// Take at most so many items of each corpus and label
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Instead of measuring on the test items, fit scale, offset and threshold to the calibration items and print them
    /// as lines for the network's card
    #[arg(long)]
    pub calibrate: bool,
    /// How many pictures of a clip are searched for faces each second; stills are all looked at
    #[arg(long, value_name = "FPS", default_value_t = 5.0, value_parser = fps)]
    pub analysis_fps: f64,
    /// Score the faces too that polyforensics refuses for their quality: to see what its gates are worth
    #[arg(long)]
    pub no_gates: bool,
    /// Pipelines side by side; default: one for each core
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Resamples of each interval
    #[arg(long, value_name = "N", default_value_t = 1000, hide_short_help = true)]
    pub resamples: usize,
    /// What runs the networks: auto, cpu, cuda or tensorrt
    #[arg(long, default_value_t = Provider::Auto)]
    pub provider: Provider,
    /// Print errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// `polygraph replay`.
#[derive(Args)]
pub struct Replay {
    /// An events.ndjson
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub events: Option<PathBuf>,
    /// An events.ndjson, or spool:DIR for what is left in a spool
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<Source>,
    /// host:port, several with commas between
    #[arg(long = "kafka", value_name = "BROKERS")]
    pub brokers: String,
    #[command(flatten)]
    pub connection: Connection,
    /// How frames of an events.ndjson are written: polygraph, dlstreamer or deepstream-minimal; a spool's are ready
    #[arg(long = "kafka-profile", value_name = "PROFILE", default_value_t)]
    pub profile: Profile,
    /// How long to wait, at the end, until every event is acknowledged
    #[arg(long = "kafka-timeout", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub timeout: Duration,
}

fn fps(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fps) if (0.1..=240.0).contains(&fps) => Ok(fps),
        _ => Err("a number from 0.1 to 240".into()),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if (1..=256).contains(&jobs) => Ok(jobs),
        _ => Err("a number from 1 to 256".into()),
    }
}

/// Bytes of the command line; K, M and G are powers of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) if text.ends_with('K') => (number, 10),
        Some(number) if text.ends_with('M') => (number, 20),
        Some(number) => (number, 30),
        None => (text, 0),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes >= 1 << 20).ok_or_else(|| "bytes, at least 1M, such as 20M or 1G".into())
}

/// Seconds of the command line.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("seconds, from 0 to 86400".into()),
    }
}

/// Reads the command line and does what it says.
pub fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Analyze(analyze) => analyze::run(&analyze),
        Command::Eval(eval) => eval::run(&eval),
        Command::Replay(replay) => replay::run(&replay),
        Command::Topics(command) => topics::run(&command),
        Command::Streams(command) => streams::run(&command),
        Command::Worker(options) => worker::run(&options),
        Command::Models(command) => models::run(&command),
        Command::Senses(senses) => senses::run(&senses),
        Command::Run(run) => service::run(&run),
        Command::Doctor(doctor) => doctor::run(&doctor),
    }
}
