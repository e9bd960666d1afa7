// SPDX-License-Identifier: Apache-2.0
//! What GStreamer says went wrong, in words for users.

use gst::glib;

/// A stream time as seconds.
pub fn time(ns: u64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

/// An error of the pipeline in one line. `missing` are the decoders that it asked for in vain.
pub fn describe(error: &glib::Error, missing: &[String]) -> String {
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return format!("no {missing} here; install gstreamer1.0-libav and gstreamer1.0-plugins-bad");
    }
    let message = error.message().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    // Where connections go through the service's own proxy, its answer is no news for users.
    match message.split_once("HTTP proxy connection failed: ") {
        Some((_, "403")) => return "the configuration doesn't let it be opened ([allow])".into(),
        Some(_) => return "nobody answers there".into(),
        None => {}
    }
    if error.is::<gst::StreamError>() {
        return match error.kind::<gst::StreamError>() {
            Some(gst::StreamError::TypeNotFound | gst::StreamError::WrongType) => {
                format!("this is no audio or video that can be recognised ({message})")
            }
            Some(gst::StreamError::Decode | gst::StreamError::Demux | gst::StreamError::Format) => {
                format!("the stream is damaged ({message})")
            }
            _ => message,
        };
    }
    if error.matches(gst::ResourceError::NotFound) {
        return format!("it can't be found ({message})");
    }
    message
}

/// Whether a warning tells of damaged data.
pub fn is_damage(error: &glib::Error) -> bool {
    use gst::StreamError::{Decode, Demux, Format};
    [Decode, Demux, Format].into_iter().any(|kind| error.matches(kind))
}

/// The decoder that a `missing-plugin` message asks for.
pub fn missing_plugin(message: &gst::message::Element) -> Option<String> {
    let structure = message.structure()?;
    (structure.name() == "missing-plugin").then(|| structure.get("name").ok()).flatten()
}

/// Whether any stream of a collection is audio or video.
pub fn can_be_analysed(collection: &gst::StreamCollection) -> bool {
    collection.iter().any(|stream| stream.stream_type().intersects(gst::StreamType::VIDEO | gst::StreamType::AUDIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_own_proxy_is_not_blamed() {
        let told = |code: &str| {
            let message = format!("Failed to connect: HTTP proxy connection failed: {code}");
            describe(&glib::Error::new(gst::ResourceError::NotAuthorized, &message), &[])
        };
        assert_eq!(told("502"), "nobody answers there");
        assert!(told("403").contains("[allow]"));
    }
}
