// SPDX-License-Identifier: Apache-2.0
//! Where events go: `events.ndjson`, `transcript.vtt`, and Kafka when asked for. Each is written as it comes, so that
//! a crash loses nothing that was found before.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use polygraph_core::{
    event::{Event, Numbering},
    incident::{self, Incidents},
    record::{Incident, Record, Stream, Transcript, Word},
    report::{Found, Report},
    rules::{Action, Rules},
};

use crate::{
    error::{Error, Result},
    evidence::{Collector, Exhibit, Folder, Shelf},
    publish::Sender,
    webhook::{Hook, Posted},
};

/// What key frames may take in memory: of a file they may be far ahead of what is made of them.
const KEY_FRAME_BYTES: usize = 10 << 20;

/// The outputs of a run.
pub struct Outputs {
    numbering: Numbering,
    events: Text,
    transcript: Text,
    sender: Option<Sender>,
    report: Report,
    written: u64,
    evidence: Collector,
    incidents: Incidents,
    hook: Option<Hook>,
    matched: bool,
}

struct Text {
    path: PathBuf,
    file: File,
}

impl Text {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::file(&path))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).map_err(Error::file(&self.path))
    }
}

impl Outputs {
    /// Opens them in a folder.
    pub fn create(
        folder: &Path,
        numbering: Numbering,
        sender: Option<Sender>,
        rules: Rules,
        keep_faces: bool,
    ) -> Result<Self> {
        let events = Text::create(folder.join("events.ndjson"))?;
        let mut transcript = Text::create(folder.join("transcript.vtt"))?;
        transcript.write("WEBVTT\n")?;
        let shelf = Folder::new(folder)?;
        let shelf = keep_faces.then(|| Box::new(shelf) as Box<dyn Shelf>);
        let evidence = Collector::new(shelf, true, KEY_FRAME_BYTES);
        let hook = rules.webhook().map(Hook::start).transpose()?;
        let incidents = Incidents::with_rules(incident::Options::default(), rules);
        Ok(Self {
            numbering,
            events,
            transcript,
            sender,
            report: Report::default(),
            written: 0,
            evidence,
            incidents,
            hook,
            matched: false,
        })
    }

    /// Writes a record, and the incidents that it makes, goes on with or ends.
    pub fn record(&mut self, record: Record) -> Result<()> {
        let incidents = self.incidents.take(&record);
        self.evidence.pass(record).map(|record| self.write(record)).transpose()?;
        self.tell(incidents)
    }

    /// The stream is over: closes the incidents that are open.
    pub fn end(&mut self) -> Result<()> {
        let incidents = self.incidents.end();
        self.tell(incidents)
    }

    fn tell(&mut self, incidents: Vec<Incident>) -> Result<()> {
        for mut incident in incidents {
            self.evidence.attach(&mut incident);
            let rules = self.incidents.rules();
            self.matched |= rules.has(&incident.rule, Action::Exit);
            let post = rules.has(&incident.rule, Action::Webhook);
            let event = self.write(Record::Incident(incident))?;
            if let Some(hook) = self.hook.as_ref().filter(|_| post) {
                hook.post(event);
            }
        }
        Ok(())
    }

    /// Writes an event and gives its text.
    fn write(&mut self, record: Record) -> Result<String> {
        self.report.take(&record);
        if let Record::Transcript(transcript) = &record
            && transcript.is_final
            && !transcript.text.is_empty()
        {
            self.transcript.write(&cue(transcript))?;
        }
        let event = self.numbering.record(record);
        self.event(&event)
    }

    /// Writes what happens to the stream as a whole.
    pub fn stream(&mut self, stream: Stream) -> Result<()> {
        if let Some(provenance) = &stream.provenance {
            // Before the first frame: rules ask for it.
            self.incidents.provenance(provenance.clone());
        }
        let event = self.numbering.stream(stream);
        self.event(&event).map(drop)
    }

