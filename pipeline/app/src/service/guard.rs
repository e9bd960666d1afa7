// SPDX-License-Identifier: Apache-2.0
//! What may be opened: an allow-list by scheme, host and folder, asked after names were resolved.
//!
//! A host's address decides, not its name: a name that is allowed may lead to this machine or to a cloud's metadata
//! (169.254.169.254). The address that was checked is the one that is opened, so that a name can't lead elsewhere a
//! moment later; HTTP is opened through [`super::proxy`], which does so for every request, those of playlists and
//! redirects too.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use gst::glib;
use ipnet::IpNet;

use super::config::Allow;
use crate::uri::{self, Host};

/// The allow-list.
#[derive(Clone, Debug)]
pub struct Guard {
    schemes: Vec<String>,
    hosts: Vec<Rule>,
    folders: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
enum Rule {
    Any,
    Net(IpNet),
    Name(String),
    Below(String),
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        match Host::parse(name) {
            Ok(Host::Name(name)) if below => Ok(Self::Below(format!(".{name}"))),
            Ok(Host::Name(name)) => Ok(Self::Name(name)),
            _ => Err(format!("hosts: `{text}` is neither a name, nor *.NAME, nor a network, nor *")),
        }
    }

    fn names(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Net(_) => false,
            Self::Name(own) => own == name,
            Self::Below(own) => name.ends_with(own.as_str()),
        }
    }
}

impl Guard {
    /// For these rules.
    ///
    /// # Errors
    /// One line that says which rule makes no sense.
    pub fn new(allow: &Allow) -> Result<Self, String> {
        let hosts = allow.hosts.iter().map(|host| Rule::parse(host)).collect::<Result<_, _>>()?;
        let folder =
            |folder: &PathBuf| folder.canonicalize().map_err(|error| format!("folders: {}: {error}", folder.display()));
        let folders = allow.folders.iter().map(folder).collect::<Result<_, _>>()?;
        let schemes = allow.schemes.iter().map(|scheme| scheme.to_ascii_lowercase()).collect();
        Ok(Self { schemes, hosts, folders })
    }

    /// The schemes that are allowed.
    pub fn schemes(&self) -> Vec<&str> {
        self.schemes.iter().map(String::as_str).collect()
    }

    /// What can be said of a URI before its host's name is resolved.
    ///
    /// # Errors
    /// One line that says why it is refused and what would allow it.
    pub fn check(&self, uri: &str) -> Result<(), String> {
        let (scheme, _) = uri.split_once("://").ok_or("a URI has a scheme and ://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return self.file(uri);
        }
        self.scheme(&scheme)?;
        if scheme == "test" {
            return Ok(());
        }
        match uri::host(uri)? {
            Some((Host::Name(name), _)) => self.name(&name),
            Some((Host::Address(ip), _)) => self.address(&ip, false),
            // A listener of SRT has none: it waits at this machine.
            None if scheme == "srt" => Ok(()),
            None => Err("a URI needs a host after ://".into()),
        }
    }

    /// Checks a URI at the moment of its connection, resolves its host, and gives the URI to open, with the address in
    /// the name's place where the protocol doesn't need the name. Waits for the resolver.
    ///
    /// # Errors
    /// One line that says why it is refused.
    pub fn admit(&self, uri: &str) -> Result<String, String> {
        self.check(uri)?;
        let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        // HTTP's names are resolved by the proxy, request by request.
        if matches!(scheme.as_str(), "file" | "test" | "http" | "https") {
            return Ok(uri.to_owned());
        }
        let Some((Host::Name(name), port)) = uri::host(uri)? else { return Ok(uri.to_owned()) };
        let addresses = self.resolve(&name, port.unwrap_or(554))?;
        // Certificates are made out to names.
        if matches!(scheme.as_str(), "rtsps" | "rtmps") {
            return Ok(uri.to_owned());
        }
        let first = addresses.first().ok_or_else(|| format!("{name} has no address"))?;
        let address = match first.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let place = uri::host_range(uri).ok_or("a URI needs a host after ://")?;
        let mut opened = uri.to_owned();
        opened.replace_range(place, &address);
        Ok(opened)
    }

    /// Resolves a name and checks each of its addresses.
    ///
    /// # Errors
    /// When any of them is refused, or there is none.
    pub fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let named = match Host::parse(name)? {
            Host::Name(name) => {
                self.name(&name)?;
                self.hosts.iter().any(|rule| !matches!(rule, Rule::Any) && rule.names(&name))
            }
            Host::Address(_) => false,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> =
            (bare, port).to_socket_addrs().map_err(|error| format!("{name} can't be resolved: {error}"))?.collect();
        addresses.iter().try_for_each(|address| self.address(&address.ip(), named))?;
        Ok(addresses)
    }

    /// Whether a scheme is allowed.
    ///
    /// # Errors
    /// One line that says what would allow it.
    pub fn scheme(&self, scheme: &str) -> Result<(), String> {
        if self.schemes.iter().any(|own| own == scheme) {
            return Ok(());
        }
        Err(format!("`{scheme}` is not opened; [allow] schemes are {}", self.schemes.join(", ")))
    }

