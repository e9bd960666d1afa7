// SPDX-License-Identifier: Apache-2.0
//! The properties that the bin hands to the elements inside.

use gst::glib;
use gst::prelude::*;

use polygraph_core::fault::FaultKind;
use polygraph_core::forensics::{Gates, JoinOptions, MAX_TRACKS};
use polygraph_models::{blazeface::DetectOptions, safety};

use crate::analyser::Provider;
use crate::faults::FaultSettings;
use crate::polyforensics;
use crate::polylips::{Live, SyncMode};
use crate::polyscene::{self, interval};

/// A property of the bin that belongs to an element inside.
pub(super) struct Handed {
    /// The bin's property.
    pub(super) name: &'static str,
    /// The element inside, by name.
    pub(super) element: &'static str,
    /// The element's property.
    pub(super) property: &'static str,
}

/// All of them.
pub(super) const HANDED: [Handed; 42] = [
    Handed { name: "scenes", element: "polyscene", property: "scenes" },
    Handed { name: "scene-interval", element: "polyscene", property: "scene-interval" },
    Handed { name: "safety", element: "polyscene", property: "safety" },
    Handed { name: "safety-interval", element: "polyscene", property: "safety-interval" },
    Handed { name: "safety-network", element: "polyscene", property: "safety-network" },
    Handed { name: "safety-thresholds", element: "polyscene", property: "safety-thresholds" },
    Handed { name: "screen-text", element: "polyscene", property: "text" },
    Handed { name: "screen-text-interval", element: "polyscene", property: "text-interval" },
    Handed { name: "provider", element: "polyscene", property: "provider" },
    Handed { name: "analysis-fps", element: "polyface", property: "analysis-fps" },
    Handed { name: "face-threshold", element: "polyface", property: "threshold" },
    Handed { name: "tiles", element: "polyface", property: "tiles" },
    Handed { name: "provider", element: "polyface", property: "provider" },
    Handed { name: "provider", element: "polyforensics", property: "provider" },
    Handed { name: "max-faces", element: "polyforensics", property: "max-faces" },
    Handed { name: "min-face-size", element: "polyforensics", property: "min-face-size" },
    Handed { name: "forensics-gates", element: "polyforensics", property: "gates" },
    Handed { name: "forensics-window", element: "polyforensics", property: "window" },
    Handed { name: "evidence", element: "polyforensics", property: "evidence" },
    Handed { name: "lip-sync", element: "polyface", property: "mouths" },
    Handed { name: "lip-sync", element: "polyvoice", property: "keep-sound" },
    Handed { name: "forensics", element: "polyvoice", property: "synthetic" },
    Handed { name: "lip-sync", element: "polylips", property: "lip-sync" },
    Handed { name: "provider", element: "polylips", property: "provider" },
    Handed { name: "provider", element: "polyvoice", property: "provider" },
    Handed { name: "provider", element: "polyspeech", property: "provider" },
    Handed { name: "partial-interval", element: "polyspeech", property: "partial-interval" },
    Handed { name: "lip-reading", element: "polyspeech", property: "lip-reading" },
    Handed { name: "compare-texts", element: "polyspeech", property: "compare" },
    Handed { name: "sync-mode", element: "polylips", property: "sync-mode" },
    Handed { name: "pts-tolerance", element: "polylips", property: "pts-tolerance" },
    Handed { name: "max-wait-time", element: "polylips", property: "max-wait-time" },
    Handed { name: "fuse-voice", element: "polyfuse", property: "voice" },
    Handed { name: "live", element: "polylips", property: "live" },
    Handed { name: "shots", element: "polyscene", property: "shots" },
    Handed { name: "voice", element: "polyvoice", property: "vad" },
    Handed { name: "faults", element: "polyscene", property: "faults" },
    Handed { name: "fault-limits", element: "polyscene", property: "fault-limits" },
    Handed { name: "faults", element: "polyvoice", property: "faults" },
    Handed { name: "fault-limits", element: "polyvoice", property: "fault-limits" },
    Handed { name: "faults", element: "polylips", property: "faults" },
    Handed { name: "fault-limits", element: "polylips", property: "fault-limits" },
];

