// SPDX-License-Identifier: Apache-2.0
//! A loaded network and its worker sessions.

use std::{
    fmt,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ort::{environment::Environment, session::Session};
use serde::{Deserialize, Serialize};

use super::{
    pool::{Pool, Refusal},
    profile::Profile,
    provider::{self, Chosen, Placement, ProviderReport},
    session,
};
use crate::{
    Error, Result,
    card::{Card, File, Role, Target},
    check::trial,
    store::Store,
};

/// How long [`Network::run`] waits for a free worker.
pub const CHECKOUT: Duration = Duration::from_secs(10);

/// Where a score comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The card's name.
    pub name: String,
    /// The card's version.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The provider that runs it: `cpu`, `cuda` or `tensorrt`.
    pub provider: &'static str,
}

/// What a network has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How often it ran.
    pub runs: u64,
    /// How long its sessions were in use, in nanoseconds: its input's preparation and its output's reading included where
    /// they are done with the session in hand.
    pub busy_ns: u64,
}

/// A loaded network with its worker sessions.
pub struct Network {
    card: &'static Card,
    file: &'static File,
    identity: Identity,
    report: ProviderReport,
    environment: Environment,
    store: Store,
    pool: Pool<Session>,
    runs: AtomicU64,
    busy_ns: AtomicU64,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("identity", &self.identity)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Loads the network on the provider that was chosen; with [`super::Provider::Auto`] on the processor where that
    /// fails.
    pub(super) fn load(
        environment: &Environment,
        store: &Store,
        card: &'static Card,
        chosen: &Chosen,
        workers: usize,
    ) -> Result<Self> {
        match Self::load_on(environment, store, card, chosen.clone(), workers) {
            Err(error @ (Error::Runtime(_) | Error::Provider { .. })) if chosen.may_fall_back() => {
                Self::load_on(environment, store, card, chosen.fallen_back(&error), workers)
            }
            loaded => loaded,
        }
    }

    fn load_on(
        environment: &Environment,
        store: &Store,
        card: &'static Card,
        chosen: Chosen,
        workers: usize,
    ) -> Result<Self> {
        let no_variant = || Error::Provider {
            provider: chosen.actual.as_str(),
            missing: format!("card `{}` has no variant for it", card.name),
        };
        let variant = card.variant(chosen.actual).ok_or_else(no_variant)?;
        let file = card.file(&variant.file).ok_or_else(no_variant)?;
        let (first, placements) = first_session(environment, store, card, file, chosen.actual)?;
        provider::confirm(chosen.actual, &placements)?;
        // A GPU takes one call at a time: more sessions would only hold more of its memory.
        let limit = if chosen.actual == Target::Cpu { workers } else { 1 };
        Ok(Self {
            card,
            file,
            identity: Identity {
                name: card.name.clone(),
                version: card.version.clone(),
                sha256: file.sha256.clone(),
                provider: chosen.actual.as_str(),
            },
            report: ProviderReport {
                network: card.name.clone(),
                asked: chosen.asked,
                actual: chosen.actual,
                placements,
                fell_back: chosen.fell_back,
            },
            environment: environment.clone(),
            store: store.clone(),
            pool: Pool::new(first, limit),
            runs: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
        })
    }

    /// Where its scores come from.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its card.
    pub fn card(&self) -> &'static Card {
        self.card
    }

    /// Asked-for against actual provider.
    pub fn report(&self) -> &ProviderReport {
        &self.report
    }

    /// Checks a worker session out of the pool, within [`CHECKOUT`], and runs `call` with it on this thread.
    ///
    /// # Errors
    /// [`Error::Busy`] when no worker came free in time, the errors of [`super::Engine::load`] when a further worker
    /// couldn't be made, and those of `call`.
    pub fn run<R>(&self, call: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        self.run_within(CHECKOUT, call)
    }

    /// [`Network::run`] with a wait of the caller's choice.
    ///
    /// # Errors
    /// As for [`Network::run`].
    pub fn run_within<R>(&self, wait: Duration, call: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        let make = || {
            let builder = session::builder(&self.environment, self.report.actual)?;
            session::open(builder, &self.store, self.card, self.file)
        };
        let mut worker = self.pool.take(wait, make).map_err(|refusal| match refusal {
            Refusal::Busy => Error::Busy {
                name: self.card.name.clone(),
                waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            },
            Refusal::Make(error) => error,
        })?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let result = call(&mut worker);
        self.busy_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }

    /// What it has cost so far.
    pub fn usage(&self) -> Usage {
        Usage { runs: self.runs(), busy_ns: self.busy_ns.load(Ordering::Relaxed) }
    }

    /// How often [`Network::run`] handed a session out so far: what the bench holds against the card's rates.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Path of a verified file that the card lists beside the network, e.g. a tokenizer.
    ///
    /// # Errors
    /// [`Error::Card`] when the card has no such extra file; [`Error::Missing`] or [`Error::Changed`].
    pub fn extra(&self, file: &str) -> Result<PathBuf> {
        let listed = self.card.file(file).filter(|file| file.role == Role::Extra);
        let file = listed.ok_or_else(|| Error::Card {
            name: self.card.name.clone(),
            reason: format!("it lists no extra file `{file}`"),
        })?;
        self.store.verified(self.card, file)
    }
}

/// The session that every network has, and where its nodes were placed.
fn first_session(
    environment: &Environment,
    store: &Store,
    card: &Card,
    file: &File,
    target: Target,
) -> Result<(Session, Vec<Placement>)> {
    let builder = session::builder(environment, target)?;
    // ONNX Runtime records no placement of graphs in its own format: there a profile of one run tells.
    if !file.name.ends_with(".ort") {
        let first = session::open(builder, store, card, file)?;
        let placements = provider::placements(&first)?;
        return Ok((first, placements));
    }
    let profile = Profile::new()?;
    let mut first = session::open(builder.with_profiling(profile.prefix())?, store, card, file)?;
    trial::run(&mut first, card)?;
    let placements = profile.end(&mut first)?;
    Ok((first, placements))
}
