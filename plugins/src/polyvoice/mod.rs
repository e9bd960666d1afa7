// SPDX-License-Identifier: Apache-2.0
//! Loudness, silence, speech activity and signs of a synthetic voice in sound that passes through.

/**
 * element-polyvoice:
 * @short_description: Measures loudness, silence and speech activity, and looks for signs of a synthetic voice
 *
 * Sound passes through untouched; what is measured travels with each buffer in a `PolyAudioMeta`:
 *
 * - loudness by EBU R 128 (ITU-R BS.1770): momentary (400 ms), short-term (3 s) and integrated (the stream so far),
 *   renewed every 100 ms; the channels are weighted by the positions in the caps, LFE is left out;
 * - silence: every channel under `silence-threshold` for `silence-time`;
 * - speech activity by Silero VAD, a probability for each 32 ms, on an internal 16 kHz mono copy. A window
 *   is reported with the buffer that completes it, and its PTS range is that of the input.
 *
 * - signs of a synthetic voice, while speech activity is on: as soon as a second was spoken, and then each second, the
 *   stretch from the first to the last speech of the last 4 s is judged. What is known is put on each buffer until the next
 *   stretch is; `reason-not` says why nothing is: `too_little_speech`, `too_quiet` (under -50 dBFS), `clipped`. It
 *   runs Moonshine's encoder by itself, whether `polyspeech` runs or not: that one hears other stretches, later.
 *
 * - faults of the sound, named by `faults`: `silence`, `loudness_momentary`, `loudness_short_term`, `loudness_integrated`,
 *   `true_peak`, `clipping`, `phase_inverted`, or `sound` for all of them; none by default. `fault-limits` says from where on,
 *   as in `silence_s=5,short_term_lufs=-20`. They go downstream as a custom event `polygraph-late`.
 *
 * A flush, a new segment and new caps start all measures anew. A hole in the sound restarts speech activity and counts
 * as silence in momentary and short-term loudness. `stats` holds the account of the buffers.
 *
 * ## Example pipelines
 *
 * ```bash
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! audioconvert ! polyvoice ! fakesink silent=false -v
 * GST_DEBUG=polyvoice:5 gst-launch-1.0 filesrc location=speech.wav ! decodebin ! audioconvert ! polyvoice ! fakesink
 * ```
 *
 * The second prints each measured window.
 */
use gst::glib;
use gst::prelude::*;

mod faults;
mod hearing;
mod imp;
mod loudness;
pub(crate) mod speech;
mod synthetic;

glib::wrapper! {
    /// Measures loudness, silence and speech activity of sound that passes through.
    pub struct PolyVoice(ObjectSubclass<imp::PolyVoice>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyvoice", gst::Rank::NONE, PolyVoice::static_type())
}
