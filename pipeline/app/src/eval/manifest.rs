// SPDX-License-Identifier: Apache-2.0
//! `manifest.csv`: what lies in an evaluation folder, and what it really is. `README.md` beside this file documents
//! it for users.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Component, Path, PathBuf},
};

use serde::Serialize;

use crate::error::{Error, Result};

/// The columns, all of them obligatory but the last.
const COLUMNS: [&str; 7] = ["path", "label", "person", "corpus", "manipulation", "split", "pair"];
/// Endings of stills.
const STILLS: [&str; 3] = ["jpg", "jpeg", "png"];
/// Endings of clips.
const CLIPS: [&str; 10] = ["mpg", "mpeg", "mp4", "m4v", "mov", "avi", "mkv", "webm", "ts", "3gp"];
/// Endings of recordings of a voice.
const SOUNDS: [&str; 6] = ["wav", "flac", "ogg", "mp3", "m4a", "opus"];
/// Longest name of a person, corpus, manipulation or pair.
const LONGEST: usize = 100;

/// A still or a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One picture.
    Still,
    /// Many.
    Clip,
    /// A voice.
    Sound,
}

/// What items are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To choose scale, offset and threshold by.
    Calibration,
    /// To measure on.
    Test,
}

/// A line of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// As written, relative to the folder.
    pub path: String,
    /// The truth.
    pub manipulated: bool,
    /// Number of the person, by first appearance in the manifest.
    pub person: usize,
    /// Name of its corpus.
    pub corpus: String,
    /// Name of the manipulation; empty for genuine items.
    pub manipulation: String,
    /// What it is for.
    pub split: Split,
    /// What joins a manipulated item with its original, within the corpus.
    pub pair: Option<String>,
    /// Still or clip, by its ending.
    pub kind: Kind,
    /// The file and its size, or why there is none to open.
    pub file: Result<(PathBuf, u64), String>,
}

impl Item {
    /// `genuine` or `manipulated`.
    pub fn label(&self) -> &'static str {
        if self.manipulated { "manipulated" } else { "genuine" }
    }
}

/// All lines.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// In the file's order.
    pub items: Vec<Item>,
    /// The persons' ids, by number.
    pub persons: Vec<String>,
}

impl Manifest {
    /// Reads and checks `manifest.csv` of a folder.
    ///
    /// # Errors
    /// The first flaw, with its line and column. A file that is missing or leads out of the folder is no flaw of the
    /// manifest: the item is unreadable, and counted as such.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("manifest.csv");
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let root = folder.canonicalize().map_err(Error::file(folder))?;
        let wrong = |flaw: Flaw| Error::Manifest {
            path: path.display().to_string(),
            line: flaw.line,
            column: flaw.column,
            why: flaw.why,
        };
        let mut manifest = parse(&text).map_err(wrong)?;
        for item in &mut manifest.items {
            item.file = resolve(&root, &item.path);
        }
        Ok(manifest)
    }
}

/// The file behind a path, if it lies in the folder after all links were followed.
fn resolve(root: &Path, path: &str) -> Result<(PathBuf, u64), String> {
    let file = root.join(path).canonicalize().map_err(|error| error.to_string())?;
    if !file.starts_with(root) {
        return Err("it leads out of the folder".into());
    }
    let metadata = fs::metadata(&file).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    Ok((file, metadata.len()))
}

/// What is wrong with a manifest, and where.
#[derive(Debug, PartialEq)]
struct Flaw {
    line: u64,
    column: &'static str,
    why: String,
}

fn parse(text: &str) -> Result<Manifest, Flaw> {
    // Spreadsheets write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| not_csv(&error))?.clone();
    let columns = Columns::of(&header)?;
    let mut manifest = Manifest::default();
    let mut seen = Seen::default();
    for record in reader.records() {
        let record = record.map_err(|error| not_csv(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let why = format!("{} fields where the header has {}", record.len(), header.len());
            return Err(Flaw { line, column: "", why });
        }
        let row = Row { record: &record, columns: &columns, line };
        let item = row.item(&mut manifest.persons, &mut seen)?;
        manifest.items.push(item);
    }
    if manifest.items.is_empty() {
        return Err(Flaw { line: 1, column: "", why: "there are no items".into() });
    }
    Ok(manifest)
}

fn not_csv(error: &csv::Error) -> Flaw {
    let line = error.position().map_or(1, csv::Position::line);
    Flaw { line, column: "", why: format!("this is not CSV: {error}") }
}

/// Where each column is.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, Flaw> {
        let flaw = |column, why: String| Flaw { line: 1, column, why };
        for (at, name) in header.iter().enumerate() {
            if !COLUMNS.contains(&name) {
                return Err(flaw("", format!("there is no column `{name}`; the columns are {}", COLUMNS.join(","))));
            }
            if header.iter().skip(at + 1).any(|other| other == name) {
                return Err(flaw("", format!("the column `{name}` is there twice")));
            }
        }
        let places = COLUMNS.map(|column| header.iter().position(|name| name == column));
        match COLUMNS.iter().zip(places).find(|(column, place)| place.is_none() && **column != "pair") {
            Some((column, _)) => Err(flaw(column, format!("it is missing; the columns are {}", COLUMNS.join(",")))),
            None => Ok(Self(places)),
        }
    }
}

