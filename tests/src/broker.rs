// SPDX-License-Identifier: Apache-2.0
//! A real Apache Kafka broker: one node in KRaft combined mode, on free ports, in a folder of its own. It can be
//! killed, as a power cut would, and started again on the same port with the same log.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::java::java;
use crate::kafka_log::{self, STORAGE_TOOL};

/// For the broker to answer; a loaded machine with two cores takes about 10 s.
const START: Duration = Duration::from_secs(90);
/// A broker that was killed may not come back before its controller has given its former life up, which takes 9 s by default.
const SHORT_LIVES: &str = "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n";
/// Other processes may take a port between our asking and the broker's binding it.
const PORT_CLASHES: u32 = 5;

/// What a second listener of a broker asks of its clients.
pub enum Guard<'a> {
    /// A name and a password, by SCRAM-SHA-256.
    Scram {
        /// Who may come.
        user: &'a str,
        /// What is to be said.
        password: &'a str,
    },
    /// A token, by OAUTHBEARER, from whomever: Kafka's own validator for tests looks at its claims alone.
    Token,
    /// Nothing, but it shows this certificate.
    Tls {
        /// A PEM file.
        certificate: &'a Path,
        /// Its key, PKCS#8 in a PEM file.
        key: &'a Path,
    },
    /// A name and a password, by PLAIN; and what is not allowed is refused.
    Acls {
        /// Who may come.
        user: &'a str,
        /// What is to be said.
        password: &'a str,
    },
}

impl Guard<'_> {
    /// Lines of `server.properties`, and arguments for the log's formatting.
    fn settings(&self, folder: &Path) -> (String, Vec<String>) {
        const MODULE: &str = "org.apache.kafka.common.security";
        const OURS: &str = "listener.name.guarded";
        match self {
            Self::Scram { user, password } => (
                format!(
                    "{OURS}.sasl.enabled.mechanisms=SCRAM-SHA-256\n\
                     {OURS}.scram-sha-256.sasl.jaas.config={MODULE}.scram.ScramLoginModule required;"
                ),
                vec!["--add-scram".into(), format!("SCRAM-SHA-256=[name={user},password={password}]")],
            ),
            Self::Token => (
                format!(
                    "{OURS}.sasl.enabled.mechanisms=OAUTHBEARER\n\
                     {OURS}.oauthbearer.sasl.jaas.config={MODULE}.oauthbearer.OAuthBearerLoginModule required \
                     unsecuredLoginStringClaim_sub=\"broker\";"
                ),
                vec![],
            ),
            Self::Tls { certificate, key } => {
                let pem = [key, certificate].map(|file| fs::read_to_string(file).expect("a PEM file")).concat();
                let keystore = folder.join("keystore.pem");
                fs::write(&keystore, pem).expect("the broker's keystore");
                let keystore = keystore.display();
                (format!("{OURS}.ssl.keystore.type=PEM\n{OURS}.ssl.keystore.location={keystore}"), vec![])
            }
            Self::Acls { user, password } => (
                format!(
                    "{OURS}.sasl.enabled.mechanisms=PLAIN\n\
                     {OURS}.plain.sasl.jaas.config={MODULE}.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
                     authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                     super.users=User:ANONYMOUS"
                ),
                vec![],
            ),
        }
    }

    fn protocol(&self) -> &'static str {
        match self {
            Self::Tls { .. } => "SSL",
            Self::Scram { .. } | Self::Token | Self::Acls { .. } => "SASL_PLAINTEXT",
        }
    }
}

/// A running broker; killed when dropped.
pub struct Broker {
    folder: TempDir,
    port: u16,
    guarded: u16,
    process: Option<Child>,
}

impl Broker {
    /// Starts one with an empty log and waits until it answers.
    pub fn start() -> Self {
        Self::launch_one(None, None)
    }

    /// The same, with its log in a folder on some disk, which may become full.
    ///
    /// Kafka itself (4.3) then loses what it has acknowledged: its indices are sparse files that it maps, and writing to a
    /// hole for which there is no room faults *after* the batch is in the log. The batch is there twice after a retry, and
    /// the recovery at the next start deletes the segment ("Found invalid offset during recovery"). With more brokers a
    /// replica has the rest; this one is alone, so it writes no index until its log is large.
    pub fn start_on(disk: &Path) -> Self {
        Self::launch_one(None, Some(disk))
    }

    /// The same, with a second listener that is guarded.
    pub fn start_guarded(guard: &Guard<'_>) -> Self {
        Self::launch_one(Some(guard), None)
    }

