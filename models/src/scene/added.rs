// SPDX-License-Identifier: Apache-2.0
//! Labels of users: made of the embeddings of example pictures, kept beside the networks.
//!
//! A label is the mean of its examples. How likely a picture is to belong to it follows from the network's model of
//! embeddings (Prince and Elder, Probabilistic Linear Discriminant Analysis, 2007): the ratio of the likelihoods that the
//! picture comes from around this mean, or from anywhere. The threshold is the label's own: each example is judged by a
//! label that was made of the others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::sigmoid;
use crate::{Error, Identity, Result, Store, card::SceneAdded};

/// Example pictures that a label needs.
pub const MIN_EXAMPLES: usize = 5;
/// Part of the examples that may lie under the threshold, judged by the others.
const MISSED: f32 = 0.1;
/// No threshold is higher: whoever shows examples wants to hear of the label.
const HIGHEST: f32 = 0.9;
/// The folder in the store.
const FOLDER: &str = "scene-labels";

/// A label of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedLabel {
    /// What it is called in events.
    pub label: String,
    /// The network whose embeddings these are; with another the label has to be added anew.
    pub network_sha256: String,
    /// How many pictures it was made of.
    pub examples: usize,
    /// Their mean embedding.
    pub mean: Vec<f32>,
    /// The least probability with which it is told.
    pub least: f32,
    /// How its examples fare when each is judged by the others.
    pub leave_one_out: LeaveOneOut,
}

/// How examples fare when each is judged by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOneOut {
    /// Examples that are found at the label's threshold ...
    pub found: usize,
    /// ... of so many.
    pub of: usize,
}

impl AddedLabel {
    /// Makes a label of its examples' embeddings.
    ///
    /// # Errors
    /// [`Error::Scene`] for a label that is no name, for fewer than [`MIN_EXAMPLES`] examples, and for examples of which not
    /// even half are found by the others: they have nothing in common that the network sees.
    pub fn learn(label: &str, examples: &[Vec<f32>], model: &SceneAdded, network: &Identity) -> Result<Self> {
        check_name(label)?;
        let count = examples.len();
        if count < MIN_EXAMPLES {
            return Err(Error::Scene(format!(
                "`{label}` has {count} pictures that can be read; {MIN_EXAMPLES} are the least, 20 or more are good"
            )));
        }
        let sum = sum(examples);
        let mut left_out: Vec<f32> = examples
            .iter()
            .map(|example| {
                let others: Vec<f32> =
                    sum.iter().zip(example).map(|(all, one)| (all - one) / (count - 1) as f32).collect();
                likely(model, &others, count - 1, example)
            })
            .collect();
        left_out.sort_by(f32::total_cmp);
        let low = left_out[(MISSED * count as f32) as usize];
        let least = low.clamp(model.least, HIGHEST.max(model.least));
        let found = left_out.iter().filter(|p| **p >= least).count();
        if 2 * found < count {
            return Err(Error::Scene(format!(
                "the pictures of `{label}` have too little in common: of {count} only {found} are found by the others"
            )));
        }
        let mean = sum.iter().map(|all| all / count as f32).collect();
        let leave_one_out = LeaveOneOut { found, of: count };
        Ok(Self {
            label: label.into(),
            network_sha256: network.sha256.clone(),
            examples: count,
            mean,
            least,
            leave_one_out,
        })
    }

    /// How likely it is that a picture belongs to the label, 0..1, at even odds.
    pub fn p(&self, model: &SceneAdded, embedding: &[f32]) -> f32 {
        likely(model, &self.mean, self.examples, embedding)
    }
}

/// The labels of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddedLabels {
    /// Those that can be used, by name.
    pub labels: Vec<AddedLabel>,
    /// Those that can't, each with the reason in a line.
    pub refused: Vec<String>,
}

impl AddedLabels {
    /// Reads all labels of a store. A file that can't be used is named and costs nothing else.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is there and can't be listed.
    pub fn load(store: &Store, network: &Identity) -> Result<Self> {
        let mut found = Self::default();
        for path in paths(store)? {
            match read(&path) {
                Ok(label) if label.network_sha256 == network.sha256 => found.labels.push(label),
                Ok(label) => found.refused.push(format!(
                    "the label `{}` was made for another network; add it again with `polygraph models add-scene`",
                    label.label
                )),
                Err(reason) => found.refused.push(format!("{}: {reason}", path.display())),
            }
        }
        Ok(found)
    }

    /// Names of the labels of a store, and how many pictures each was made of.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is there and can't be listed.
    pub fn names(store: &Store) -> Result<Vec<(String, usize)>> {
        let labels = paths(store)?.into_iter().filter_map(|path| read(&path).ok());
        Ok(labels.map(|label| (label.label, label.examples)).collect())
    }

