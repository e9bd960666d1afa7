// SPDX-License-Identifier: Apache-2.0
//! Wall time of HLS: a playlist may say when a segment's first sample was taken (`EXT-X-PROGRAM-DATE-TIME`, RFC 8216,
//! 4.3.2.6). GStreamer 1.22's `hlsdemux` tells nobody. It does tell which segment it has fetched, so the playlist is read once
//! more, when the first one has come, and by the way by which GStreamer opens HTTP.

use std::thread;
use std::time::Duration;

use curl::easy::Easy;
use gst::glib;

use super::{Credentials, Wanted};

/// For one playlist to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest playlist that is read; hours of segments have a tenth of it.
const MOST_BYTES: usize = 4 << 20;
/// Variants of a master playlist that are searched for the segment.
const MOST_VARIANTS: usize = 12;

/// A segment that was fetched.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The playlist that the stream was opened with.
    playlist: String,
    uri: String,
}

impl Segment {
    /// Reads `hlsdemux`'s message that it has fetched one.
    pub(super) fn read(message: &gst::message::Element) -> Option<Self> {
        let told = message.structure().filter(|told| told.name() == "adaptive-streaming-statistics")?;
        // The same message tells of playlists, without this.
        told.has_field("fragment-start-time").then_some(())?;
        Some(Self { playlist: told.get("manifest-uri").ok()?, uri: told.get("uri").ok()? })
    }

    /// Looks up when it begins, in nanoseconds since 1970, and tells if that is known. On a thread of its own, for a server may
    /// take its time.
    pub(super) fn look_up(self, reader: Reader, found: impl FnOnce(u64) + Send + 'static) {
        let look_up = move || {
            if let Some(wall_ns) = reader.date_of(&self) {
                found(wall_ns);
            }
        };
        // A machine without a thread to spare goes on with the time of arrival.
        let _ = thread::Builder::new().name("hls-date".into()).spawn(look_up);
    }
}

/// Reads playlists.
pub(super) struct Reader {
    /// Where the credentials are for: not for whoever a playlist names.
    own: String,
    credentials: Option<Credentials>,
    verify_tls: bool,
}

/// A playlist and where it came from in the end.
struct Playlist {
    uri: String,
    text: String,
}

impl Reader {
    /// For a source that may be HLS; `None` for others.
    pub(super) fn of(wanted: &Wanted, uri: &str) -> Option<Self> {
        let Wanted { credentials, verify_tls, .. } = wanted;
        is_http(uri).then(|| Self {
            own: origin(uri).to_owned(),
            credentials: credentials.clone(),
            verify_tls: *verify_tls,
        })
    }

    fn date_of(&self, segment: &Segment) -> Option<u64> {
        let first = self.fetch(&segment.playlist)?;
        let variants = first.variants();
        if variants.is_empty() {
            return first.date_of(&segment.uri);
        }
        variants.iter().take(MOST_VARIANTS).find_map(|uri| self.fetch(uri)?.date_of(&segment.uri))
    }

    fn fetch(&self, uri: &str) -> Option<Playlist> {
        if !is_http(uri) {
            return None;
        }
        let mut bytes = Vec::new();
        let mut easy = self.request(uri).ok()?;
        let mut transfer = easy.transfer();
        transfer
            .write_function(|part| {
                // Fewer than there are end the transfer.
                let has_room = bytes.len() + part.len() <= MOST_BYTES;
                if has_room {
                    bytes.extend_from_slice(part);
                }
                Ok(if has_room { part.len() } else { 0 })
            })
            .ok()?;
        transfer.perform().ok()?;
        drop(transfer);
        let uri = easy.effective_url().ok().flatten()?.to_owned();
        let text = String::from_utf8(bytes).ok().filter(|text| text.starts_with("#EXTM3U"))?;
        (easy.response_code() == Ok(200)).then_some(Playlist { uri, text })
    }

    fn credentials_for(&self, uri: &str) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|_| origin(uri).eq_ignore_ascii_case(&self.own))
    }

    fn request(&self, uri: &str) -> Result<Easy, curl::Error> {
        let mut easy = Easy::new();
        easy.url(uri)?;
        easy.timeout(PATIENCE)?;
        easy.follow_location(true)?;
        easy.max_redirections(5)?;
        easy.ssl_verify_peer(self.verify_tls)?;
        easy.ssl_verify_host(self.verify_tls)?;
        // As souphttpsrc does, for any scheme and without exceptions: in the service it leads to what may be opened.
        if let Ok(proxy) = std::env::var("http_proxy") {
            easy.proxy(&proxy)?;
            easy.noproxy("")?;
        }
        if let Some(Credentials { user, password }) = self.credentials_for(uri) {
            easy.username(user)?;
            easy.password(password)?;
        }
        Ok(easy)
    }
}

/// Scheme and authority of a URI.
fn origin(uri: &str) -> &str {
    let start = uri.find("://").map_or(0, |at| at + 3);
    uri[start..].find(['/', '?', '#']).map_or(uri, |end| &uri[..start + end])
}

impl Playlist {
    /// Lines that are URIs, resolved, each with the tags before it.
    fn entries(&self) -> impl Iterator<Item = (Vec<&str>, String)> {
        let mut tags = Vec::new();
        self.text.lines().map(str::trim).filter(|line| !line.is_empty()).filter_map(move |line| {
            if line.starts_with('#') {
                tags.push(line);
                return None;
            }
            let uri = joined(&self.uri, line)?;
            Some((std::mem::take(&mut tags), uri))
        })
    }