    fn launch_one(guard: Option<&Guard<'_>>, disk: Option<&Path>) -> Self {
        for _ in 0..PORT_CLASHES {
            let folder = tempfile::tempdir().expect("a temporary folder for Kafka");
            let [port, controller, guarded] = free_ports();
            let log = disk.unwrap_or(folder.path()).join("log");
            let more = write_properties(folder.path(), &log, [port, controller, guarded], guard);
            if disk.is_some() {
                append(&folder.path().join("server.properties"), "log.index.interval.bytes=1073741824\n");
            }
            if guard.is_some() {
                kafka_log::format(java(STORAGE_TOOL), folder.path(), &more);
            } else {
                kafka_log::write_empty(&log, &kafka_log::fresh_cluster(), 1);
            }
            let mut broker = Self { folder, port, guarded, process: None };
            match broker.launch() {
                Ok(()) => return broker,
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("Kafka did not start:\n{log}"),
            }
        }
        panic!("Kafka found its port taken {PORT_CLASHES} times");
    }

    /// The life of a broker, from an empty log to an end in order, by Javas that the caller makes of their class's name.
    pub(crate) fn live_once(java: impl Fn(&str) -> Command) {
        let folder = tempfile::tempdir().expect("a temporary folder for Kafka");
        let [port, controller, guarded] = free_ports();
        write_properties(folder.path(), &folder.path().join("log"), [port, controller, guarded], None);
        kafka_log::format(java(STORAGE_TOOL), folder.path(), &[]);
        let mut broker = Self { folder, port, guarded, process: None };
        broker.spawn_with(java("kafka.Kafka"));
        if broker.await_answer().is_ok() {
            broker.signal("TERM");
            broker.process.take().map(|mut process| process.wait());
        }
    }

    /// What `--kafka` takes.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of its second listener.
    pub fn guarded_address(&self) -> String {
        format!("127.0.0.1:{}", self.guarded)
    }

    /// SIGKILL: nothing is flushed, no client is told.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have died before: then there is nothing to kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Makes a topic, by Kafka's own tool, with more arguments of that.
    pub fn topic(&self, name: &str, more: &[&str]) {
        let made = java("org.apache.kafka.tools.TopicCommand")
            .args(["--bootstrap-server", &self.address(), "--create", "--topic", name])
            .args(more)
            .output()
            .expect("java was there a moment ago");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    }

