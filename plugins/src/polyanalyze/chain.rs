// SPDX-License-Identifier: Apache-2.0
//! The chains inside the bin: built when their pad is requested, taken down when it is released.

use gst::prelude::*;
use gst_base::BaseTransform;
use gst_base::prelude::*;

use super::properties::Settings;
use super::queue::{Limit, Queue};

/// Pictures that wait before the analysers: enough to let decoder and analysers work side by side.
const PICTURES: Limit = Limit::Buffers(8);
/// Sound that waits before the analysers.
const SOUND: Limit = Limit::Time(gst::ClockTime::from_seconds(1));
/// Sound that waits for the recogniser, whose work comes in lumps of some seconds.
const SPEECH: Limit = Limit::Time(gst::ClockTime::from_seconds(5));

/// What polyspeech is given.
const SPEECH_CAPS: &str = "audio/x-raw, format=F32LE, layout=interleaved, rate=16000, channels=1";

/// Which analysers of pictures are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    scene: bool,
    faces: bool,
    forensics: bool,
    /// Somebody wants small copies of the pictures.
    pictures: bool,
}

impl Wanted {
    pub(super) fn of(settings: &Settings) -> Self {
        let Settings { faces, forensics, key_frames, .. } = *settings;
        Self { scene: settings.wants_scene(), faces, forensics, pictures: key_frames }
    }
}

