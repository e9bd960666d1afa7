// SPDX-License-Identifier: Apache-2.0
//! Incidents as the event stream tells of them, with what people say to them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use polygraph_core::event::{Event, EventData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sync::lock;

/// Incidents that are kept; the oldest closed ones go first.
const MOST: usize = 2000;
/// Comments of one incident.
const MOST_COMMENTS: usize = 100;

/// An incident.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Incident {
    /// Its id, `STREAM.EPOCH.NUMBER`.
    pub incident: String,
    /// The stream.
    pub stream: String,
    /// The stream's epoch.
    pub epoch: String,
    /// `open`, `update` or `close`.
    pub state: String,
    /// When it was first told of, RFC 3339.
    pub opened: String,
    /// When it was last told of, RFC 3339.
    pub updated: String,
    /// The data of its last event.
    pub data: Value,
    /// Where the API has a picture of it, while that is kept: its face with the map, else the moment at which it was told.
    pub picture: Option<String>,
    /// Who has seen it, and when.
    pub acknowledged: Option<Note>,
    /// What people say.
    pub comments: Vec<Note>,
}

/// What somebody said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Whose token.
    pub by: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// A comment; empty in an acknowledgement.
    #[serde(default)]
    pub text: String,
}

/// A line of the notes' file.
#[derive(Serialize, Deserialize)]
struct Line {
    incident: String,
    acknowledge: bool,
    #[serde(flatten)]
    note: Note,
}

#[derive(Default)]
struct Inbox {
    incidents: BTreeMap<String, Incident>,
    /// Of incidents that were told of before this start.
    notes: BTreeMap<String, Vec<Line>>,
}

/// All incidents.
pub struct Incidents {
    file: PathBuf,
    inbox: Mutex<Inbox>,
}

impl Incidents {
    /// With the notes of a file, and the incidents of stored events.
    pub fn open(file: &Path, events: impl Iterator<Item = String>) -> Self {
        let incidents = Self { file: file.to_owned(), inbox: Mutex::default() };
        if let Ok(notes) = File::open(file) {
            let lines = BufReader::new(notes).lines().map_while(Result::ok);
            let mut inbox = incidents.lock();
            for line in lines.filter_map(|line| serde_json::from_str::<Line>(&line).ok()) {
                inbox.notes.entry(line.incident.clone()).or_default().push(line);
            }
        }
        events.for_each(|line| incidents.take_line(&line));
        // Their epochs ended with the last run, which may have had no time to say so.
        incidents.lock().incidents.values_mut().for_each(Incident::close);
        incidents
    }