/// What earlier lines said.
#[derive(Default)]
struct Seen {
    paths: HashSet<String>,
    persons: HashMap<String, usize>,
    /// Corpora and pairs that have their original.
    originals: HashSet<(String, String)>,
}

struct Row<'a> {
    record: &'a csv::StringRecord,
    columns: &'a Columns,
    line: u64,
}

impl Row<'_> {
    fn flaw(&self, column: &'static str, why: impl Into<String>) -> Flaw {
        Flaw { line: self.line, column, why: why.into() }
    }

    /// A field by the position of its column in [`COLUMNS`].
    fn text(&self, at: usize) -> Result<&str, Flaw> {
        let text = self.columns.0[at].and_then(|place| self.record.get(place)).unwrap_or_default();
        if text.chars().any(char::is_control) {
            return Err(self.flaw(COLUMNS[at], "it holds a control character"));
        }
        if at > 0 && text.chars().count() > LONGEST {
            return Err(self.flaw(COLUMNS[at], format!("it is longer than {LONGEST} characters")));
        }
        Ok(text)
    }

    fn item(&self, persons: &mut Vec<String>, seen: &mut Seen) -> Result<Item, Flaw> {
        let [path, label, person, corpus, manipulation, split, pair] =
            [0, 1, 2, 3, 4, 5, 6].map(|column| self.text(column));
        let (path, kind) = self.path(path?)?;
        if !seen.paths.insert(path.clone()) {
            return Err(self.flaw("path", format!("`{path}` is there twice")));
        }
        let manipulated = match label? {
            "genuine" => false,
            "manipulated" => true,
            other => return Err(self.flaw("label", format!("`{other}` is neither `genuine` nor `manipulated`"))),
        };
        let manipulation = self.manipulation(manipulation?, manipulated)?;
        let split = match split? {
            "calibration" => Split::Calibration,
            "test" => Split::Test,
            other => return Err(self.flaw("split", format!("`{other}` is neither `calibration` nor `test`"))),
        };
        let corpus = corpus?;
        if corpus.is_empty() {
            return Err(self.flaw("corpus", "it is empty; give the name of the collection"));
        }
        let pair = Some(pair?.to_owned()).filter(|pair| !pair.is_empty());
        if let Some(pair) = pair.as_ref().filter(|_| !manipulated)
            && !seen.originals.insert((corpus.to_owned(), pair.clone()))
        {
            return Err(self.flaw("pair", format!("`{pair}` of `{corpus}` has a genuine item already")));
        }
        let person = self.person(person?, persons, seen)?;
        let file = Err("it was not looked for".into());
        Ok(Item { path, manipulated, person, corpus: corpus.into(), manipulation, split, pair, kind, file })
    }

    /// A path that stays below the folder, and what its ending says.
    fn path(&self, path: &str) -> Result<(String, Kind), Flaw> {
        let below = !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !below || path.contains('\\') {
            let why = format!("`{path}` is no path below the folder: neither absolute, nor with `..`, `.` or `\\`");
            return Err(self.flaw("path", why));
        }
        let ending = Path::new(path).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let kind = if STILLS.contains(&ending.as_str()) {
            Kind::Still
        } else if CLIPS.contains(&ending.as_str()) {
            Kind::Clip
        } else if SOUNDS.contains(&ending.as_str()) {
            Kind::Sound
        } else {
            let known = [&STILLS[..], &CLIPS[..], &SOUNDS[..]].concat().join(", ");
            return Err(self.flaw("path", format!("`{path}` is no still, clip or sound by its ending ({known})")));
        };
        Ok((path.to_owned(), kind))
    }

    fn manipulation(&self, name: &str, manipulated: bool) -> Result<String, Flaw> {
        match (name.is_empty(), manipulated) {
            (true, true) => Err(self.flaw("manipulation", "it is empty; a manipulated item needs its name")),
            (false, false) => Err(self.flaw("manipulation", format!("a genuine item has none, and this has `{name}`"))),
            _ => Ok(name.to_owned()),
        }
    }

    fn person(&self, id: &str, persons: &mut Vec<String>, seen: &mut Seen) -> Result<usize, Flaw> {
        if id.is_empty() {
            return Err(self.flaw("person", "it is empty; give each item whose person isn't known an id of its own"));
        }
        Ok(*seen.persons.entry(id.to_owned()).or_insert_with(|| {
            persons.push(id.to_owned());
            persons.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "path,label,person,corpus,manipulation,split,pair\n";

    fn flaw(line: &str) -> (u64, &'static str, String) {
        let Flaw { line, column, why } = parse(&format!("{HEADER}ok.png,genuine,1,c,,test,\n{line}\n")).unwrap_err();
        (line, column, why)
    }

    #[test]
    fn a_good_manifest_is_read() {
        let text = "\u{feff}split,path, label,person,corpus,manipulation\n\
                    test,\"a, b/c.JPG\",genuine,anna,lfw,\n\
                    calibration,d.mp4,manipulated,ben,ff,blend\n\
                    test,e.png,manipulated,anna,lfw,swap\n";
        let manifest = parse(text).unwrap();
        assert_eq!(manifest.persons, ["anna", "ben"]);
        let [a, d, e] = &manifest.items[..] else { panic!("three items") };
        assert_eq!((a.path.as_str(), a.kind, a.manipulated, a.split), ("a, b/c.JPG", Kind::Still, false, Split::Test));
        assert_eq!((d.kind, d.manipulation.as_str(), d.split), (Kind::Clip, "blend", Split::Calibration));
        assert_eq!((e.person, e.pair.as_deref()), (0, None));
    }

    #[test]
    fn a_flaw_is_named_with_line_and_column() {
        for (line, column, word) in [
            ("/etc/passwd.png,genuine,1,c,,test,", "path", "below the folder"),
            ("a/../../b.png,genuine,1,c,,test,", "path", "below the folder"),
            ("./b.png,genuine,1,c,,test,", "path", "below the folder"),
            (",genuine,1,c,,test,", "path", "below the folder"),
            ("a.svg,genuine,1,c,,test,", "path", "ending"),
            ("ok.png,genuine,1,c,,test,", "path", "twice"),
            ("a.png,fake,1,c,,test,", "label", "`fake`"),
            ("a.png,genuine,,c,,test,", "person", "empty"),
            ("a.png,genuine,1,,,test,", "corpus", "empty"),
            ("a.png,genuine,1,c,swap,test,", "manipulation", "`swap`"),
            ("a.png,manipulated,1,c,,test,", "manipulation", "needs its name"),
            ("a.png,genuine,1,c,,train,", "split", "`train`"),
            ("a.png,genuine,\"\u{7}\",c,,test,", "person", "control"),
            ("a.png,genuine,1", "", "3 fields"),
        ] {
            let found = flaw(line);
            assert_eq!((found.0, found.1), (3, column), "{line}: {found:?}");
            assert!(found.2.contains(word), "{line}: {found:?}");
        }
        let two = "b.png,genuine,1,c,,test,x\nc.png,genuine,1,c,,test,x";
        assert_eq!((flaw(two).0, flaw(two).1), (4, "pair"));
    }

    #[test]
    fn a_header_must_be_whole_and_known() {
        let why = |text: &str| parse(text).unwrap_err().why;
        assert!(why("path,label\n").contains("missing"));
        assert!(why("path,label,person,corpus,manipulation,split,sex\n").contains("`sex`"));
        assert!(why("path,path,person,corpus,manipulation,split\n").contains("twice"));
        assert!(why(HEADER).contains("no items"));
        assert!(parse("").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_not_opened() {
        let [root, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        fs::write(other.path().join("secret.png"), "x").unwrap();
        fs::write(root.path().join("own.png"), "xy").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        link(&other.path().join("secret.png"), "out.png");
        link(other.path(), "folder");
        link(Path::new("own.png"), "in.png");
        link(Path::new("round.png"), "round.png");
        let lines = ["out.png", "folder/secret.png", "in.png", "round.png", "gone.png"]
            .map(|path| format!("{path},genuine,1,c,,test,\n"));
        fs::write(root.path().join("manifest.csv"), format!("{HEADER}{}", lines.concat())).unwrap();
        let files: Vec<_> = Manifest::read(root.path()).unwrap().items.into_iter().map(|item| item.file).collect();
        assert_eq!(files[0], Err("it leads out of the folder".into()));
        assert_eq!(files[1], files[0]);
        assert_eq!(files[2].as_ref().unwrap().1, 2);
        assert!(files[3].is_err() && files[4].is_err());
    }
}