    /// Puts a label into a store, in place of one of the same name; gives the file.
    ///
    /// # Errors
    /// [`Error::Io`], with the path.
    pub fn save(store: &Store, label: &AddedLabel) -> Result<PathBuf> {
        let path = path(store, &label.label);
        let text = serde_json::to_string_pretty(label).map_err(|error| Error::Scene(error.to_string()))?;
        let new = path.with_extension("new");
        let io = |source| Error::Io { path: path.clone(), source };
        fs::create_dir_all(store.root().join(FOLDER)).map_err(io)?;
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(io)?;
        Ok(path)
    }

    /// Takes a label out of a store; `false` when there is none of that name.
    ///
    /// # Errors
    /// [`Error::Scene`] for what is no name; [`Error::Io`], with the path.
    pub fn remove(store: &Store, label: &str) -> Result<bool> {
        check_name(label)?;
        let path = path(store, label);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::Io { path, source }),
        }
    }
}

/// The files of all labels, in order.
fn paths(store: &Store) -> Result<Vec<PathBuf>> {
    let folder = store.root().join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Io { path: folder, source }),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}

fn path(store: &Store, label: &str) -> PathBuf {
    store.root().join(FOLDER).join(format!("{label}.json"))
}

fn read(path: &Path) -> Result<AddedLabel, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("it is no label ({error})"))
}

/// A label becomes a file's name, and a word in events and rules.
fn check_name(label: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !label.is_empty() && label.len() <= 64 && label.bytes().all(plain) && !label.starts_with('-') {
        return Ok(());
    }
    Err(Error::Scene(format!("`{label}` is no label: 1 to 64 letters, digits, `-` and `_` are")))
}

fn sum(examples: &[Vec<f32>]) -> Vec<f32> {
    let length = examples.first().map_or(0, Vec::len);
    (0..length).map(|at| examples.iter().filter_map(|example| example.get(at)).sum()).collect()
}

/// How likely an embedding is to belong to a label of `count` examples with this mean, at even odds.
fn likely(model: &SceneAdded, mean: &[f32], count: usize, embedding: &[f32]) -> f32 {
    let mut ratio = 0.0_f32;
    for ((between, mean), value) in model.between.iter().zip(mean).zip(embedding) {
        // What the examples tell of the label's true mean: a Gaussian again.
        let centre = mean * between / (between + 1.0 / count as f32);
        let own = between / (count as f32 * between + 1.0) + 1.0;
        let any = between + 1.0;
        ratio += 0.5 * ((any / own).ln() + value * value / any - (value - centre) * (value - centre) / own);
    }
    sigmoid(model.scale * ratio + model.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> SceneAdded {
        SceneAdded { between: vec![4.0, 2.0, 1.0], scale: 0.8, offset: 0.0, least: 0.6 }
    }

    fn identity() -> Identity {
        Identity { name: "scene-groups".into(), version: "1".into(), sha256: "a".repeat(64), provider: "cpu" }
    }

    /// Examples around a mean, as regular as can be.
    fn around(mean: [f32; 3], count: usize) -> Vec<Vec<f32>> {
        (0..count)
            .map(|n| mean.iter().enumerate().map(|(d, m)| m + 0.7 * ((n * 7 + d * 3) as f32).sin()).collect())
            .collect()
    }

    #[test]
    fn a_label_knows_its_like_and_refuses_others() {
        let label = AddedLabel::learn("studio", &around([3.0, -2.0, 1.0], 12), &model(), &identity()).unwrap();
        assert_eq!(label.leave_one_out.of, 12);
        assert!(label.leave_one_out.found >= 10, "{:?}", label.leave_one_out);
        assert!(label.p(&model(), &[3.1, -1.9, 0.8]) > label.least);
        for other in [[0.0, 0.0, 0.0], [-3.0, 2.0, 1.0], [3.0, 3.0, -1.0]] {
            assert!(label.p(&model(), &other) < label.least, "{other:?}");
        }
    }

    #[test]
    fn more_examples_make_a_label_surer_of_its_mean() {
        let (few, many) = (
            likely(&model(), &[2.0, 0.0, 0.0], 1, &[2.0, 0.0, 0.0]),
            likely(&model(), &[2.0, 0.0, 0.0], 100, &[2.0, 0.0, 0.0]),
        );
        assert!(many > few);
    }

    #[test]
    fn too_few_or_unlike_examples_make_no_label() {
        let few = AddedLabel::learn("studio", &around([3.0, 0.0, 0.0], 4), &model(), &identity());
        assert!(few.unwrap_err().to_string().contains("has 4 pictures"));
        let unlike = (0..10).map(|n| [[5.0, 0.0, 0.0], [-5.0, 0.0, 0.0]][n % 2].to_vec()).collect::<Vec<_>>();
        let refused = AddedLabel::learn("studio", &unlike, &model(), &identity());
        assert!(refused.unwrap_err().to_string().contains("too little in common"));
    }

    #[test]
    fn a_label_that_could_be_a_path_is_refused() {
        for name in ["", "../x", "a/b", "-x", "a b", "ä", &"x".repeat(65)] {
            let refused = AddedLabel::learn(name, &around([3.0, 0.0, 0.0], 9), &model(), &identity());
            assert!(refused.unwrap_err().to_string().contains("is no label"), "{name}");
        }
    }
}
