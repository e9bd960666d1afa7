// SPDX-License-Identifier: Apache-2.0
//! Model cards: what a network is, where its file comes from, what it takes and gives, and what it is worth.
//!
//! A card is a TOML file under `models/cards/`, compiled into the binary; its JSON Schema
//! `models/cards/card.schema.json` is generated from these types. The idea of a card is that of Mitchell et al.,
//! "Model Cards for Model Reporting" (2019), with the tensor contract added so that a program can check it.

mod catalogue;
mod lips;
mod reading;
mod safety;
mod scene;
mod source;
mod validate;
mod worth;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use catalogue::{card, cards};
pub use lips::{LipSync, LipSyncWindow};
pub use reading::{LipGate, LipReading, Unit};
pub use safety::{Activation, Safety, SafetyForm, SafetyLabel};
pub use scene::{Scene, SceneAdded, SceneGroup};
pub use source::{File, Package, Registry, Repository, Role, Source, Wheel};
pub use worth::{AtPrevalence, Calibration, CalibrationMethod, Measurement, Quality, Typical};

/// The card of one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name in the store and in events: lower-case letters, digits and hyphens.
    pub name: String,
    /// Version, that of the package it comes from; those of our own are counted by us.
    pub version: String,
    /// Name for people.
    pub title: String,
    /// What it does, e.g. `face-detection`.
    pub task: Task,
    /// Where it is described: paper or repository.
    pub reference: String,
    /// Where its files come from: a package, or this repository.
    pub source: Source,
    /// Its files; one for each precision has the role `network`.
    pub files: Vec<File>,
    /// Terms of use.
    pub licence: Licence,
    /// Calls that a stream needs at default settings; the benchmark fails when more are made.
    pub rates: Vec<Rate>,
    /// What it takes.
    pub inputs: Vec<Tensor>,
    /// What it gives.
    pub outputs: Vec<Tensor>,
    /// Sizes of the named dimensions in the trial run of `polygraph models check`.
    #[serde(default)]
    pub trial: std::collections::BTreeMap<String, u64>,
    /// From a decoder's data to the inputs, step by step.
    pub preprocessing: Vec<String>,
    /// From the outputs to results, step by step.
    pub postprocessing: Vec<String>,
    /// Which file and precision runs on which provider.
    pub variants: Vec<Variant>,
    /// What its scores mean.
    pub calibration: Calibration,
    /// What it says of genuine clips; for those that tell of manipulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical: Option<Typical>,
    /// What the likeness of lips and sound means; for the network that sees mouths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lip_sync: Option<LipSync>,
    /// What it can name; for the network for scenes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<Scene>,
    /// What it gives and what is told of it; for networks for content safety.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<Safety>,
    /// For networks that read lips: their lexicon, and when they may have a say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lip_reading: Option<LipReading>,
    /// How good it is, as measured by us.
    pub quality: Quality,
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Boxes and landmarks of faces in a picture.
    FaceDetection,
    /// Speech or not, in a window of sound.
    VoiceActivity,
    /// Sound to features, for a recogniser's decoder.
    SpeechEncoding,
    /// Features to text.
    SpeechDecoding,
    /// What in a picture may be unfit to be shown.
    Safety,
    /// What a picture shows.
    Scene,
    /// Signs that a face was manipulated, in a crop of it.
    FaceForensics,
    /// Signs that a voice was synthesised, in a stretch of speech.
    VoiceForensics,
    /// Vectors of lips or of sound that are alike where both belong together.
    LipSync,
    /// Words of a lexicon, from lips and sound.
    SpeechReading,
    /// Where in a picture text stands.
    TextDetection,
    /// What a line of text says.
    TextRecognition,
}

/// Terms of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX identifier.
    pub spdx: String,
    /// What it asks of a user, in a sentence or two.
    pub terms: String,
    /// Never fetched unless its user names it and accepts the licence.
    pub must_accept: bool,
    /// Whether it may be used to earn money.
    pub commercial_use: CommercialUse,
    /// Why not, or what is unclear; needed unless it is `yes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commercial_reason: Option<String>,
}

/// Whether a network may be used to earn money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommercialUse {
    /// Its licence says so.
    Yes,
    /// Its licence, or that of what it was trained on, forbids it.
    No,
    /// Nobody has decided it: ask a lawyer.
    Unclear,
}

/// How often a stream calls the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls ...
    pub calls: f64,
    /// ... per this.
    pub per: Per,
    /// Why so many.
    pub why: String,
}

/// What calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// One second of video.
    SecondOfVideo,
    /// One second of video with one face in it; two faces are twice as much.
    SecondOfFace,
    /// One second of sound, speech or not.
    SecondOfSound,
    /// One second of speech.
    SecondOfSpeech,
    /// One finished utterance.
    Utterance,
    /// One second of sound given to one call of the recogniser.
    SecondOfTranscribedSound,
    /// One call of the recogniser, however long its sound.
    Transcription,
}

/// One input or output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Name in the graph.
    pub name: String,
    /// Type of its elements.
    #[serde(rename = "type")]
    pub element: Element,
    /// Dimensions, outermost first: a size, or a name for one that varies.
    pub shape: Vec<Dim>,
    /// Least and greatest value; none where any value is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// What the values mean, with units.
    pub meaning: String,
}

/// Type of a tensor's elements, by ONNX's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// IEEE 754 single precision.
    Float32,
    /// Signed, 64 bits.
    Int64,
    /// Signed, 32 bits.
    Int32,
    /// Unsigned, 8 bits.
    Uint8,
    /// Truth value.
    Bool,
}

/// One dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Dim {
    /// Always this many.
    Fixed(u64),
    /// Varies; the same name is the same size throughout one call.
    Named(String),
}

/// Which file and precision runs on which provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// `cpu`, `cuda` or `tensorrt`.
    pub provider: Target,
    /// Precision of its arithmetic.
    pub precision: Precision,
    /// Which of the card's files.
    pub file: String,
    /// Whether it has run on such hardware.
    pub tested: bool,
    /// What to expect of it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A provider that executes networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// An NVIDIA GPU through TensorRT.
    Tensorrt,
}

/// Precision of a variant's arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision floats.
    Fp32,
    /// Half precision floats.
    Fp16,
    /// 8-bit integers with scales.
    Int8,
}

impl Card {
    /// The file that holds the graph: the first, where there is one for each precision.
    pub fn network(&self) -> Option<&File> {
        self.files.iter().find(|file| file.role == Role::Network)
    }

    /// The file of that name.
    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The variant for a provider, if the card has one.
    pub fn variant(&self, target: Target) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.provider == target)
    }
}

impl Licence {
    /// What whoever wants to earn money has to know, in a line; `None` where they may.
    pub fn commercial_caveat(&self) -> Option<String> {
        let word = match self.commercial_use {
            CommercialUse::Yes => return None,
            CommercialUse::No => "no commercial use",
            CommercialUse::Unclear => "commercial use unclear",
        };
        Some(format!("{word}: {}", self.commercial_reason.as_deref().unwrap_or("its card doesn't say why")))
    }
}

impl Target {
    /// Its name in configuration, events and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Tensorrt => "tensorrt",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "the processor",
            Self::Cuda => "CUDA",
            Self::Tensorrt => "TensorRT",
        }
    }
}