/// The bin's settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    analysis_fps: f64,
    face_threshold: f32,
    tiles: bool,
    provider: Provider,
    partial_interval: u32,
    sync_mode: SyncMode,
    pts_tolerance: gst::ClockTime,
    max_wait_time: gst::ClockTime,
    pub(super) live: Live,
    pub(super) transcript: bool,
    pub(super) forensics: bool,
    max_faces: u32,
    min_face_size: f32,
    forensics_gates: bool,
    forensics_window: gst::ClockTime,
    evidence: bool,
    pub(super) key_frames: bool,
    pub(super) blur_unsafe: bool,
    scenes: bool,
    scene_interval: gst::ClockTime,
    safety: bool,
    safety_interval: gst::ClockTime,
    safety_network: String,
    safety_thresholds: String,
    screen_text: bool,
    screen_text_interval: gst::ClockTime,
    lip_sync: bool,
    pub(super) lip_reading: bool,
    compare_texts: bool,
    fuse_voice: bool,
    pub(super) faces: bool,
    shots: bool,
    voice: bool,
    faults: FaultSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let DetectOptions { threshold, tiles } = DetectOptions::default();
        Self {
            analysis_fps: 5.0,
            face_threshold: threshold,
            tiles,
            provider: Provider::default(),
            partial_interval: 500,
            sync_mode: SyncMode::default(),
            pts_tolerance: gst::ClockTime::from_mseconds(40),
            max_wait_time: gst::ClockTime::from_mseconds(500),
            live: Live::default(),
            transcript: true,
            forensics: true,
            max_faces: polyforensics::MAX_FACES,
            min_face_size: Gates::default().min_side_px,
            forensics_gates: true,
            forensics_window: gst::ClockTime::from_nseconds(JoinOptions::default().window_ns),
            evidence: false,
            key_frames: false,
            blur_unsafe: true,
            scenes: true,
            scene_interval: gst::ClockTime::from_nseconds(polyscene::INTERVAL_NS),
            safety: false,
            safety_interval: gst::ClockTime::from_nseconds(polyscene::INTERVAL_NS),
            safety_network: safety::CARD.to_owned(),
            safety_thresholds: String::new(),
            screen_text: false,
            screen_text_interval: gst::ClockTime::from_nseconds(polyscene::INTERVAL_NS),
            lip_sync: true,
            lip_reading: false,
            compare_texts: false,
            fuse_voice: polygraph_core::fusion::Options::default().voice,
            faces: true,
            shots: true,
            voice: true,
            faults: FaultSettings::default(),
        }
    }
}

impl Settings {
    /// A property's value.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "analysis-fps" => self.analysis_fps.to_value(),
            "face-threshold" => self.face_threshold.to_value(),
            "tiles" => self.tiles.to_value(),
            "provider" => self.provider.to_value(),
            "partial-interval" => self.partial_interval.to_value(),
            "sync-mode" => self.sync_mode.to_value(),
            "pts-tolerance" => self.pts_tolerance.nseconds().to_value(),
            "max-wait-time" => self.max_wait_time.nseconds().to_value(),
            "live" => self.live.to_value(),
            "transcript" => self.transcript.to_value(),
            "forensics" => self.forensics.to_value(),
            "max-faces" => self.max_faces.to_value(),
            "min-face-size" => self.min_face_size.to_value(),
            "forensics-gates" => self.forensics_gates.to_value(),
            "forensics-window" => self.forensics_window.nseconds().to_value(),
            "evidence" => self.evidence.to_value(),
            "key-frames" => self.key_frames.to_value(),
            "blur-unsafe" => self.blur_unsafe.to_value(),
            "scenes" => self.scenes.to_value(),
            "scene-interval" => self.scene_interval.nseconds().to_value(),
            "safety" => self.safety.to_value(),
            "safety-interval" => self.safety_interval.nseconds().to_value(),
            "safety-network" => self.safety_network.to_value(),
            "safety-thresholds" => self.safety_thresholds.to_value(),
            "screen-text" => self.screen_text.to_value(),
            "screen-text-interval" => self.screen_text_interval.nseconds().to_value(),
            // Lips are those of faces, and the sound that they are held against comes from polyvoice.
            "lip-sync" => (self.lip_sync && self.faces && self.voice).to_value(),
            "lip-reading" => self.reads_lips().to_value(),
            "compare-texts" => self.compare_texts.to_value(),
            "fuse-voice" => self.fuse_voice.to_value(),
            "faces" => self.faces.to_value(),
            "shots" => self.shots.to_value(),
            "voice" => self.voice.to_value(),
            name => self.faults.get(name).unwrap_or_else(|| unimplemented!()),
        }
    }

    /// Sets a property.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        if let Some(set) = self.faults.set(name, value) {
            return set;
        }
        self.set_own(name, value).map_err(|error| error.to_string())
    }

    fn set_own(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        let time = || value.get::<u64>().map(gst::ClockTime::from_nseconds);
        let text = || value.get::<Option<String>>().map(Option::unwrap_or_default);
        match name {
            "analysis-fps" => self.analysis_fps = value.get()?,
            "face-threshold" => self.face_threshold = value.get()?,
            "tiles" => self.tiles = value.get()?,
            "provider" => self.provider = value.get()?,
            "partial-interval" => self.partial_interval = value.get()?,
            "sync-mode" => self.sync_mode = value.get()?,
            "pts-tolerance" => self.pts_tolerance = time()?,
            "max-wait-time" => self.max_wait_time = time()?,
            "live" => self.live = value.get()?,
            "transcript" => self.transcript = value.get()?,
            "forensics" => self.forensics = value.get()?,
            "max-faces" => self.max_faces = value.get()?,
            "min-face-size" => self.min_face_size = value.get()?,
            "forensics-gates" => self.forensics_gates = value.get()?,
            "forensics-window" => self.forensics_window = time()?,
            "evidence" => self.evidence = value.get()?,
            "key-frames" => self.key_frames = value.get()?,
            "blur-unsafe" => self.blur_unsafe = value.get()?,
            "scenes" => self.scenes = value.get()?,
            "scene-interval" => self.scene_interval = time()?,
            "safety" => self.safety = value.get()?,
            "safety-interval" => self.safety_interval = time()?,
            "safety-network" => self.safety_network = text()?,
            "safety-thresholds" => self.safety_thresholds = text()?,
            "screen-text" => self.screen_text = value.get()?,
            "screen-text-interval" => self.screen_text_interval = time()?,
            "lip-sync" => self.lip_sync = value.get()?,
            "lip-reading" => self.lip_reading = value.get()?,
            "compare-texts" => self.compare_texts = value.get()?,
            "fuse-voice" => self.fuse_voice = value.get()?,
            "faces" => self.faces = value.get()?,
            "shots" => self.shots = value.get()?,
            "voice" => self.voice = value.get()?,
            _ => unimplemented!(),
        }
        Ok(())
    }
}

