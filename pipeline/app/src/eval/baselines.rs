// SPDX-License-Identifier: Apache-2.0
//! What simpler means reach on the same items: file size alone, sharpness alone, and the scores of `baselines.json`.

use std::{collections::HashMap, fs, io, path::Path};

use serde::Deserialize;

use super::manifest::Split;
use crate::error::{Error, Result};

/// Scores of other means, made elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Name for the report.
    pub name: String,
    /// The split that its scores are of: `test` or `calibration`.
    pub split: String,
    /// By the items' paths as in the manifest; higher says "manipulated".
    pub scores: HashMap<String, f64>,
}

/// One of them or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    One(Baseline),
    Many(Vec<Baseline>),
}

/// Reads `baselines.json` of a folder, if it is there: those of a split.
///
/// # Errors
/// When it is there and is not what `--help` says.
pub fn read(folder: &Path, split: Split) -> Result<Vec<Baseline>> {
    let path = folder.join("baselines.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(&path)(error)),
    };
    let wrong = |why: String| Error::input(path.display().to_string(), why);
    let content: Content = serde_json::from_str(&text).map_err(|error| {
        wrong(format!("it is not {{\"name\", \"split\", \"scores\": {{path: score}}}} or a list of such ({error})"))
    })?;
    let all = match content {
        Content::One(one) => vec![one],
        Content::Many(many) => many,
    };
    for baseline in &all {
        if !["test", "calibration"].contains(&baseline.split.as_str()) {
            let (name, split) = (&baseline.name, &baseline.split);
            return Err(wrong(format!("`{name}` is of split `{split}`, which is neither `test` nor `calibration`")));
        }
    }
    let wanted = if split == Split::Test { "test" } else { "calibration" };
    Ok(all.into_iter().filter(|baseline| baseline.split == wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_many_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            || read(folder.path(), Split::Test).map(|all| all.into_iter().map(|one| one.name).collect::<Vec<_>>());
        assert!(names().unwrap().is_empty());
        let write = |text: &str| fs::write(folder.path().join("baselines.json"), text).unwrap();
        write(r#"{"name": "frozen", "split": "test", "scores": {"a.png": 0.5}}"#);
        assert_eq!(names().unwrap(), ["frozen"]);
        write(r#"[{"name": "a", "split": "test", "scores": {}}, {"name": "b", "split": "calibration", "scores": {}}]"#);
        assert_eq!(names().unwrap(), ["a"]);
        write(r#"{"name": "a", "split": "train", "scores": {}}"#);
        assert!(names().unwrap_err().to_string().contains("`train`"));
        write("[1]");
        assert!(names().unwrap_err().to_string().contains("baselines.json"));
    }
}
