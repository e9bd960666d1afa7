// SPDX-License-Identifier: Apache-2.0
//! Execution providers: what was asked for, what was had, and how many nodes of a graph each runs.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    ffi::{CStr, c_char},
    fmt,
    path::Path,
    ptr,
    str::FromStr,
};

use ort::{
    AsPointer as _,
    ep::{self, ExecutionProvider as _, ExecutionProviderDispatch},
    session::Session,
};

use crate::{Error, Result, card::Target};

/// The execution provider that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The best that can be had; falling back is allowed and reported.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// CUDA, or an error.
    Cuda,
    /// TensorRT, or an error.
    TensorRt,
}

impl Provider {
    /// Its name in configuration and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Cpu, Self::Cuda, Self::TensorRt]
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no provider: auto, cpu, cuda or tensorrt"))
    }
}

/// Nodes of a graph that one provider runs, after ONNX Runtime's optimisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Name by ONNX Runtime, e.g. `CPUExecutionProvider`.
    pub provider: String,
    /// How many nodes.
    pub nodes: usize,
}

/// Asked-for against actual provider of a loaded network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderReport {
    /// The card.
    pub network: String,
    /// What was asked for.
    pub asked: Provider,
    /// What runs it.
    pub actual: Target,
    /// Nodes by provider, most first. Of a graph in ONNX Runtime's own format (`.ort`) those that one run executed.
    pub placements: Vec<Placement>,
    /// Why `auto` did not get what it would have liked.
    pub fell_back: Option<String>,
}

impl fmt::Display for ProviderReport {
    /// One line for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: asked for {}, runs on {}", self.network, self.asked, self.actual.as_str())?;
        for Placement { provider, nodes } in &self.placements {
            write!(f, "; {nodes} nodes on {provider}")?;
        }
        match &self.fell_back {
            Some(why) => write!(f, "; fell back: {why}"),
            None => Ok(()),
        }
    }
}

/// The provider that an engine settled on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) asked: Provider,
    pub(super) actual: Target,
    pub(super) fell_back: Option<String>,
}

impl Chosen {
    /// Whether the processor will do.
    pub(super) fn may_fall_back(&self) -> bool {
        self.asked == Provider::Auto && self.actual != Target::Cpu
    }

    /// The same on the processor, and why.
    pub(super) fn fallen_back(&self, why: &Error) -> Self {
        Self { asked: self.asked, actual: Target::Cpu, fell_back: Some(why.to_string()) }
    }
}

/// Settles on a provider before anything is loaded, by what the library and the machine have.
pub(super) fn choose(asked: Provider, library: &Path) -> Result<Chosen> {
    let chosen = |actual, fell_back| Ok(Chosen { asked, actual, fell_back });
    let named = |target: Target| match missing(target, library) {
        None => chosen(target, None),
        Some(missing) => Err(Error::Provider { provider: target.as_str(), missing }),
    };
    match asked {
        Provider::Cpu => chosen(Target::Cpu, None),
        Provider::Cuda => named(Target::Cuda),
        Provider::TensorRt => named(Target::Tensorrt),
        // Not TensorRT: its engines are built by a command, never during a stream.
        Provider::Auto => match missing(Target::Cuda, library) {
            None => chosen(Target::Cuda, None),
            Some(missing) => chosen(Target::Cpu, Some(missing)),
        },
    }
}

/// What a provider lacks on this machine, in plain words.
fn missing(target: Target, library: &Path) -> Option<String> {
    let (available, provider_library) = match target {
        Target::Cpu => return None,
        Target::Cuda => (ep::CUDA::is_available(), "libonnxruntime_providers_cuda.so"),
        Target::Tensorrt => (ep::TensorRT::is_available(), "libonnxruntime_providers_tensorrt.so"),
    };
    let mut lacks = Vec::new();
    if !available.unwrap_or(false) {
        lacks.push(format!("{} was built without {}", library.display(), target.title()));
    }
    let beside = library.parent().unwrap_or(Path::new(".")).join(provider_library);
    if !beside.exists() {
        lacks.push(format!("{provider_library} is not beside it (PyPI onnxruntime-gpu has both)"));
    }
    lacks.extend(absent_libraries(target));
    (!lacks.is_empty()).then(|| lacks.join("; "))
}

/// System libraries that the provider needs and the loader can't find.
fn absent_libraries(target: Target) -> Vec<String> {
    let mut needed = vec![("libcuda.so.1", "NVIDIA's driver")];
    if target == Target::Tensorrt {
        needed.push(("libnvinfer.so.10", "TensorRT 10"));
    }
    needed
        .into_iter()
        .filter(|(name, _)| !loadable(name))
        .map(|(name, of)| format!("{name} ({of}) is not installed"))
        .collect()
}

fn loadable(name: &str) -> bool {
    // SAFETY: NVIDIA's own libraries, whose initialisers have no preconditions; ONNX Runtime would load them next.
    unsafe { libloading::Library::new(name) }.is_ok()
}

