// SPDX-License-Identifier: Apache-2.0
//! Worker sessions against the batcher, one window of Silero a request from each of several streams at once:
//! `cargo bench -p polygraph-models --bench runtime`. The networks come from the store (`polygraph models fetch`).
//!
//! On the processor the batcher is expected to lose what it waits and to gain little: that is why worker sessions
//! serve there. The bench keeps the figure honest, and is the one to run on a GPU.

use std::{sync::Arc, thread, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::ArrayD;
use polygraph_models::{
    Engine, EngineConfig, Network, Provider, Result,
    batch::{BatchOptions, Batcher, NetworkBatch, RunBatch as _},
};

const STREAMS: [usize; 3] = [1, 2, 8];
/// Windows of each stream in one measurement: a second of sound.
const WINDOWS: usize = 31;
const WAIT: Duration = Duration::from_secs(10);

fn network(provider: Provider, card: &str) -> Result<Arc<Network>> {
    Arc::new(Engine::open(EngineConfig { provider, ..EngineConfig::default() })?).load(card)
}

fn request() -> Vec<ArrayD<f32>> {
    vec![ArrayD::zeros(vec![1, 576]), ArrayD::zeros(vec![2, 1, 128])]
}

/// Each stream on its own thread makes its calls one after the other, as streams do.
fn streams(count: usize, call: impl Fn() -> Result<()> + Sync) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| (0..WINDOWS).for_each(|_| call().unwrap_or_else(|error| panic!("{error}"))));
        }
    });
}

fn runtime(criterion: &mut Criterion) {
    let network = network(Provider::Auto, "silero-vad").unwrap_or_else(|error| panic!("{error}"));
    println!("{}", network.report());
    let mut group = criterion.benchmark_group("silero-vad, one second of each stream");
    for count in STREAMS {
        group.throughput(Throughput::Elements((count * WINDOWS) as u64));
        group.bench_function(BenchmarkId::new("worker sessions", count), |bencher| {
            bencher.iter(|| streams(count, || one(&network)));
        });
        let options = BatchOptions { size: count, wait: Duration::from_millis(5), queue: 64 };
        let batcher = NetworkBatch::new(network.clone()).and_then(|runner| Batcher::start(runner, options));
        let batcher = batcher.unwrap_or_else(|error| panic!("{error}"));
        group.bench_function(BenchmarkId::new("batcher", count), |bencher| {
            bencher.iter(|| streams(count, || batcher.call(request(), WAIT).map(drop)));
        });
    }
    group.finish();
}

/// A call through a worker session of the pool, with the same tensors as the batcher's.
fn one(network: &Arc<Network>) -> Result<()> {
    NetworkBatch::new(network.clone())?.run(vec![request()]).map(drop)
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load, verified");
    group.sample_size(10);
    for card in ["silero-vad", "blazeface-back", "moonshine-tiny-decoder"] {
        group.bench_function(card, |bencher| {
            bencher.iter(|| network(Provider::Cpu, card).unwrap_or_else(|error| panic!("{error}")));
        });
    }
    group.finish();
}

criterion_group!(benches, runtime, load);
criterion_main!(benches);
