// SPDX-License-Identifier: Apache-2.0
//! What Polygraph says, and the pure logic behind it.
//!
//! This crate knows nothing of GStreamer, Kafka or ONNX Runtime: times are nanoseconds, pictures are
//! rectangles of 0..1, and every state machine is a plain value that a test can drive.

pub mod accounting;
pub mod arbiter;
pub mod ctc;
pub mod cut;
pub mod drift;
pub mod evaluation;
pub mod event;
pub mod fault;
pub mod fleet;
pub mod forensics;
pub mod fusion;
pub mod geometry;
pub mod incident;
pub mod lips;
pub mod load;
pub mod mouth;
pub mod profile;
pub mod provenance;
pub mod record;
pub mod report;
pub mod results;
pub mod rules;
pub mod safety;
pub mod scene;
pub mod screen_text;
pub mod shot;
pub mod supervision;
pub mod timeline;
pub mod track;
pub mod transcription;
pub mod voice;
pub mod wer;
