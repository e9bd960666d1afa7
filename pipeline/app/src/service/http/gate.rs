// SPDX-License-Identifier: Apache-2.0
//! Who may come in: rate, host, token and role are asked in front of every handler; what changes something is written
//! into the audit log.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{App, problem::Problem};
use crate::service::config::{Http, Role};
use crate::sync::lock;
use crate::wall;

/// An answer that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(20);
/// Most signs of a path in the audit log.
const LONGEST_PATH: usize = 256;
/// Addresses that are remembered at once.
const MOST_ADDRESSES: usize = 4096;
/// So many seconds' requests may come at once.
const BURST: f64 = 5.0;
/// The subprotocol of a WebSocket that is a token, in base64url without padding.
const TOKEN_PROTOCOL: &str = "polygraph.token.";

/// Who asks, put into a request for its handler.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token's name; `local` where none is needed.
    pub name: String,
    pub role: Role,
}

/// The rules of entry.
pub struct Gate {
    tokens: Vec<(String, Role, [u8; 32])>,
    hosts: Vec<String>,
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Gate {
    /// Reads the tokens.
    ///
    /// # Errors
    /// When one isn't there any more.
    pub fn new(http: &Http) -> Result<Self, String> {
        let mut tokens = Vec::new();
        for token in &http.tokens {
            let value = token.token.value().map_err(|why| format!("the token of {}: {why}", token.name))?;
            tokens.push((token.name.clone(), token.role, Sha256::digest(value.as_bytes()).into()));
        }
        let hosts = http.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Self { tokens, hosts, per_second: http.requests_per_second.into(), buckets: Mutex::default() })
    }

    /// Whether an address may ask once more; a token bucket each.
    fn has_room(&self, address: IpAddr, now: Instant) -> bool {
        let mut buckets = lock(&self.buckets);
        let full = self.per_second * BURST;
        if buckets.len() >= MOST_ADDRESSES {
            // Whoever has been away for so long has a full bucket anyhow.
            buckets.retain(|_, (_, last)| now.duration_since(*last).as_secs_f64() < BURST);
        }
        let (left, last) = buckets.entry(address).or_insert((full, now));
        *left = (*left + now.duration_since(*last).as_secs_f64() * self.per_second).min(full);
        *last = now;
        let room = *left >= 1.0;
        if room {
            *left -= 1.0;
        }
        room
    }

    /// Whether the request was meant for us: a page elsewhere may have led a browser here by a name of its own.
    fn is_our_name(&self, headers: &HeaderMap) -> bool {
        if !self.tokens.is_empty() {
            return true; // A page elsewhere has no token.
        }
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
        // Browsers say which page asks.
        let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
        text(header::HOST).is_some_and(|host| self.is_our_host(host))
            && origin.is_none_or(|host| self.is_our_host(host))
    }

    fn is_our_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// Who this is. All tokens are compared, each in constant time.
    fn who(&self, headers: &HeaderMap) -> Option<Caller> {
        if self.tokens.is_empty() {
            return Some(Caller { name: "local".into(), role: Role::Operator });
        }
        let given: [u8; 32] = Sha256::digest(token(headers)?).into();
        let (mut found, mut which) = (Choice::from(0), 0_u64);
        for (index, (_, _, token)) in self.tokens.iter().enumerate() {
            let same = token.as_slice().ct_eq(given.as_slice());
            which.conditional_assign(&(index as u64), same);
            found |= same;
        }
        let (name, role, _) = self.tokens.get(usize::try_from(which).ok()?)?;
        bool::from(found).then(|| Caller { name: name.clone(), role: *role })
    }
}

/// The token that a request brings. A page can give a WebSocket no header but the names of subprotocols, so there it is one
/// of those; never in the address, which ends in logs.
fn token(headers: &HeaderMap) -> Option<Vec<u8>> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return Some(given.to_str().ok()?.strip_prefix("Bearer ")?.into());
    }
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    let mut protocols = lists.flat_map(|list| list.split(',')).map(str::trim);
    let token = protocols.find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL))?;
    URL_SAFE_NO_PAD.decode(token).ok()
}

/// The audit log: who changed what.
pub struct Audit(pub Mutex<File>);

impl Audit {
    fn write(&self, entry: &serde_json::Value) {
        let mut file = lock(&self.0);
        if writeln!(file, "{entry}").is_err() {
            errln!("polygraph: the audit log can't be written: {entry}");
        }
    }
}

/// What needs no token: whether the service lives, and the page, which asks for one.
fn is_public(path: &str) -> bool {
    matches!(path, "/" | "/healthz" | "/readyz" | "/api/v1/openapi.json") || path.starts_with("/page/")
}

