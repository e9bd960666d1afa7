// SPDX-License-Identifier: Apache-2.0
//! URIs of streams: which schemes are opened at all, which host one leads to, and what of it may be shown.

use std::net::{IpAddr, Ipv6Addr};

/// Schemes that are opened; anything else could reach devices or run programs.
pub const SCHEMES: [&str; 11] =
    ["rtsp", "rtsps", "rtspt", "rtspu", "rtmp", "rtmps", "http", "https", "srt", "udp", "rtp"];

/// A URI without user, password and query, which may hold keys; a path is shown as it is.
pub fn shown(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", host_and_path(rest)),
        None => uri.to_owned(),
    }
}

/// Of what follows `://`.
pub fn host_and_path(rest: &str) -> String {
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{host}{path}")
}

/// A host as it stands in a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// In small letters, without a dot at its end.
    Name(String),
    /// As numbers.
    Address(IpAddr),
}

impl Host {
    /// A name, an address, or an address of IPv6 in brackets.
    ///
    /// # Errors
    /// For what is none of them, and for numbers that only resolvers take for addresses.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no host");
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(bad)?;
            return inner.parse::<Ipv6Addr>().map(|ip| Self::Address(ip.into())).map_err(|_| bad());
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Address(ip));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || text.len() > 253 || !text.chars().all(plain) {
            return Err(bad());
        }
        // 2130706433 and 0x7f.1 are 127.0.0.1 to resolvers, and to nobody who means well.
        let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        if last.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(bad());
        }
        Ok(Self::Name(text.trim_end_matches('.').to_ascii_lowercase()))
    }
}

/// Where in a URI its host stands.
pub fn host_range(uri: &str) -> Option<std::ops::Range<usize>> {
    let start = uri.find("://")? + 3;
    let end = uri[start..].find(['/', '?', '#']).map_or(uri.len(), |end| start + end);
    let host = uri[start..end].rfind('@').map_or(start, |user| start + user + 1);
    let length = match uri[host..end].strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => uri[host..end].find(':').unwrap_or(end - host),
    };
    Some(host..host + length)
}

/// Host and port of a URI; `None` where there is no host. Stricter than GStreamer's parsers, so that none of them can
/// see another host in it.
///
/// # Errors
/// One line that says what a URI needs.
pub fn host(uri: &str) -> Result<Option<(Host, Option<u16>)>, String> {
    let bad = || "a URI needs a host after ://, and no odd characters".to_owned();
    let place = host_range(uri).ok_or_else(bad)?;
    let authority_end = uri[place.start..].find(['/', '?', '#']).map_or(uri.len(), |end| place.start + end);
    let authority = &uri[uri.find("://").map_or(0, |at| at + 3)..authority_end];
    // GStreamer's parser of RTSP reads on behind a `#`, where others see the end of the authority.
    if authority.matches('@').count() > 1
        || uri.contains(['\\', '#'])
        || uri.chars().any(|c| c.is_control() || c == ' ')
    {
        return Err(bad());
    }
    let port = match uri[place.end..authority_end].strip_prefix(':') {
        Some(port) => Some(port.parse().map_err(|_| bad())?),
        None if place.end == authority_end => None,
        None => return Err(bad()),
    };
    if place.is_empty() {
        return Ok(None);
    }
    Ok(Some((Host::parse(&uri[place])?, port)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_secret_is_shown() {
        for (uri, shown) in [
            ("rtsp://u:p@cam:554/live/1?token=t", "rtsp://cam:554/live/1"),
            ("rtsp://cam/#t", "rtsp://cam/"),
            ("srt://:7000?passphrase=p", "srt://:7000"),
            ("file:///srv/a.mp4", "file:///srv/a.mp4"),
            ("/srv/a.mp4", "/srv/a.mp4"),
        ] {
            assert_eq!(super::shown(uri), shown);
        }
    }
}