    fn name(&self, name: &str) -> Result<(), String> {
        if self.hosts.iter().any(|rule| rule.names(name)) || self.hosts.iter().any(|rule| matches!(rule, Rule::Net(_)))
        {
            return Ok(());
        }
        Err(format!("the host {name} is not in [allow] hosts"))
    }

    /// `named`: the host's name is in the list, so that any address will do that isn't this machine's own business.
    fn address(&self, address: &IpAddr, named: bool) -> Result<(), String> {
        let address = address.to_canonical();
        if self.hosts.iter().any(|rule| matches!(rule, Rule::Net(net) if net.contains(&address))) {
            return Ok(());
        }
        let any = named || self.hosts.iter().any(|rule| matches!(rule, Rule::Any));
        if any && !is_special(&address) {
            return Ok(());
        }
        let what = if is_special(&address) { " (this machine or link-local)" } else { "" };
        Err(format!("the address {address}{what} is not opened; a network of [allow] hosts would allow it"))
    }

    fn file(&self, uri: &str) -> Result<(), String> {
        let (path, _) = glib::filename_from_uri(uri).map_err(|error| error.message().to_owned())?;
        // Without its links and dots.
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if self.folders.iter().any(|folder| path.starts_with(folder)) {
            return Ok(());
        }
        Err(format!("{} lies in none of [allow] folders", path.display()))
    }
}

/// Addresses at which no camera is, and much that trusts whoever is near.
fn is_special(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(hosts: &[&str]) -> Guard {
        Guard::new(&Allow { hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..Allow::default() }).unwrap()
    }

    #[test]
    fn everything_but_this_machine_and_link_local_is_open_by_default() {
        let guard = guard(&["*"]);
        for uri in [
            "rtsp://camera.example/1",
            "rtsp://u:p@10.0.0.7:554/1?x=1",
            "udp://239.1.1.1:5000",
            "srt://:7000?mode=listener",
            "test://ball",
        ] {
            assert_eq!(guard.check(uri), Ok(()), "{uri}");
        }
        for uri in [
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://127.0.0.1:8900/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://a@b@127.0.0.1/",
            "http://cam\\@127.0.0.1/",
            "rtsp://8.8.8.8:554#@127.0.0.1:8554/x",
            "rtsp://camera.example#@127.0.0.1/",
            "rtsp://0.0.0.0/",
            "rtsp://[::1]/1",
            "rtsp://[fe80::1]/1",
            "file:///etc/passwd",
            "v4l2:///dev/video0",
            "rtsp:///1",
            "nothing",
        ] {
            assert!(guard.check(uri).is_err(), "{uri}");
        }
        assert!(guard.admit("rtsp://localhost/1").unwrap_err().contains("this machine"), "after resolution");
    }

    #[test]
    fn a_list_opens_what_is_in_it() {
        let allowed = guard(&["cam.example", "*.studio.example", "10.1.0.0/16"]);
        for uri in ["rtsp://cam.example/1", "rtsp://a.b.studio.example/1", "rtsp://10.1.2.3/1"] {
            assert_eq!(allowed.check(uri), Ok(()), "{uri}");
        }
        for uri in ["rtsp://10.2.0.1/1", "rtsp://8.8.8.8/1"] {
            assert!(allowed.check(uri).is_err(), "{uri}");
        }
        assert!(guard(&["127.0.0.0/8"]).check("rtsp://127.0.0.1/1").is_ok());
    }

    #[test]
    fn what_was_checked_is_what_is_opened() {
        let guard = guard(&["127.0.0.0/8", "::1/128"]);
        for (uri, start, end) in [
            ("rtsp://u:p@localhost:8554/live?a=b@c", "rtsp://u:p@", ":8554/live?a=b@c"),
            ("srt://localhost:7000", "srt://", ":7000"),
        ] {
            let opened = guard.admit(uri).unwrap();
            assert!(opened.starts_with(start) && opened.ends_with(end), "{opened}");
            assert!(opened.contains("127.0.0.1") || opened.contains("[::1]"), "{opened}");
        }
        assert_eq!(guard.admit("rtsps://localhost/1").unwrap(), "rtsps://localhost/1", "certificates need the name");
    }

    #[test]
    fn links_and_dots_lead_out_of_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("in"), root.path().join("out.mp4"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&outside, "x").unwrap();
        std::fs::write(inside.join("film.mp4"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link.mp4")).unwrap();
        let guard = Guard::new(&Allow { folders: vec![inside.clone()], ..Allow::default() }).unwrap();
        let uri = |name: &str| format!("file://{}/{name}", inside.display());
        assert_eq!(guard.check(&uri("film.mp4")), Ok(()));
        for name in ["link.mp4", "../out.mp4", "%2e%2e/out.mp4", "nothing.mp4"] {
            assert!(guard.check(&uri(name)).is_err(), "{name}");
        }
    }
}