    /// Closes what is open of a stream, whose epoch ended without a word.
    pub fn end(&self, stream: &str) {
        self.lock().incidents.values_mut().filter(|incident| incident.stream == stream).for_each(Incident::close);
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    /// Takes an event, if it is one of an incident.
    pub fn take(&self, event: &Event) {
        if let EventData::Incident(data) = &event.data {
            let data = serde_json::to_value(data).unwrap_or_default();
            self.take_data(&event.subject, &event.time, data);
        }
    }

    /// The same, from a stored line.
    fn take_line(&self, line: &str) {
        let Ok(mut event) = serde_json::from_str::<Value>(line) else { return };
        let data = event["data"].take();
        if let (Some(stream), Some(time)) = (event["subject"].as_str(), event["time"].as_str()) {
            self.take_data(stream, time, data);
        }
    }

    fn take_data(&self, stream: &str, time: &str, data: Value) {
        let (Some(epoch), Some(number)) = (data["clock"]["epoch"].as_str(), data["incident"].as_u64()) else { return };
        let id = format!("{stream}.{epoch}.{number}");
        let mut inbox = self.lock();
        let notes = inbox.notes.remove(&id);
        let incident = inbox.incidents.entry(id.clone()).or_insert_with(|| Incident {
            incident: id,
            stream: stream.to_owned(),
            epoch: epoch.to_owned(),
            opened: time.to_owned(),
            ..Incident::default()
        });
        incident.picture = picture(&data);
        data["state"].as_str().unwrap_or_default().clone_into(&mut incident.state);
        (incident.updated, incident.data) = (time.to_owned(), data);
        notes.into_iter().flatten().for_each(|line| incident.note(line));
        inbox.trim();
    }

    /// All of them, the latest first.
    pub fn all(&self) -> Vec<Incident> {
        let mut all: Vec<_> = self.lock().incidents.values().cloned().collect();
        all.sort_by(|a, b| b.opened.cmp(&a.opened).then_with(|| b.incident.cmp(&a.incident)));
        all
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<Incident> {
        self.lock().incidents.get(id).cloned()
    }

    /// Notes that somebody has seen it or has something to say; `None` when there is no such incident.
    ///
    /// # Errors
    /// When the note can't be written down; then it isn't taken.
    pub fn note(&self, id: &str, acknowledge: bool, note: Note) -> io::Result<Option<Incident>> {
        let mut inbox = self.lock();
        let Some(incident) = inbox.incidents.get_mut(id) else { return Ok(None) };
        let line = Line { incident: id.to_owned(), acknowledge, note };
        let text = serde_json::to_string(&line).map_err(io::Error::other)?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        // One short line, by people's hands: it may be written under the lock.
        writeln!(OpenOptions::new().append(true).create(true).open(&self.file)?, "{text}")?;
        incident.note(line);
        Ok(Some(incident.clone()))
    }
}

/// The path of the picture that says most.
fn picture(data: &Value) -> Option<String> {
    let all = data["evidence"].as_array()?;
    let of = |kind| all.iter().find(|one| one["kind"] == kind).and_then(|one| one["path"].as_str());
    of("heat_map").or_else(|| of("key_frame")).map(str::to_owned)
}

/// The name of a piece of evidence, `EPOCH-NAME`, if it was kept.
fn name(evidence: &Value) -> Option<&str> {
    evidence["path"].as_str().and_then(|path| path.rsplit('/').next())
}

impl Inbox {
    fn trim(&mut self) {
        while self.incidents.len() > MOST {
            let oldest = self.incidents.values().min_by_key(|incident| (incident.state != "close", &incident.updated));
            let Some(id) = oldest.map(|incident| incident.incident.clone()) else { return };
            self.incidents.remove(&id);
        }
    }
}

impl Incident {
    fn close(&mut self) {
        "close".clone_into(&mut self.state);
    }

    /// The names of its pictures.
    pub fn pictures(&self) -> Vec<String> {
        self.data["evidence"].as_array().into_iter().flatten().filter_map(name).map(str::to_owned).collect()
    }

    /// Says of evidence that it has expired.
    pub fn expire(&mut self, gone: &[String]) {
        for one in self.data["evidence"].as_array_mut().into_iter().flatten() {
            if name(one).is_some_and(|name| gone.iter().any(|gone| gone == name)) {
                one["state"] = "expired".into();
                one["path"] = Value::Null;
            }
        }
        self.picture = picture(&self.data);
    }

    fn note(&mut self, Line { acknowledge, note, .. }: Line) {
        if acknowledge {
            self.acknowledged.get_or_insert(note);
        } else if self.comments.len() < MOST_COMMENTS {
            self.comments.push(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(epoch: &str, state: &str, time: u32) -> String {
        serde_json::json!({
            "type": "io.polygraph.incident.v1", "subject": "cam", "time": format!("2026-01-01T00:00:{time:02}Z"),
            "data": {"incident": 0, "state": state, "severity": "high", "track": 3, "clock": {"epoch": epoch}, "evidence": [
                {"kind": "key_frame", "state": "kept", "path": format!("/api/v1/streams/cam/evidence/{epoch}-incident-0")},
                {"kind": "heat_map", "state": "kept", "path": format!("/api/v1/streams/cam/evidence/{epoch}-face-3")},
            ]},
        })
        .to_string()
    }

    #[test]
    fn what_a_dead_process_left_open_is_closed_for_its_streams_alone() {
        let folder = tempfile::tempdir().unwrap();
        let incidents = Incidents::open(&folder.path().join("notes.ndjson"), std::iter::empty());
        incidents.take_line(&event("E1", "open", 1));
        incidents.end("other");
        assert_eq!(incidents.get("cam.E1.0").unwrap().state, "open");
        incidents.end("cam");
        assert_eq!(incidents.get("cam.E1.0").unwrap().state, "close");
    }

    #[test]
    fn what_people_said_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.ndjson");
        let note = |text: &str| Note { by: "ann".into(), at_ms: 5, text: text.into() };
        let told = [event("E1", "open", 1), event("E1", "update", 2), event("E2", "open", 3)];
        let first = Incidents::open(&file, std::iter::empty());
        told.iter().for_each(|line| first.take_line(line));
        assert_eq!(first.get("cam.E1.0").unwrap().state, "update");
        first.note("cam.E1.0", true, note("")).unwrap().unwrap();
        first.note("cam.E1.0", false, note("seen it")).unwrap().unwrap();
        assert!(first.note("cam.E3.0", true, note("")).unwrap().is_none());
        drop(first);

        let again = Incidents::open(&file, told.into_iter());
        let incident = again.get("cam.E1.0").unwrap();
        assert_eq!((&*incident.state, &*incident.opened), ("close", "2026-01-01T00:00:01Z"));
        assert_eq!(incident.acknowledged.as_ref().unwrap().by, "ann");
        assert_eq!(incident.comments.len(), 1);
        assert_eq!(incident.picture.as_deref(), Some("/api/v1/streams/cam/evidence/E1-face-3"));
        let mut later = incident;
        assert_eq!(later.pictures(), ["E1-incident-0", "E1-face-3"]);
        later.expire(&["E1-face-3".to_owned()]);
        assert_eq!(later.picture.as_deref(), Some("/api/v1/streams/cam/evidence/E1-incident-0"));
        assert_eq!(
            (&later.data["evidence"][1]["state"], &later.data["evidence"][1]["path"]),
            (&"expired".into(), &Value::Null)
        );
        let other = again.get("cam.E2.0").unwrap();
        assert!(other.acknowledged.is_none(), "the same number in another epoch is another incident");
    }
}