impl Settings {
    /// Whether pictures are looked at by `polyscene`.
    pub(super) fn wants_scene(&self) -> bool {
        let Self { shots, scenes, safety, screen_text, .. } = *self;
        shots || scenes || safety || screen_text || self.faults.faults.any(&FaultKind::PICTURE)
    }

    /// Whether lips help the transcript: they are those of faces, of people who speak.
    pub(super) fn reads_lips(&self) -> bool {
        self.lip_reading && self.lip_sync && self.faces && self.voice
    }

    /// Whether sound is listened to by `polyvoice`.
    pub(super) fn wants_voice(&self) -> bool {
        self.voice || self.faults.faults.any(&FaultKind::SOUND)
    }
}

/// Their specifications, and those of the bin's own.
pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let longest = gst::ClockTime::from_seconds(60).nseconds();
    let mut specs = vec![
        glib::ParamSpecDouble::builder("analysis-fps")
            .nick("Analysis rate")
            .blurb("Pictures a second, by PTS, that are searched for faces (0 = every picture)")
            .default_value(default.analysis_fps)
            .minimum(0.0)
            .maximum(1000.0)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("face-threshold")
            .nick("Face threshold")
            .blurb("The detector's score from which on something counts as a face")
            .default_value(default.face_threshold)
            .minimum(0.0)
            .maximum(1.0)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("tiles")
            .nick("Tiles")
            .blurb("Whether to look for small faces too, in tiles of the picture")
            .default_value(default.tiles)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("provider", default.provider)
            .nick("Provider")
            .blurb("ONNX Runtime execution provider of all networks")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("partial-interval")
            .nick("Partial interval")
            .blurb("Longest time of speech between two partial transcripts, in milliseconds; 0 for finals only")
            .default_value(default.partial_interval)
            .maximum(60_000)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("sync-mode", default.sync_mode)
            .nick("Sync mode")
            .blurb("What a picture waits for before its record leaves")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("pts-tolerance")
            .nick("PTS tolerance")
            .blurb("How far from a picture the sound may lie that is taken for it (in nanoseconds)")
            .default_value(default.pts_tolerance.nseconds())
            .maximum(longest)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("max-wait-time")
            .nick("Maximum wait")
            .blurb("Live: how long a picture waits for its sound after its arrival (in nanoseconds)")
            .default_value(default.max_wait_time.nseconds())
            .maximum(longest)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("live", default.live)
            .nick("Live")
            .blurb("Whether the source goes on by itself and is never held back")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("transcript")
            .nick("Transcript")
            .blurb("Whether speech is written down; counts for sound pads requested afterwards")
            .default_value(default.transcript)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("forensics")
            .nick("Forensics")
            .blurb("Whether faces are searched for signs of manipulation; counts for video pads requested afterwards")
            .default_value(default.forensics)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("max-faces")
            .nick("Most faces")
            .blurb("Faces of a picture that are searched for signs of manipulation at most, the largest ones")
            .minimum(1)
            .maximum(MAX_TRACKS as u32)
            .default_value(default.max_faces)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("min-face-size")
            .nick("Least face size")
            .blurb("Least side of a face's square that is searched for signs of manipulation, in pixels as shown")
            .minimum(0.0)
            .maximum(32_768.0)
            .default_value(default.min_face_size)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("forensics-gates")
            .nick("Forensics gates")
            .blurb("Whether faces that can't be judged are left out with a reason")
            .default_value(default.forensics_gates)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("forensics-window")
            .nick("Forensics window")
            .blurb("Time over which a face's signs of manipulation are joined (in nanoseconds)")
            .default_value(default.forensics_window.nseconds())
            .minimum(1)
            .maximum(longest)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("evidence")
            .nick("Evidence")
            .blurb("Whether to post an element message polygraph-evidence with a picture of each face's highest score")
            .default_value(default.evidence)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("key-frames")
            .nick("Key frames")
            .blurb("Whether to post element messages polygraph-key-frame with small pictures of what was searched for faces")
            .default_value(default.key_frames)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("blur-unsafe")
            .nick("Blur what is unsafe")
            .blurb("Whether key frames are blurred where content safety found something that isn't to be shown")
            .default_value(default.blur_unsafe)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("scenes")
            .nick("Scenes")
            .blurb("Whether to label what is shown")
            .default_value(default.scenes)
            .mutable_ready()
            .build(),
        interval("scene-interval", "Scene interval", "Time between two looks at a shot for its labels (in nanoseconds)"),
        glib::ParamSpecBoolean::builder("safety")
            .nick("Content safety")
            .blurb("Whether to look for what may be unfit to be shown; its network is fetched only when accepted by name")
            .default_value(default.safety)
            .mutable_ready()
            .build(),
        interval("safety-interval", "Safety interval", "Time between two looks at a shot for content safety (in nanoseconds)"),
        glib::ParamSpecString::builder("safety-network")
            .nick("Safety network")
            .blurb("Card of the network for content safety")
            .default_value(Some(safety::CARD))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("safety-thresholds")
            .nick("Safety thresholds")
            .blurb("Least scores of labels that are told, in place of the card's: LABEL=0.5,OTHER=0.3")
            .default_value(Some(""))
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("screen-text")
            .nick("Text on screen")
            .blurb("Whether to read the text that stands in the picture")
            .default_value(default.screen_text)
            .mutable_ready()
            .build(),
        interval("screen-text-interval", "Text interval", "Time between two looks at a shot for text (in nanoseconds)"),
        glib::ParamSpecBoolean::builder("lip-sync")
            .nick("Lip-sync")
            .blurb("Whether lips are compared with the sound, and who speaks is told")
            .default_value(default.lip_sync)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("lip-reading")
            .nick("Lip reading")
            .blurb("Whether the transcript may be helped by lips, of mouths that lip-sync has cut; before the audio pad is asked for")
            .default_value(default.lip_reading)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("compare-texts")
            .nick("Compare texts")
            .blurb("For evaluations: read lips whether or not they may count, and tell all texts that could be")
            .default_value(default.compare_texts)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("fuse-voice")
            .nick("Fuse voice")
            .blurb("Whether a synthetic voice counts in the fused verdict; its network is experimental")
            .default_value(default.fuse_voice)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("faces")
            .nick("Faces")
            .blurb("Whether faces are looked for; without, there are no frame records, nor forensics and lip-sync; counts for video pads requested afterwards")
            .default_value(default.faces)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("shots")
            .nick("Shots")
            .blurb("Whether shot boundaries are looked for; counts for video pads requested afterwards")
            .default_value(default.shots)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("voice")
            .nick("Voice")
            .blurb("Whether speech activity, loudness, silence and signs of a synthetic voice are looked for; counts for sound pads requested afterwards")
            .default_value(default.voice)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("One structure for each element inside: input = analysed + skipped-* + late")
            .read_only()
            .build(),
    ];
    specs.extend(FaultSettings::specs());
    specs
}

/// Gives an element inside a value of the bin's, in the type that its own property has.
pub(super) fn hand(element: &gst::Element, property: &str, value: &glib::Value) -> Result<(), glib::BoolError> {
    let spec = element
        .find_property(property)
        .ok_or_else(|| glib::bool_error!("{} has no property {property}", element.name()))?;
    element.set_property_from_value(property, &value.transform_with_type(spec.value_type())?);
    Ok(())
}
