// SPDX-License-Identifier: Apache-2.0
//! The way by which GStreamer opens HTTP: a forward proxy on loopback that asks the [`Guard`] for every request. So
//! playlists' children and redirects are asked as well, and a name can't lead elsewhere between check and connection:
//! the address that was checked is the one that is connected.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::guard::Guard;
use crate::error::{Error, Result};

/// A request's head.
const MOST_HEAD: usize = 16 << 10;
/// Requests at once.
const MOST_REQUESTS: usize = 512;
/// For a head to come, and for a server to answer a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A proxy that listens.
pub struct Listening {
    listener: StdListener,
    guard: Guard,
}

/// Where GStreamer's HTTP source looks for a proxy.
pub const VARIABLE: &str = "http_proxy";
/// The user's own, which what isn't a stream goes by.
static USERS: OnceLock<Option<OsString>> = OnceLock::new();

/// The proxy that the user had set before this one took its place.
pub fn of_the_user() -> Option<OsString> {
    USERS.get().cloned().flatten()
}

impl Listening {
    /// Listens on loopback and tells GStreamer's HTTP source, through the environment; so it comes before any thread.
    ///
    /// # Errors
    /// When there is no port.
    pub fn bind(guard: Guard) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Service(format!("the HTTP guard's port: {error}"));
        let listener = StdListener::bind("127.0.0.1:0").map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // souphttpsrc reads it whenever one is made, those of playlists' children too, which nobody else can set up.
        // There is one service in a process.
        let _ = USERS.set(std::env::var_os(VARIABLE));
        // SAFETY: called while the process has one thread; nobody reads the environment meanwhile.
        unsafe { std::env::set_var(VARIABLE, format!("http://{address}")) };
        Ok(Self { listener, guard })
    }

    /// Serves until the runtime ends.
    pub async fn serve(self) {
        let Ok(listener) = TcpListener::from_std(self.listener) else { return };
        let (guard, room) = (Arc::new(self.guard), Arc::new(Semaphore::new(MOST_REQUESTS)));
        loop {
            let Ok((client, _)) = listener.accept().await else {
                // Too many descriptors: some will be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
            let guard = Arc::clone(&guard);
            tokio::spawn(async move {
                // Whichever side ends early has nobody to tell.
                let _ = serve_one(client, guard).await;
                drop(place);
            });
        }
    }
}

/// A request line and where it leads.
struct Request {
    host: String,
    port: u16,
    /// What the server is to be sent; nothing for a tunnel.
    head: Vec<u8>,
    tunnel: bool,
}

async fn serve_one(mut client: TcpStream, guard: Arc<Guard>) -> std::io::Result<()> {
    let (head, rest) = match tokio::time::timeout(PATIENCE, read_head(&mut client)).await {
        Ok(Ok(head)) => head,
        _ => return Ok(()),
    };
    let Some(request) = parse(&head) else {
        return refuse(&mut client, "400 Bad Request", "no request for a proxy").await;
    };
    let scheme = if request.tunnel { "https" } else { "http" };
    let (host, port) = (request.host.clone(), request.port);
    let checked =
        tokio::task::spawn_blocking(move || guard.scheme(scheme).and_then(|()| guard.resolve(&host, port))).await;
    let addresses = match checked {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(why)) => return refuse(&mut client, "403 Forbidden", &why).await,
        Err(_) => return refuse(&mut client, "502 Bad Gateway", "the resolver failed").await,
    };
    let Some(mut server) = connect(&addresses).await else {
        return refuse(&mut client, "502 Bad Gateway", "the server does not answer").await;
    };
    if request.tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(&request.head).await?;
    }
    server.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn connect(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses {
        if let Ok(Ok(server)) = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            return Some(server);
        }
    }
    None
}

/// A head with its empty line, and what came after it.
async fn read_head(client: &mut TcpStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    while head.len() < MOST_HEAD {
        if client.read_buf(&mut head).await? == 0 {
            break;
        }
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = head.split_off(end + 4);
            return Ok((head, rest));
        }
    }
    Err(std::io::ErrorKind::InvalidData.into())
}

fn parse(head: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(head).ok()?;
    let (line, headers) = text.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        let (host, port) = target.rsplit_once(':')?;
        return Some(Request { host: host.into(), port: port.parse().ok()?, head: vec![], tunnel: true });
    }
    let rest = target.strip_prefix("http://")?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    // No credentials: souphttpsrc sends those in a header.
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    // One request a connection: the next may be for another host, and is to be asked for.
    let mut head = format!("{method} {path} {version}\r\nConnection: close\r\n");
    for header in headers.lines().filter(|header| !header.is_empty()) {
        let name = header.split(':').next()?.trim().to_ascii_lowercase();
        if !matches!(name.as_str(), "connection" | "proxy-connection" | "proxy-authorization" | "keep-alive") {
            head.push_str(header);
            head.push_str("\r\n");
        }
    }
    head.push_str("\r\n");
    Some(Request { host: host.into(), port, head: head.into_bytes(), tunnel: false })
}

async fn refuse(client: &mut TcpStream, status: &str, why: &str) -> std::io::Result<()> {
    let length = why.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{why}"
    );
    client.write_all(answer.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_rewritten_for_the_server() {
        let head = b"GET http://cam.example:81/a/b.m3u8?x=1 HTTP/1.1\r\nHost: cam.example:81\r\nProxy-Connection: keep-alive\r\n\r\n";
        let request = parse(head).unwrap();
        assert_eq!((&*request.host, request.port, request.tunnel), ("cam.example", 81, false));
        let sent = String::from_utf8(request.head).unwrap();
        assert_eq!(sent, "GET /a/b.m3u8?x=1 HTTP/1.1\r\nConnection: close\r\nHost: cam.example:81\r\n\r\n");
        let tunnel = parse(b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!((&*tunnel.host, tunnel.port, tunnel.tunnel), ("[::1]", 443, true));
        for bad in ["GET / HTTP/1.1\r\n\r\n", "GET ftp://a/ HTTP/1.1\r\n\r\n", "nothing"] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
