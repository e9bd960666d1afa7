// SPDX-License-Identifier: Apache-2.0
//! A way to brokers that can be cut: nothing passes, and nobody is told, as when a cable is pulled.
//!
//! Root gets a network namespace of its own, whose one link goes down. Elsewhere a proxy stands between, which stops to
//! pass anything on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The way of one worker.
pub enum Line {
    /// By a namespace: its name, and the address of the machine as seen from within.
    Namespace {
        /// The namespace.
        name: String,
        /// The end of the link that is in the machine.
        link: String,
        /// The machine's address.
        address: String,
    },
    /// By a proxy.
    Proxy(Arc<AtomicBool>),
}

impl Line {
    /// The best that this machine allows.
    pub fn new() -> Self {
        // Of this process there may be more: tests run side by side.
        static LINES: AtomicU32 = AtomicU32::new(0);
        let number = (std::process::id() * 16 + LINES.fetch_add(1, Ordering::Relaxed)) % 65_000;
        let (name, link, inner) = (format!("polygraph{number}"), format!("pgo{number}"), format!("pgi{number}"));
        // Of 10.192.0.0/10, which hardly anybody has.
        let network = format!("10.{}.{}", 192 + number / 256 % 64, number % 256);
        let address = format!("{network}.1");
        let line = Self::Namespace { name: name.clone(), link: link.clone(), address: address.clone() };
        let steps = [
            format!("netns add {name}"),
            format!("link add {link} type veth peer name {inner}"),
            format!("link set {inner} netns {name}"),
            format!("addr add {address}/30 dev {link}"),
            format!("link set {link} up"),
            format!("netns exec {name} ip addr add {network}.2/30 dev {inner}"),
            format!("netns exec {name} ip link set {inner} up"),
        ];
        if steps.iter().all(|step| ip(step)) {
            return line;
        }
        // What was made of it goes.
        drop(line);
        Self::Proxy(Arc::default())
    }

    /// Which of the two it is, for the test's report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Namespace { .. } => "network namespace",
            Self::Proxy(_) => "TCP proxy",
        }
    }

    /// The addresses under which ports of this machine are reached by this line.
    pub fn addresses(&self, ports: &[u16]) -> Vec<String> {
        let address = |&port: &u16| match self {
            Self::Namespace { address, .. } => format!("{address}:{port}"),
            Self::Proxy(cut) => proxy(port, Arc::clone(cut)),
        };
        ports.iter().map(address).collect()
    }

    /// A command whose network is at the end of this line.
    pub fn command(&self, program: &std::path::Path) -> Command {
        match self {
            Self::Namespace { name, .. } => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
            Self::Proxy(_) => Command::new(program),
        }
    }

    /// Nothing passes from now on.
    pub fn cut(&self) {
        self.set(true);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.set(false);
    }

    fn set(&self, cut: bool) {
        match self {
            Self::Namespace { link, .. } => {
                let state = if cut { "down" } else { "up" };
                assert!(ip(&format!("link set {link} {state}")), "the link can't be set");
            }
            Self::Proxy(state) => state.store(cut, Ordering::SeqCst),
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Self::Namespace { name, link, .. } = self {
            // The other end goes with it.
            ip(&format!("link del {link}"));
            ip(&format!("netns del {name}"));
        }
    }
}

/// Whether `ip` did it.
fn ip(arguments: &str) -> bool {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    done.is_ok_and(|done| done.status.success())
}

/// Starts a proxy of a port; its own address.
fn proxy(port: u16, cut: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address").to_string();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // Connections of a cut line are taken and lead nowhere.
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            for (mut from, mut to) in [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())]
                .into_iter()
                .filter_map(|(from, to)| from.ok().zip(to.ok()))
            {
                let cut = Arc::clone(&cut);
                std::thread::spawn(move || {
                    let mut bytes = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from.read(&mut bytes) {
                        while cut.load(Ordering::SeqCst) {
                            // There is nothing to wait for but the time when it is mended.
                            std::thread::sleep(std::time::Duration::from_millis(20));
                        }
                        if to.write_all(&bytes[..read]).is_err() {
                            break;
                        }
                    }
                    // The other side hears of the end.
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    address
}