    /// The playlists that a master playlist names.
    fn variants(&self) -> Vec<String> {
        let is_variant = |tags: &[&str]| tags.iter().any(|tag| tag.starts_with("#EXT-X-STREAM-INF:"));
        self.entries().filter(|(tags, _)| is_variant(tags)).map(|(_, uri)| uri).collect()
    }

    /// When a segment's first sample was taken, in nanoseconds since 1970: by its own tag, or by the last one before it and
    /// the durations since.
    fn date_of(&self, segment: &str) -> Option<u64> {
        let mut carried = None;
        for (tags, uri) in self.entries() {
            let value = |name: &str| tags.iter().find_map(|tag| tag.strip_prefix(name));
            // Several segments of one file: which of them was fetched isn't told.
            if value("#EXT-X-BYTERANGE:").is_some() {
                return None;
            }
            if tags.contains(&"#EXT-X-DISCONTINUITY") {
                carried = None;
            }
            let begins = value("#EXT-X-PROGRAM-DATE-TIME:").and_then(unix_ns).or(carried);
            if uri == segment {
                return begins;
            }
            let lasts = value("#EXTINF:").and_then(|value| value.split(',').next()?.trim().parse::<f64>().ok());
            carried =
                begins.zip(lasts).map(|(begins, lasts)| begins.saturating_add((lasts.max(0.0) * 1e9).round() as u64));
        }
        None
    }
}

/// A playlist's URI and one in it, joined as `hlsdemux` does, letter by letter: whatever is made prettier is another URI.
fn joined(base: &str, uri: &str) -> Option<String> {
    if uri.contains("://") {
        return Some(uri.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if uri.starts_with("//") {
        return Some(format!("{scheme}:{uri}"));
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let at = if uri.starts_with('/') { rest.find('/') } else { rest.rfind('/') };
    let folder = &rest[..at.unwrap_or(rest.len())];
    let separator = if uri.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{folder}{separator}{uri}"))
}

/// An ISO 8601 date with time, in nanoseconds since 1970; without a zone it is UTC.
fn unix_ns(date: &str) -> Option<u64> {
    let date = glib::DateTime::from_iso8601(date.trim(), Some(&glib::TimeZone::utc())).ok()?;
    let seconds = u64::try_from(date.to_unix()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(date.microsecond()).ok()? * 1000)
}

fn is_http(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(text: &str) -> Playlist {
        Playlist { uri: "https://cdn.example/live/a.m3u8?token=1".to_owned(), text: format!("#EXTM3U\n{text}") }
    }

    #[test]
    fn segments_have_the_date_of_their_tag_or_of_the_last_one_before() {
        let playlist = playlist(
            "#EXTINF:2,\nearly.ts\n#EXT-X-PROGRAM-DATE-TIME:2001-02-03T04:05:06.250Z\n#EXTINF:2.002,title\n0.ts\n\
             #EXTINF:2.0,\n/other/1.ts\n#EXTINF:2,\n2.ts?n=%41\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\n3.ts\n\
             #EXTINF:2,\n#EXT-X-PROGRAM-DATE-TIME:2001-02-03T06:05:20.000+02:00\n#EXT-X-DISCONTINUITY\nhttps://x.example/4.ts\n",
        );
        let date = |segment| playlist.date_of(segment);
        let first = 981_173_106_250_000_000;
        assert_eq!(date("https://cdn.example/live/early.ts"), None);
        assert_eq!(date("https://cdn.example/live/0.ts"), Some(first));
        assert_eq!(date("https://cdn.example/other/1.ts"), Some(first + 2_002_000_000));
        assert_eq!(date("https://cdn.example/live/2.ts?n=%41"), Some(first + 4_002_000_000));
        assert_eq!(date("https://cdn.example/live/3.ts"), None, "behind a discontinuity nothing is known");
        assert_eq!(date("https://x.example/4.ts"), Some(981_173_120_000_000_000));
        assert_eq!(date("https://cdn.example/live/5.ts"), None);
    }

    #[test]
    fn credentials_are_for_the_host_that_was_named() {
        let credentials = Some(Credentials { user: "u".into(), password: "p".into() });
        let reader = Reader { own: origin("https://cam.example/a.m3u8?x").into(), credentials, verify_tls: true };
        assert!(reader.credentials_for("https://CAM.example/low/a.m3u8").is_some());
        for other in [
            "http://cam.example/a.m3u8",
            "https://cdn.example/a.m3u8",
            "https://cam.example:444/a",
            "https://cam.example@x/",
        ] {
            assert!(reader.credentials_for(other).is_none(), "{other}");
        }
    }

    #[test]
    fn pieces_of_one_file_cannot_be_told_apart() {
        let pieces = "#EXT-X-PROGRAM-DATE-TIME:2001-02-03T04:05:06Z\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@0\na.ts\n";
        assert_eq!(playlist(pieces).date_of("https://cdn.example/live/a.ts"), None);
    }

    #[test]
    fn a_master_playlist_names_others() {
        let master = playlist("#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/a.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n/high.m3u8\n");
        assert_eq!(joined("http://a.example", "b.ts").as_deref(), Some("http://a.example/b.ts"));
        assert_eq!(joined("http://a.example/x/y?z=/", "//b.example/b.ts").as_deref(), Some("http://b.example/b.ts"));
        assert_eq!(master.variants(), ["https://cdn.example/live/low/a.m3u8", "https://cdn.example/high.m3u8"]);
        assert!(playlist("#EXTINF:2,\n0.ts\n").variants().is_empty());
    }
}
