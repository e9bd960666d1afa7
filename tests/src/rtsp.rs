// SPDX-License-Identifier: Apache-2.0
//! A running RTSP server ([`rtsp-server`](../rtsp_server/index.html)) that tests can kill, halt and start again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::beside;
use crate::media::ffmpeg;

/// A server and what it shows; killed when dropped.
pub struct RtspServer {
    file: PathBuf,
    more: Vec<String>,
    port: u16,
    process: Option<Child>,
}

impl RtspServer {
    /// Shows an MP4 file at any free port, with more arguments of the server.
    pub fn start(file: &Path, more: &[&str]) -> Self {
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { file: file.to_owned(), more, port: 0, process: None };
        server.launch();
        server
    }

    /// Where it is to be seen.
    pub fn uri(&self) -> String {
        let scheme = if self.more.iter().any(|argument| argument == "--tls") { "rtsps" } else { "rtsp" };
        format!("{scheme}://127.0.0.1:{}/live", self.port)
    }

    /// Of a server that runs.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a server that runs").id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have died before: then there is nothing to kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again at the same port, where it then shows its file from the beginning.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Starts it again at the same port with other arguments.
    pub fn restart_as(&mut self, more: &[&str]) {
        self.more = more.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart();
    }

    /// SIGSTOP: connections stay, and nothing comes any more.
    pub fn halt(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a server that runs");
        let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "the server is gone");
    }

    fn launch(&mut self) {
        // A test that is killed leaves no server behind.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(beside("rtsp-server"))
            .arg(&self.file)
            .args(["--port", &self.port.to_string()])
            .args(&self.more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
        let port = line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("the server does not listen: {line}"));
        self.process = Some(process);
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A film of so many seconds for a server, encoded once: a portrait of 640x360 at 25 a second under a voice, a key frame
/// each second.
pub fn film(seconds: u32, output: &Path) {
    ffmpeg(
        &format!(
            "-framerate 25 -loop 1 -i {{astronaut.png}} -stream_loop -1 -i {{two_cities.wav}} -t {seconds} \
             -vf scale=-2:360,pad=640:360:(ow-iw)/2:0,noise=alls=3:allf=t,setsar=1 -pix_fmt yuv420p -c:v libx264 -preset ultrafast \
             -tune zerolatency -g 25 -bf 0 -c:a aac -ar 48000 -movflags +faststart"
        ),
        output,
    );
}