/// Whether a session that was asked to run on `target` runs at least one node there.
///
/// # Errors
/// [`Error::Provider`] with where its nodes are instead.
pub(super) fn confirm(target: Target, placements: &[Placement]) -> Result<()> {
    let name = match target {
        Target::Cpu => ep::CPU::NAME,
        Target::Cuda => ep::CUDA::NAME,
        Target::Tensorrt => ep::TensorRT::NAME,
    };
    if placements.iter().any(|placement| placement.provider == name && placement.nodes > 0) {
        return Ok(());
    }
    let places: Vec<_> =
        placements.iter().map(|Placement { provider, nodes }| format!("{nodes} on {provider}")).collect();
    let missing = format!("none of the graph's nodes were placed on it, but {}", places.join(", "));
    Err(Error::Provider { provider: target.as_str(), missing })
}

/// What a session is to be registered with. Failing is an error, not ONNX Runtime's silent fall to the processor.
pub(super) fn dispatch(target: Target) -> Vec<ExecutionProviderDispatch> {
    match target {
        Target::Cpu => vec![],
        Target::Cuda => vec![ep::CUDA::default().build().error_on_failure()],
        Target::Tensorrt => {
            vec![ep::TensorRT::default().build().error_on_failure(), ep::CUDA::default().build().error_on_failure()]
        }
    }
}

/// Session configuration that makes [`placements`] possible.
pub(super) const RECORD_PLACEMENT: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// Nodes by provider of a session that was made with [`RECORD_PLACEMENT`].
pub(super) fn placements(session: &Session) -> Result<Vec<Placement>> {
    let inner = session.inner();
    let mut subgraphs: *const *const ort::sys::OrtEpAssignedSubgraph = ptr::null();
    let mut count = 0;
    // SAFETY: the session lives as long as `inner`; the pointers are written before they are read.
    let status = unsafe { (ort::api().Session_GetEpGraphAssignmentInfo)(inner.ptr(), &mut subgraphs, &mut count) };
    check(status)?;
    let subgraphs = (0..count).map(|i| {
        // SAFETY: ONNX Runtime gave an array of `count` pointers, valid as long as the session.
        unsafe { subgraph(*subgraphs.add(i)) }
    });
    Ok(by_provider(subgraphs.collect::<Result<Vec<_>>>()?))
}

/// Sums node counts by provider, most first.
pub(super) fn by_provider(counts: impl IntoIterator<Item = (String, usize)>) -> Vec<Placement> {
    let mut sums = BTreeMap::new();
    for (provider, nodes) in counts {
        *sums.entry(provider).or_insert(0) += nodes;
    }
    let mut placements: Vec<_> = sums.into_iter().map(|(provider, nodes)| Placement { provider, nodes }).collect();
    placements.sort_by_key(|placement| Reverse(placement.nodes));
    placements
}

/// Provider and number of nodes of one subgraph.
///
/// # Safety
/// `subgraph` must come from a session that is alive.
unsafe fn subgraph(subgraph: *const ort::sys::OrtEpAssignedSubgraph) -> Result<(String, usize)> {
    let mut name: *const c_char = ptr::null();
    let mut nodes: *const *const ort::sys::OrtEpAssignedNode = ptr::null();
    let mut count = 0;
    // SAFETY: by the caller; both calls write their outputs or return a status that `check` turns into an error.
    unsafe {
        check((ort::api().EpAssignedSubgraph_GetEpName)(subgraph, &mut name))?;
        check((ort::api().EpAssignedSubgraph_GetNodes)(subgraph, &mut nodes, &mut count))?;
        Ok((CStr::from_ptr(name).to_string_lossy().into_owned(), count))
    }
}

fn check(status: ort::sys::OrtStatusPtr) -> Result<()> {
    // SAFETY: the status is fresh from an API call and handed over here alone.
    unsafe { ort::Error::result_from_status(status) }.map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(counts: &[(&str, usize)]) -> Vec<Placement> {
        by_provider(counts.iter().map(|(provider, nodes)| ((*provider).to_owned(), *nodes)))
    }

    #[test]
    fn counts_are_summed_and_the_most_comes_first() {
        let placements = placed(&[("A", 2), ("B", 4), ("A", 3)]);
        let expected =
            [("A".to_owned(), 5), ("B".to_owned(), 4)].map(|(provider, nodes)| Placement { provider, nodes });
        assert_eq!(placements, expected);
    }

    #[test]
    fn a_provider_without_a_single_node_is_not_the_one_that_was_asked_for() {
        let cpu_alone = placed(&[("CPUExecutionProvider", 9)]);
        let mixed = placed(&[("CPUExecutionProvider", 9), ("CUDAExecutionProvider", 1)]);
        confirm(Target::Cpu, &cpu_alone).unwrap();
        confirm(Target::Cuda, &mixed).unwrap();
        let message = confirm(Target::Cuda, &cpu_alone).unwrap_err().to_string();
        assert!(message.contains("`cuda`") && message.contains("9 on CPUExecutionProvider"), "{message}");
        assert!(confirm(Target::Tensorrt, &mixed).is_err());
    }

    #[test]
    fn providers_are_read_by_their_names() {
        for provider in [Provider::Auto, Provider::Cpu, Provider::Cuda, Provider::TensorRt] {
            assert_eq!(provider.to_string().parse(), Ok(provider));
        }
        assert!("gpu".parse::<Provider>().unwrap_err().contains("`gpu`"));
    }
}