    /// Allows somebody an operation on a topic, by Kafka's own tool.
    pub fn allow(&self, user: &str, topic: &str, operation: &str) {
        let allowed = java("org.apache.kafka.tools.AclCommand")
            .args(["--bootstrap-server", &self.address(), "--add", "--allow-principal", &format!("User:{user}")])
            .args(["--operation", operation, "--topic", topic])
            .output()
            .expect("java was there a moment ago");
        assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stdout));
    }

    /// SIGSTOP: its connections stay, and nothing answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a broker that runs");
        let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "the broker is gone");
    }

    /// Starts again after [`Broker::kill`], on the same port and log.
    pub fn restart(&mut self) {
        self.kill();
        if let Err(log) = self.launch() {
            panic!("Kafka did not start again:\n{log}");
        }
    }

    /// Starts the process and waits until it answers; else what it had to say.
    fn launch(&mut self) -> Result<(), String> {
        self.spawn();
        self.await_answer()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    fn spawn(&mut self) {
        self.spawn_with(java("kafka.Kafka"));
    }

    fn spawn_with(&mut self, mut java: Command) {
        let log = self.log();
        let process = java
            .arg(self.folder.path().join("server.properties"))
            .stdout(File::create(&log).expect("the broker's log"))
            .stderr(File::options().append(true).open(&log).expect("the broker's log"))
            .spawn()
            .expect("java was there a moment ago");
        self.process = Some(process);
    }

    fn await_answer(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while !self.answers() {
            if !self.is_running() || Instant::now() > deadline {
                self.kill();
                return Err(fs::read_to_string(self.log()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Whether its process has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().expect("the state of a child").is_none())
    }

    /// Asks for metadata, once it listens; waits up to a second for the answer.
    fn answers(&self) -> bool {
        if TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            // A refused connection is an answer without a wait, though not for kcat.
            std::thread::sleep(Duration::from_millis(50));
            return false;
        }
        let asked = Command::new("kcat")
            .args(["-b", &self.address(), "-L", "-m", "1"])
            .stdin(Stdio::null())
            .output()
            .expect("kcat is missing: apt install kcat (./dev test does)");
        asked.status.success()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Up to three brokers that hold a copy of everything each, with a second listener for whoever is to be cut off from them.
pub struct Cluster {
    brokers: Vec<Broker>,
    far: Vec<String>,
}

impl Cluster {
    /// Starts so many. `far` is given the ports of their second listeners, and gives the addresses under which they are
    /// to be reached.
    pub fn start(size: usize, far: impl Fn(&[u16]) -> Vec<String>) -> Self {
        for _ in 0..PORT_CLASHES {
            let all: [u16; 9] = free_ports();
            let [ports, controllers, seconds] = [0, 3, 6].map(|first| &all[first..first + size]);
            let voters: Vec<_> = (0..size).map(|n| format!("{}@127.0.0.1:{}", n + 1, controllers[n])).collect();
            let (far, cluster) = (far(seconds), kafka_log::fresh_cluster());
            let broker = |n: usize| {
                let folder = tempfile::tempdir().expect("a temporary folder for Kafka");
                let (port, second) = (ports[n], seconds[n]);
                let text = format!(
                    "process.roles=broker,controller\n\
                     node.id={}\n\
                     controller.quorum.voters={}\n\
                     listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{},FAR://0.0.0.0:{second}\n\
                     advertised.listeners=PLAINTEXT://127.0.0.1:{port},FAR://{}\n\
                     listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT\n\
                     inter.broker.listener.name=PLAINTEXT\n\
                     controller.listener.names=CONTROLLER\n\
                     log.dirs={}\n\
                     num.partitions=4\n\
                     auto.create.topics.enable=false\n\
                     default.replication.factor={size}\n\
                     min.insync.replicas={}\n\
                     offsets.topic.replication.factor={size}\n\
                     offsets.topic.num.partitions=4\n\
                     # Tests are in a hurry.\n\
                     group.initial.rebalance.delay.ms=0\n\
                     group.min.session.timeout.ms=1000\n\
                     controller.quorum.election.timeout.ms=200\n\
                     controller.quorum.election.backoff.max.ms=100\n\
                     {SHORT_LIVES}",
                    n + 1,
                    voters.join(","),
                    controllers[n],
                    far[n],
                    folder.path().join("log").display(),
                    size.div_ceil(2),
                );
                fs::write(folder.path().join("server.properties"), text).expect("server.properties");
                kafka_log::write_empty(&folder.path().join("log"), &cluster, n + 1);
                Broker { folder, port, guarded: second, process: None }
            };
            let mut brokers: Vec<_> = (0..size).map(broker).collect();
            brokers.iter_mut().for_each(Broker::spawn);
            match brokers.iter_mut().try_for_each(Broker::await_answer) {
                Ok(()) => return Self { brokers, far },
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("Kafka did not start:\n{log}"),
            }
        }
        panic!("Kafka found its port taken {PORT_CLASHES} times");
    }

    /// What `--kafka` takes.
    pub fn address(&self) -> String {
        self.brokers.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// The same, of the second listeners.
    pub fn far(&self) -> String {
        self.far.join(",")
    }
}

/// An address at which nobody listens.
pub fn nobody() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// A port that nobody listens on; another process may take it first.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Each is given to one test of this process only, for a broker takes seconds until it binds its own.
fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    [(); N].map(|()| {
        loop {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a bound address").port();
            if given.insert(port) {
                return port;
            }
        }
    })
}

fn append(file: &Path, text: &str) {
    let mut all = fs::read_to_string(file).expect("a file that was written");
    all.push_str(text);
    fs::write(file, all).expect("a file that was written");
}

/// What the log's formatting is to be told besides.
fn write_properties(folder: &Path, log: &Path, ports: [u16; 3], guard: Option<&Guard<'_>>) -> Vec<String> {
    let [port, controller, guarded] = ports;
    let (more, arguments) = guard.map(|guard| guard.settings(folder)).unwrap_or_default();
    // With no guard there are two listeners, as most users have.
    let (listener, protocol) = match guard {
        None => (String::new(), String::new()),
        Some(guard) => (format!(",GUARDED://127.0.0.1:{guarded}"), format!(",GUARDED:{}", guard.protocol())),
    };
    let text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listener}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocol}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         # More than one, so that keys matter.\n\
         num.partitions=4\n\
         # Topics that appear were made by us.\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         {SHORT_LIVES}{more}\n",
        log.display()
    );
    fs::write(folder.join("server.properties"), text).expect("server.properties");
    arguments
}
