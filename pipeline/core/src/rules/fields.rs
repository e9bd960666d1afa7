// SPDX-License-Identifier: Apache-2.0
//! The fields that rules may name, and their values at a moment.

use cel::Value;

use crate::fusion::{Options, Signal, Signals};
use crate::provenance::Provenance;
use crate::record::Frame;
use crate::results::{Face, Fused};
use crate::scene::PLACES;

/// What a field holds when it is known; else it is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// Text.
    Text,
}

/// A field that rules may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As it is written in a rule.
    pub path: &'static str,
    /// What it holds.
    pub kind: FieldType,
    /// What that is.
    pub meaning: &'static str,
}

const fn field(path: &'static str, kind: FieldType, meaning: &'static str) -> Field {
    Field { path, kind, meaning }
}

use FieldType::{Bool, Number, Text};

/// All of them. In a rule about the stream those of a face are the ones of the face that the frame's verdict is about.
pub const FIELDS: [Field; 37] = [
    field("fused.p", Number, "fused probability of manipulation, 0..1"),
    field("fused.verdict", Text, "manipulated, no_manipulation_found or inconclusive"),
    field("picture.p", Number, "probability of manipulation by the face's picture"),
    field("picture.signs", Bool, "it reaches the network's threshold"),
    field("mismatch.p", Number, "probability that lips and sound don't belong together"),
    field("mismatch.signs", Bool, "it reaches the network's threshold"),
    field("mismatch.offset_ms", Number, "how much later than the picture the sound is"),
    field("voice.p", Number, "probability that the voice is synthetic; experimental"),
    field("voice.signs", Bool, "it reaches the network's threshold"),
    field("face.quality", Number, "how well the picture shows the face, 0..1"),
    field("face.width", Number, "of its box, in parts of the picture"),
    field("face.height", Number, "of its box, in parts of the picture"),
    field("face.x", Number, "left edge of its box, in parts of the picture"),
    field("face.y", Number, "top edge of its box, in parts of the picture"),
    field("track", Number, "the face's track"),
    field("faces", Number, "how many faces are seen"),
    field("speaking", Bool, "the face speaks"),
    field("no_visible_speech", Bool, "somebody speaks, and none of the faces that are seen"),
    field("scene.label", Text, "what the shot shows, or none"),
    field("scene.p", Number, "how likely that is, 0..1"),
    field("scene.place", Text, "indoor or outdoor"),
    field("safety.label", Text, "of what content safety found the one with the highest score"),
    field("safety.score", Number, "its score, 0..1"),
    field("screen_text", Text, "what stands on the screen, line by line"),
    field("sound", Bool, "there is sound"),
    field("silent", Bool, "there is sound, and it is silent"),
    field("speech", Number, "probability of speech, 0..1"),
    field("loudness.momentary", Number, "over 400 ms, LUFS (EBU R 128)"),
    field("loudness.short_term", Number, "over 3 s, LUFS"),
    field("loudness.integrated", Number, "since the start, LUFS"),
    field("text", Text, "what is said: the last transcript of the last 10 s"),
    field(
        "credentials.state",
        Text,
        "of the file's content credentials: none, unreadable, invalid, changed, valid or trusted",
    ),
    field("credentials.signer", Text, "whom the signer's certificate names, where they are valid or trusted"),
    field(
        "credentials.generated",
        Bool,
        "they say that generative AI had a part in it, where they are valid or trusted",
    ),
    field("cut", Bool, "this is the first picture of a shot"),
    field("time", Number, "stream time, seconds"),
    field("seen", Number, "since when the face is seen, seconds"),
];

/// The values of all [`FIELDS`] at a moment, in their order.
pub(crate) type Values = [Value; FIELDS.len()];

/// Where a path stands among the [`FIELDS`].
pub(crate) fn index(path: &str) -> Option<usize> {
    FIELDS.iter().position(|field| field.path == path)
}