/// In front of every handler.
pub async fn pass(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    route: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let caller = admit(&app.gate, &request, address.ip());
    // Also of those who may not.
    let who = app.gate.who(request.headers()).map(|caller| caller.name);
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            match tokio::time::timeout(LONGEST, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer takes too long").into_response(),
            }
        }
        Err(problem) => problem.into_response(),
    };
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.hub.metrics.request(method.as_str(), route, status, began.elapsed());
    // What the gate refused to strangers is in the metrics: written down, anybody could fill the disk with it.
    if changes(&method) && who.is_some() && status != StatusCode::TOO_MANY_REQUESTS.as_u16() {
        let entry = serde_json::json!({
            "at_ms": wall::now_ms(), "who": who, "from": address.ip(), "method": method.as_str(),
            "path": path.chars().take(LONGEST_PATH).collect::<String>(), "status": status,
        });
        let app = Arc::clone(&app);
        // The answer is only given when it is written down.
        let _ = tokio::task::spawn_blocking(move || app.audit.write(&entry)).await;
    }
    secure(response.headers_mut());
    response
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request is answered, and to whom.
///
/// # Errors
/// What is answered instead.
pub fn admit(gate: &Gate, request: &Request, address: IpAddr) -> Result<Caller, Problem> {
    if !gate.has_room(address, Instant::now()) {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; come back in a second"));
    }
    if !gate.is_our_name(request.headers()) {
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "not a name of this service; [http] hosts adds one"));
    }
    let Some(caller) = gate.who(request.headers()) else {
        if is_public(request.uri().path()) {
            return Ok(Caller { name: "nobody".into(), role: Role::Viewer });
        }
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN"));
    };
    if changes(request.method()) && caller.role < Role::Operator {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{} may look; this needs the role operator", caller.name),
        ));
    }
    Ok(caller)
}

fn secure(headers: &mut HeaderMap) {
    const POLICY: &str =
        "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::Config;

    fn gate(more: &str) -> Gate {
        Gate::new(&Config::parse(&format!("[http]\n{more}")).unwrap().http).unwrap()
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn tokens_tell_who_somebody_is() {
        let tokens = "[[http.tokens]]\nname = \"ann\"\nrole = \"operator\"\ntoken = \"0123456789abcdef\"\n\
                      [[http.tokens]]\nname = \"bob\"\nrole = \"viewer\"\ntoken = \"fedcba9876543210\"";
        let gate = gate(tokens);
        let who =
            |given: &str| gate.who(&headers(header::AUTHORIZATION, given)).map(|caller| (caller.name, caller.role));
        assert_eq!(who("Bearer 0123456789abcdef"), Some(("ann".into(), Role::Operator)));
        assert_eq!(who("Bearer fedcba9876543210"), Some(("bob".into(), Role::Viewer)));
        for wrong in ["Bearer 0123456789abcdeg", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef"] {
            assert_eq!(who(wrong), None, "{wrong}");
        }
        let offered =
            |protocols| gate.who(&headers(header::SEC_WEBSOCKET_PROTOCOL, protocols)).map(|caller| caller.name);
        let bob = format!("cloudevents.json, polygraph.token.{}", URL_SAFE_NO_PAD.encode("fedcba9876543210"));
        assert_eq!(offered(&bob), Some("bob".into()));
        assert_eq!(offered("cloudevents.json, fedcba9876543210"), None);
        assert_eq!(offered("polygraph.token.~"), None);
        assert!(gate.who(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused_where_no_token_protects() {
        let gate = gate("hosts = [\"poly.example\"]");
        for ours in ["127.0.0.1:8900", "localhost:8900", "[::1]:8900", "POLY.example"] {
            assert!(gate.is_our_name(&headers(header::HOST, ours)), "{ours}");
        }
        assert!(!gate.is_our_name(&headers(header::HOST, "evil.example:8900")));
        assert!(!gate.is_our_name(&HeaderMap::new()));
        for (origin, ours) in [("http://localhost:8900", true), ("http://evil.example", false), ("null", false)] {
            let mut both = headers(header::HOST, "127.0.0.1:8900");
            both.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(gate.is_our_name(&both), ours, "a page of {origin}");
        }
    }

    #[test]
    fn an_address_that_asks_too_often_waits_and_no_other_does() {
        let gate = gate("requests_per_second = 2");
        let (now, [a, b]) = (Instant::now(), [1, 2].map(|n| IpAddr::from([10, 0, 0, n])));
        assert!((0..10).all(|_| gate.has_room(a, now)));
        assert!(!gate.has_room(a, now));
        assert!(gate.has_room(b, now));
        assert!(gate.has_room(a, now + Duration::from_millis(600)));
        assert!(!gate.has_room(a, now + Duration::from_millis(600)));
    }
}
