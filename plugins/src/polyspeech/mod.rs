// SPDX-License-Identifier: Apache-2.0
//! English speech recognition with partial results.

/**
 * element-polyspeech:
 * @short_description: Turns English speech into text
 *
 * Recognises speech with Moonshine Tiny, as it comes. What leaves the source pad depends on what is asked for there:
 *
 * - `text/x-raw, format=utf8`: one buffer an utterance, a line of text, when the utterance is over;
 * - `application/x-polygraph`: one JSON line a buffer, `{"transcript": ...}`: while somebody speaks, a revision at
 *   least every `partial-interval`, and a final one at the pause. A revision replaces those before it of the same
 *   `utterance`; committed words aren't revised by partials, but may be by the final, which reads the whole
 *   utterance once more. A final with empty text takes back what the partials said. Times are stream time.
 *
 * A buffer's PTS is the start of its utterance. GAP events follow the sound at least every 100 ms, so that nobody
 * waits for text: a text comes later than the GAP events of its time, by `min-pause` after the last word at best.
 *
 * Speech activity is taken from the `PolyAudioMeta` of `polyvoice` when the sound carries it; else the element runs
 * the network itself. Text is refused where too little speech was heard or the recogniser was unsure.
 *
 * Recognition runs on the source pad's own thread behind a queue of `max-lag` of sound. In a file the queue
 * pushes back. Live, partials are left out first (`skipped-busy` in `stats`); finals are always made; only when the
 * queue is full sound is dropped (`skipped-overload`), which is treated as a hole. A transcript that meets another
 * branch's flush downstream is dropped (`skipped-flushing`). The latency query adds `max-lag` to the maximum and
 * nothing to the minimum, since nothing waits for text.
 *
 * With its `lips` pad linked to that of `polylips` it also reads the lips of whoever speaks, within the lexicon of the
 * network `speech-reading`. Its text replaces what was heard only where the network's gate opens: in noise where lips
 * alone are sure of what they say, agree with what lips and sound say together, fit the sound, and move; and anywhere
 * where they move, and say much the same as the network does by sound alone. `lip_reading` of the transcript says what
 * they said, whether it counted and why; `audio_only_text` what was heard without them. A final waits
 * for its mouths 300 ms at most, in a file until none come for 2 s. Text that was heard in noise while the only mouth was
 * still is marked by `doubt`. Without lips, or where nobody is seen, nothing changes.
 *
 * ## Example pipelines
 *
 * ```bash
 * gst-launch-1.0 -q filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample ! polyspeech ! fdsink
 * gst-launch-1.0 -q filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample ! polyspeech ! \
 *     application/x-polygraph ! fdsink
 * ```
 *
 * The first prints the text, a line an utterance; the second every revision as JSON.
 */
use gst::glib;
use gst::prelude::*;

mod imp;
mod inbox;
mod lips;
mod listener;
mod output;
mod reader;
mod task;

glib::wrapper! {
    /// Turns English speech into text.
    pub struct PolySpeech(ObjectSubclass<imp::PolySpeech>) @extends gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyspeech", gst::Rank::NONE, PolySpeech::static_type())
}
