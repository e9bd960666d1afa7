// SPDX-License-Identifier: Apache-2.0
//! One engine a process: the ONNX Runtime library, its environment, and the networks loaded so far.
//!
//! On the processor each network has worker sessions of one thread that don't spin, one call each at a time and no
//! added delay. The CUDA and TensorRT paths are complete but have not run on a GPU yet: only their refusals are
//! tested.

mod library;
mod network;
mod pool;
mod profile;
mod provider;
mod session;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
};

pub use network::{CHECKOUT, Identity, Network, Usage};
pub use provider::{Placement, Provider, ProviderReport};
pub(crate) use session::{builder, from_bytes};

use crate::{
    batch::{BatchOptions, Batcher, NetworkBatch},
    card::{self, Target},
    error::{Error, Result},
    store::Store,
};

/// How to open an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineConfig {
    /// The store's folder.
    pub store: PathBuf,
    /// The provider asked for.
    pub provider: Provider,
    /// Worker sessions of one thread that a network has at most.
    pub workers: usize,
}

impl Default for EngineConfig {
    /// The default store, [`Provider::Auto`], and as many workers as there are cores.
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self { store: Store::default_dir(), provider: Provider::default(), workers }
    }
}

/// The process's engine.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    store: Store,
    environment: ort::environment::Environment,
    chosen: provider::Chosen,
    networks: Mutex<HashMap<String, Arc<Network>>>,
    batchers: Mutex<HashMap<String, Arc<Batcher<NetworkBatch>>>>,
}

impl Engine {
    /// The engine of this process for `provider`, opened on first use with the default store and workers.
    ///
    /// # Errors
    /// Those of [`Engine::open`]; a later call tries again.
    pub fn shared(provider: Provider) -> Result<Arc<Self>> {
        static SHARED: LazyLock<Mutex<HashMap<Provider, Arc<Engine>>>> = LazyLock::new(Mutex::default);
        let mut shared = lock(&SHARED);
        if let Some(engine) = shared.get(&provider) {
            return Ok(engine.clone());
        }
        let engine = Arc::new(Self::open(EngineConfig { provider, ..EngineConfig::default() })?);
        shared.insert(provider, engine.clone());
        Ok(engine)
    }

    /// Loads the ONNX Runtime library, verified, and makes sure that the provider can be had.
    /// `ORT_DYLIB_PATH`, when set, names the library instead of the store's.
    ///
    /// # Errors
    /// [`crate::Error::Missing`], [`crate::Error::Changed`] or [`crate::Error::Library`] for the library;
    /// [`crate::Error::Provider`] where `cuda` or `tensorrt` was asked for by name and something is missing.
    pub fn open(config: EngineConfig) -> Result<Self> {
        let store = Store::open(&config.store);
        let (environment, library) = library::environment(&store)?;
        let mut chosen = provider::choose(config.provider, &library)?;
        // Registering loads the provider's own library, which names what else is missing.
        match session::builder(&environment, chosen.actual) {
            Ok(_) => {}
            Err(error) if chosen.may_fall_back() => chosen = chosen.fallen_back(&error),
            Err(error) => return Err(Error::Provider { provider: chosen.actual.as_str(), missing: error.to_string() }),
        }
        Ok(Self { config, store, environment, chosen, networks: Mutex::default(), batchers: Mutex::default() })
    }

    /// The network of a card, verified and loaded on first use.
    ///
    /// # Errors
    /// [`crate::Error::UnknownCard`]; [`crate::Error::Missing`], [`crate::Error::Changed`] or
    /// [`crate::Error::Refused`] before anything is loaded; [`crate::Error::Runtime`] from the load.
    pub fn load(self: &Arc<Self>, card: &str) -> Result<Arc<Network>> {
        // Held while loading: whoever wants the same network waits for it instead of loading it twice.
        let mut networks = lock(&self.networks);
        if let Some(network) = networks.get(card) {
            return Ok(network.clone());
        }
        let network = Arc::new(Network::load(
            &self.environment,
            &self.store,
            card::card(card)?,
            &self.chosen,
            self.config.workers,
        )?);
        networks.insert(card.to_owned(), network.clone());
        Ok(network)
    }

    /// What joins the calls of all streams to a network on a GPU. None on the processor, where each call has a worker
    /// session of its own, and none for a network whose card has no dimension `batch`.
    ///
    /// # Errors
    /// Those of [`Engine::load`] and [`Batcher::start`].
    pub fn batcher(self: &Arc<Self>, card: &str) -> Result<Option<Arc<Batcher<NetworkBatch>>>> {
        let network = self.load(card)?;
        if network.report().actual == Target::Cpu || !NetworkBatch::fits(network.card()) {
            return Ok(None);
        }
        let mut batchers = lock(&self.batchers);
        if let Some(batcher) = batchers.get(card) {
            return Ok(Some(batcher.clone()));
        }
        let batcher = Arc::new(Batcher::start(NetworkBatch::new(network)?, BatchOptions::default())?);
        batchers.insert(card.to_owned(), batcher.clone());
        Ok(Some(batcher))
    }

    /// The store it loads from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How it was opened.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The provider that networks will run on, unless one of them can't and `auto` lets it fall back.
    pub fn target(&self) -> Target {
        self.chosen.actual
    }

    /// Why `auto` settled for the processor, where it did.
    pub fn fell_back(&self) -> Option<&str> {
        self.chosen.fell_back.as_deref()
    }

    /// How often each network loaded so far was run, by card: see [`Network::runs`].
    pub fn runs(&self) -> BTreeMap<String, u64> {
        lock(&self.networks).iter().map(|(card, network)| (card.clone(), network.runs())).collect()
    }

    /// What each network loaded so far has cost, by card.
    pub fn usage(&self) -> BTreeMap<String, Usage> {
        lock(&self.networks).iter().map(|(card, network)| (card.clone(), network.usage())).collect()
    }

    /// Asked-for and actual provider and node counts of every network loaded so far, by card.
    pub fn reports(&self) -> Vec<ProviderReport> {
        let mut reports: Vec<_> = lock(&self.networks).values().map(|network| network.report().clone()).collect();
        reports.sort_by(|a, b| a.network.cmp(&b.network));
        reports
    }
}

/// The environment of this process, opened with that store's library when it is the first.
pub(crate) fn environment(store: &Store) -> Result<ort::environment::Environment> {
    library::environment(store).map(|(environment, _)| environment)
}

/// A panic elsewhere leaves these maps whole: the poison says nothing of use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