/// A chain could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there is one {0} pad, and it is taken")]
    Taken(String),
    #[error("there is no element {name}; is its plugin installed? ({source})")]
    Missing { name: String, source: gst::glib::BoolError },
    #[error("{0}")]
    Link(#[from] gst::glib::BoolError),
    #[error("{0}")]
    State(#[from] gst::StateChangeError),
    #[error("{element} has no pad {pad}")]
    Pad { element: String, pad: &'static str },
}

/// One of the bin's two chains.
#[derive(Debug, Default)]
pub(super) struct Chain {
    elements: Vec<gst::Element>,
    pub(super) queues: Vec<Queue>,
    /// Pads of elements that outlive the chain, with the chain's pads that they are linked to.
    joints: Vec<(gst::Pad, gst::Pad)>,
    /// Pads of elements that outlive the chain which feed it.
    taps: Vec<gst::Pad>,
}

/// Makes an element under its own name.
pub(super) fn make(factory: &str, name: &str) -> Result<gst::Element, Error> {
    let made = gst::ElementFactory::make(factory).name(name).build();
    made.map_err(|source| Error::Missing { name: factory.to_owned(), source })
}

fn pad(element: &gst::Element, name: &'static str) -> Result<gst::Pad, Error> {
    let pad = element.static_pad(name).or_else(|| element.request_pad_simple(name));
    pad.ok_or_else(|| Error::Pad { element: element.name().to_string(), pad: name })
}

impl Chain {
    /// `queue ! videoconvert ! deinterlace ! videoflip ! polyscene ! polyface ! polyforensics ! polylips.video`, as far as they
    /// are wanted. When no analyser is, pictures go to `polylips` as they come: they cost their decoding and no more.
    pub(super) fn build_video(&mut self, bin: &gst::Bin, lips: &gst::Element, wanted: Wanted) -> Result<(), Error> {
        let head = self.queue("video-queue", PICTURES)?;
        if !wanted.scene && !wanted.faces && !wanted.pictures {
            let last = self.string(bin, &head, [])?;
            return self.joint(&last, "src", lips, "video");
        }
        let flip = make("videoflip", "videoflip")?;
        flip.set_property_from_str("video-direction", "auto");
        // In 1.22 it copies each upright picture, until a tag has turned the direction away from upright and back.
        if let Some(flip) = flip.downcast_ref::<BaseTransform>() {
            flip.set_passthrough(true);
        }
        let convert = make("videoconvert", "videoconvert")?;
        let mut last = self.string(bin, &head, [convert, make("deinterlace", "deinterlace")?, flip])?;
        for (name, wanted) in [
            ("polyscene", wanted.scene),
            ("polyface", wanted.faces),
            ("polyforensics", wanted.faces && wanted.forensics),
        ] {
            if wanted {
                last = self.append(bin, &last, make(name, name)?)?;
            }
        }
        self.joint(&last, "src", lips, "video")
    }

    /// `queue ! audioconvert ! polyvoice ! tee`, from there `polylips.audio`, and for the transcript
    /// `queue ! audioconvert ! audioresample ! capsfilter ! polyspeech ! capsfilter ! funnel`; it takes the lips where it `reads`.
    ///
    /// polylips needs no queue: it keeps no buffers, and holds sound back only when a file's is far ahead of the pictures.
    pub(super) fn build_audio(
        &mut self,
        bin: &gst::Bin,
        lips: &gst::Element,
        voice: bool,
        funnel: Option<&gst::Element>,
        reads: bool,
    ) -> Result<(), Error> {
        let head = self.queue("audio-queue", SOUND)?;
        let mut last = self.string(bin, &head, [])?;
        if voice {
            last = self.append(bin, &last, make("audioconvert", "audioconvert")?)?;
            last = self.append(bin, &last, make("polyvoice", "polyvoice")?)?;
        }
        let Some(funnel) = funnel else { return self.joint(&last, "src", lips, "audio") };
        let tee = self.append(bin, &last, make("tee", "audio-tee")?)?;
        self.joint(&tee, "src_%u", lips, "audio")?;
        let queue = self.queue("speech-queue", SPEECH)?;
        let last = self.string(
            bin,
            &queue,
            [
                make("audioconvert", "speech-convert")?,
                make("audioresample", "speech-resample")?,
                filter("speech-caps", SPEECH_CAPS)?,
                make("polyspeech", "polyspeech")?,
                filter("transcript-caps", crate::polylips::RECORD_CAPS)?,
            ],
        )?;
        tee.link(&queue)?;
        if reads && let Some(speech) = bin.by_name("polyspeech") {
            self.tap(lips, "lips", &speech, "lips")?;
        }
        self.joint(&last, "src", funnel, "sink_%u")
    }

    /// Links a pad of an element that outlives the chain to an element of it.
    fn tap(
        &mut self,
        from: &gst::Element,
        out: &'static str,
        to: &gst::Element,
        sink: &'static str,
    ) -> Result<(), Error> {
        let (from, to) = (pad(from, out)?, pad(to, sink)?);
        self.taps.push(from.clone());
        let linked = from.link(&to);
        linked.map_err(|err| gst::glib::bool_error!("{} does not link to {}: {err}", from.name(), to.name()))?;
        Ok(())
    }

    fn queue(&mut self, name: &str, limit: Limit) -> Result<gst::Element, Error> {
        let queue = Queue::new(name, limit).map_err(|source| Error::Missing { name: "queue".to_owned(), source })?;
        let element = queue.element().clone();
        self.queues.push(queue);
        Ok(element)
    }

    /// Adds elements to the bin, one linked to the other, and gives the last.
    fn string<const N: usize>(
        &mut self,
        bin: &gst::Bin,
        first: &gst::Element,
        rest: [gst::Element; N],
    ) -> Result<gst::Element, Error> {
        bin.add(first)?;
        self.elements.push(first.clone());
        rest.into_iter().try_fold(first.clone(), |last, element| self.append(bin, &last, element))
    }

    /// Adds an element to the bin, linked to the last one, and gives it back.
    fn append(&mut self, bin: &gst::Bin, last: &gst::Element, element: gst::Element) -> Result<gst::Element, Error> {
        bin.add(&element)?;
        self.elements.push(element.clone());
        last.link(&element)?;
        Ok(element)
    }

    /// Links the chain's end to an element that outlives it.
    fn joint(
        &mut self,
        last: &gst::Element,
        from: &'static str,
        next: &gst::Element,
        to: &'static str,
    ) -> Result<(), Error> {
        let (from, to) = (pad(last, from)?, pad(next, to)?);
        self.joints.push((from.clone(), to.clone()));
        from.link(&to)
            .map_err(|err| gst::glib::bool_error!("{} does not link to {}: {err}", from.name(), to.name()))?;
        Ok(())
    }

    /// Where the chain begins.
    pub(super) fn head(&self) -> Option<gst::Pad> {
        self.elements.first()?.static_pad("sink")
    }

    /// Elements that do the analysing and say so in `stats`.
    pub(super) fn elements(&self) -> impl Iterator<Item = &gst::Element> {
        self.elements.iter()
    }

    /// Brings the chain to the bin's state, its end first: nothing flows into what is not ready.
    pub(super) fn start(&self) -> Result<(), Error> {
        for element in self.elements.iter().rev() {
            element.sync_state_with_parent()?;
        }
        Ok(())
    }

    /// Takes the chain out of the bin.
    ///
    /// The far ends go first: what waits there for room lets go, and the chain's threads can be joined. Whoever
    /// takes the pad away has stopped what feeds it.
    pub(super) fn stop(self, bin: &gst::Bin) {
        for (_, to) in &self.joints {
            if let Some(element) = to.parent_element() {
                element.release_request_pad(to);
            }
        }
        for from in &self.taps {
            if let Some(element) = from.parent_element() {
                element.release_request_pad(from);
            }
        }
        for element in &self.elements {
            element.set_locked_state(true);
            // An element that does not stop is taken out all the same.
            let _ = element.set_state(gst::State::Null);
            let _ = bin.remove(element);
        }
    }
}

fn filter(name: &str, caps: &str) -> Result<gst::Element, Error> {
    let filter = make("capsfilter", name)?;
    filter.set_property_from_str("caps", caps);
    Ok(filter)
}