/// What of a moment doesn't come from the frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Besides<'a> {
    pub(crate) text: &'a str,
    pub(crate) provenance: Option<&'a Provenance>,
    pub(crate) cut: bool,
    /// Since when the face is seen, nanoseconds.
    pub(crate) first_ns: Option<u64>,
}

/// The values for a face of a frame, or for the stream.
pub(crate) fn values(frame: &Frame, face: Option<&Face>, fused: Option<Fused>, besides: &Besides<'_>) -> Values {
    // Rules may ask for a voice whose network doesn't count in the verdict.
    let all = Options { voice: true, ..Options::default() };
    let of_face = face.map(|face| Signals::of_face(face, frame, &all)).unwrap_or_default();
    let synthetic = frame.audio.and_then(|audio| audio.synthetic);
    let p = |signal: Option<Signal>| number(signal.map(|signal| f64::from(signal.p)));
    let signs = |signal: Option<Signal>| boolean(signal.map(|signal| signal.signs));
    let float = |value: Option<f32>| number(value.map(f64::from));
    let seconds = |ns: u64| ns as f64 / 1e9;
    let audio = frame.audio;
    let loudness = audio.map(|audio| audio.loudness).unwrap_or_default();
    let rect = face.map(|face| face.rect);
    // The scene's own label comes first.
    let scene = frame.scene.first();
    let place = frame.scene.iter().find(|label| PLACES.contains(&label.label.as_str()));
    let lines: Vec<_> = frame.screen_text.iter().map(|line| line.text.as_str()).collect();
    let found = frame.safety.iter().max_by(|a, b| a.score.total_cmp(&b.score));
    [
        float(fused.and_then(|fused| fused.p)),
        fused.map_or(Value::Null, |fused| fused.verdict.as_str().into()),
        p(of_face.picture),
        signs(of_face.picture),
        p(of_face.mismatch),
        signs(of_face.mismatch),
        float(face.and_then(|face| face.lip_sync?.offset_ms)),
        float(synthetic.and_then(|synthetic| synthetic.p)),
        boolean(synthetic.and_then(|synthetic| synthetic.signs)),
        float(face.map(|face| face.quality)),
        float(rect.map(|rect| rect.w)),
        float(rect.map(|rect| rect.h)),
        float(rect.map(|rect| rect.x)),
        float(rect.map(|rect| rect.y)),
        number(face.map(|face| face.track as f64)),
        number(Some(frame.faces.len() as f64)),
        boolean(face.and_then(|face| face.speaking)),
        boolean(frame.no_visible_speech),
        scene.map_or(Value::Null, |scene| scene.label.as_str().into()),
        float(scene.map(|scene| scene.p)),
        place.map_or(Value::Null, |place| place.label.as_str().into()),
        found.map_or(Value::Null, |found| found.label.as_str().into()),
        float(found.map(|found| found.score)),
        lines.join("\n").into(),
        boolean(Some(audio.is_some())),
        boolean(audio.map(|audio| audio.silent)),
        float(audio.and_then(|audio| audio.speech)),
        float(loudness.momentary_lufs),
        float(loudness.short_term_lufs),
        float(loudness.integrated_lufs),
        besides.text.into(),
        text(besides.provenance.map(|provenance| provenance.state.as_str())),
        text(besides.provenance.filter(|provenance| provenance.holds()).and_then(|it| it.signer.as_deref())),
        boolean(besides.provenance.and_then(Provenance::generated)),
        boolean(Some(besides.cut)),
        number(Some(seconds(frame.pts_ns))),
        number(besides.first_ns.map(seconds)),
    ]
}

fn number(value: Option<f64>) -> Value {
    value.filter(|value| value.is_finite()).map_or(Value::Null, Value::Float)
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Into::into)
}

fn boolean(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

/// A moment in which everything is known, to try rules on.
pub(crate) fn sample() -> Values {
    FIELDS.map(|field| match field.kind {
        Bool => Value::Bool(true),
        Number => Value::Float(0.5),
        Text => "text".into(),
    })
}
