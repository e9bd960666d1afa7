// SPDX-License-Identifier: Apache-2.0
//! `polygraph.toml`: what the service does. It is checked as a whole before anything starts.

mod check;
mod schema;
mod secret;
mod stream;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use polygraph_core::profile::Profile;
use polygraph_models::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::service::evidence::Place;
pub use schema::of_config;
pub use secret::Secret;
pub use stream::StreamConfig;

/// Where the API listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:8900";

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP API and the live page.
    pub http: Http,
    /// What the service keeps on disk.
    pub store: Store,
    /// Apache Kafka; left out, events stay in the store.
    pub kafka: Option<Kafka>,
    /// What may be opened.
    pub allow: Allow,
    /// What gives way when the machine has too much to do.
    pub load: Load,
    /// What runs the networks: auto, cpu, cuda or tensorrt.
    pub provider: String,
    /// The streams; more can be added by the API.
    pub streams: Vec<StreamConfig>,
}

/// The HTTP API and the live page.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port. Any but a loopback address demands a token.
    pub listen: String,
    /// Who may use the API. None on a loopback address: everybody on this machine is an operator.
    pub tokens: Vec<Token>,
    /// Requests a second that one address may make on average; five times as many at once.
    pub requests_per_second: u32,
    /// Names under which the page is reached besides IP addresses and localhost, such as that of a reverse proxy.
    pub hosts: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: LISTEN.into(), tokens: vec![], requests_per_second: 50, hosts: vec![] }
    }
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is; for the audit log.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The token itself, at least 16 characters: `env:NAME`, `file:PATH` or as it is.
    pub token: Secret,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To look.
    Viewer,
    /// To add, change and remove streams, and to acknowledge incidents, too.
    Operator,
}

/// What the service keeps on disk: events as NDJSON, evidence, streams added by the API, the audit log.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The folder; default: $XDG_STATE_HOME/polygraph or ~/.local/state/polygraph.
    pub folder: Option<PathBuf>,
    /// Most megabytes of events; the oldest go first.
    pub max_mb: u64,
    /// Most days that events and evidence are kept.
    pub max_days: u64,
    /// Whether to keep evidence: pictures of incidents, shots, and faces where they scored highest.
    pub evidence: bool,
    /// Most megabytes of evidence; the oldest goes first.
    pub evidence_mb: u64,
    /// Where evidence is kept instead of the folder: `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX`.
    pub evidence_url: Option<String>,
    /// How it is reached, by the names of the crate `object_store`: `aws_region`, `aws_endpoint`, `azure_storage_account_name`
    /// and the like. A value may be `env:NAME` or `file:PATH`. What isn't here is taken from the environment, where the
    /// clouds' own tools look too.
    pub evidence_settings: BTreeMap<String, Secret>,
    /// Whether faces in it are blurred, so that nobody is known by them. Where a stream isn't searched for faces, whole pictures
    /// are; mouths are left out.
    pub blur: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            folder: None,
            max_mb: 1024,
            max_days: 7,
            evidence: true,
            evidence_mb: 1024,
            evidence_url: None,
            evidence_settings: BTreeMap::new(),
            blur: true,
        }
    }
}

impl Store {
    /// Where evidence is kept, if it is.
    ///
    /// # Errors
    /// When a secret isn't there.
    pub fn place(&self) -> Result<Option<Place>, String> {
        if !self.evidence {
            return Ok(None);
        }
        let told = |(name, secret): (&String, &Secret)| match secret.value() {
            Ok(value) => Ok((name.clone(), value)),
            Err(why) => Err(format!("store.evidence_settings: {name}: {why}")),
        };
        Ok(Some(Place {
            folder: self.folder().join("evidence"),
            url: self.evidence_url.clone(),
            settings: self.evidence_settings.iter().map(told).collect::<Result<_, _>>()?,
            max_age: Duration::from_secs(self.max_days * 24 * 3600),
            max_bytes: self.evidence_mb << 20,
            blurs: self.blur,
        }))
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let default = || {
            let state = variable("XDG_STATE_HOME");
            let home = || variable("HOME").unwrap_or_default().join(".local/state");
            state.unwrap_or_else(home).join("polygraph")
        };
        self.folder.clone().unwrap_or_else(default)
    }
}

/// Apache Kafka.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, several with commas between.
    pub brokers: String,
    /// The folder of the spool, in which events wait for Kafka; default: `spool` in the store's folder.
    #[serde(default)]
    pub spool: Option<PathBuf>,
    /// Most megabytes in the spool; when it is full the oldest frames are given up first, incidents last. Default: 1024.
    #[serde(default)]
    pub spool_mb: Option<u64>,
    /// How frames are written for Kafka.
    #[serde(default)]
    pub profile: Profile,
    /// Further settings of librdkafka by its names, such as `"security.protocol"`. A value may be `env:NAME` or
    /// `file:PATH`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// What gives way when the machine has too much to do: partial transcripts first, then the rates at which pictures are
/// searched, by the streams' priorities and never under their floors.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// Whether anything does; without, pictures are shed before the analysers, whichever they are.
    pub control: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self { control: true }
    }
}

/// What may be opened. It is asked again at every connection, after the host's name was resolved; playlists' children
/// and redirects are asked as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Schemes of URIs.
    pub schemes: Vec<String>,
    /// Hosts: names, `*.example.org` for all below, networks such as `10.1.0.0/16`, and `*` for all but this machine
    /// itself and link-local addresses, which only a network opens.
    pub hosts: Vec<String>,
    /// Folders whose files may be opened, with all below.
    pub folders: Vec<PathBuf>,
}

impl Default for Allow {
    fn default() -> Self {
        let schemes =
            ["rtsp", "rtsps", "rtspt", "rtspu", "rtmp", "rtmps", "http", "https", "srt", "udp", "rtp", "test"];
        Self { schemes: schemes.map(str::to_owned).to_vec(), hosts: vec!["*".into()], folders: vec![] }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// All that is wrong with it, a line each.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::file(path))?;
        Self::parse(&text).map_err(|why| Error::Config { path: path.display().to_string(), why })
    }

    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// All that is wrong with it, a line each.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| check::syntax(&error, text))?;
        config.check()?;
        Ok(config)
    }

    /// Checks it as a whole.
    ///
    /// # Errors
    /// All that is wrong with it, a line each.
    pub fn check(&self) -> Result<(), String> {
        let wrong = check::whole(self);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n  ")) }
    }

    /// What runs the networks.
    pub fn provider(&self) -> Provider {
        // It was checked.
        self.provider.parse().unwrap_or_default()
    }

    /// Where the API listens.
    pub fn listen(&self) -> SocketAddr {
        self.http.listen.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8900)))
    }
}