    /// Writes what the delivery has to say of the stream: that events are given up, and how many were.
    pub fn tell_of_delivery(&mut self, pts_ns: u64) -> Result<()> {
        let news: Vec<_> = self.sender.iter().flat_map(Sender::news).collect();
        news.iter().filter_map(|notice| notice.of_stream(pts_ns)).try_for_each(|stream| self.stream(stream))
    }

    /// Takes what an incident may need.
    pub fn exhibit(&mut self, exhibit: Exhibit) {
        self.evidence.take(exhibit);
    }

    fn event(&mut self, event: &Event) -> Result<String> {
        let not_json = |error: serde_json::Error| Error::File { path: event.id.clone(), why: error.into() };
        let mut line = serde_json::to_string(event).map_err(not_json)?;
        line.push('\n');
        // The disk first: Kafka never has an event that can't be replayed.
        self.events.write(&line)?;
        self.written += 1;
        if let Some(sender) = &self.sender {
            sender.send(line.trim_end()).map_err(|why| Error::Event {
                path: self.events.path.display().to_string(),
                line: self.written as usize,
                why: why.to_string(),
            })?;
        }
        Ok(line)
    }

    /// A rule that ends `analyze` with its own exit code was met.
    pub fn matched(&self) -> bool {
        self.matched
    }

    /// Waits for the webhook, if there is one.
    pub fn finish_hook(&mut self) -> Option<Posted> {
        self.hook.take().map(Hook::finish)
    }

    /// What was found, in words.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was found, in numbers.
    pub fn report_counts(&self) -> Found {
        self.report.found()
    }

    /// Events written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where the events are.
    pub fn events_path(&self) -> PathBuf {
        self.events.path.clone()
    }

    /// What brings events to Kafka, to be finished.
    pub fn take_sender(&mut self) -> Option<Sender> {
        self.sender.take()
    }
}

/// A final as a cue of WebVTT (W3C), with the characters that would end its text escaped. A face that is known to say it is
/// its voice; words that lips changed are of class `lips`.
fn cue(transcript: &Transcript) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let word = |word: &Word| {
        let text = escape(&word.text);
        if word.read_from_lips { format!("<c.lips>{text}</c>") } else { text }
    };
    let text = if transcript.words.iter().any(|word| word.read_from_lips) {
        transcript.words.iter().map(word).collect::<Vec<_>>().join(" ")
    } else {
        escape(&transcript.text)
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let voice = transcript.speaker_track.map_or(String::new(), |track| format!("<v Face {track}>"));
    // A cue needs a duration.
    let end_ns = transcript.end_ns.max(transcript.start_ns + 1_000_000);
    format!("\n{} --> {}\n{voice}{text}\n", stamp(transcript.start_ns), stamp(end_ns))
}

fn stamp(ns: u64) -> String {
    let ms = ns / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_is_whole_whatever_is_said() {
        let transcript = Transcript {
            utterance: 0,
            revision: 0,
            start_ns: 3_661_002_000_000,
            end_ns: 3_661_002_000_000,
            is_final: true,
            text: "a <b> & c\n\n--> d".into(),
            ..Transcript::default()
        };
        assert_eq!(cue(&transcript), "\n01:01:01.002 --> 01:01:01.003\na &lt;b&gt; &amp; c --&gt; d\n");
    }

    #[test]
    fn a_cue_says_who_speaks_and_what_was_read() {
        let word = |text: &str, read_from_lips| Word { text: text.into(), read_from_lips, ..Word::default() };
        let words = vec![word("bin", false), word("blue", true), word("<b>", false)];
        let transcript =
            Transcript { text: "bin blue <b>".into(), words, speaker_track: Some(3), ..Transcript::default() };
        assert!(cue(&transcript).ends_with("\n<v Face 3>bin <c.lips>blue</c> &lt;b&gt;\n"), "{}", cue(&transcript));
    }
}
