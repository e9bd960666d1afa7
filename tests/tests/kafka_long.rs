// SPDX-License-Identifier: Apache-2.0
//! Three minutes of four live streams through everything that happens to a broker. The short versions are in
//! `kafka_sink.rs` and `kafka_outage.rs`.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use polygraph_tests::broker::Broker;
use polygraph_tests::command::polygraph;
use polygraph_tests::disk::Disk;
use polygraph_tests::media;
use polygraph_tests::sink::{STREAMS, account, await_line, streams};

/// Seconds of pictures of each stream, and those of each half of the control.
const SECONDS: usize = 180;
const HALF: usize = SECONDS / 2;
const RATE: usize = 25;
/// What a sink may hold in memory: its queue, and librdkafka's.
const MOST_PER_SINK: u64 = (16 + 64) << 20;

/// So many seconds of a low-resolution clip at 25 a second.
fn clip(folder: &Path, seconds: usize) -> PathBuf {
    let clip = folder.join(format!("{seconds}.mp4"));
    let frames = seconds * RATE;
    let arguments = format!(
        "-stream_loop -1 -i {{carphone_pristine.mp4}} -r {RATE} -frames:v {frames} -an -c:v libx264 -preset ultrafast"
    );
    media::ffmpeg(&arguments, &clip);
    clip
}

/// The most memory that a process has used so far, in bytes.
fn peak(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// What a run came to.
struct Run {
    seconds: f64,
    memory: u64,
    frames: usize,
}

/// Waits until the streams have ended, which is before they wait for Kafka, and until all is there.
fn end(mut process: Child, began: Instant, broker: &Broker, spools: &Path) -> Run {
    await_line(&mut process, "Got EOS");
    let (seconds, memory) = (began.elapsed().as_secs_f64(), peak(&process));
    println!("{seconds:.1} s until the end of the streams, at most {} MiB", memory >> 20);
    assert!(process.wait().unwrap().success());
    Run { seconds, memory, frames: account(broker, spools) }
}

/// Half of the time with a broker to which nothing happens, once before the outages and once after them, so that a machine
/// that grows slower or quicker does so for both. Not beside them: eight streams are more than two cores can do in real
/// time, and those whose broker is away would get the others' share.
fn control(clip: &Path, spools: &Path) -> Run {
    let broker = Broker::start();
    let began = Instant::now();
    end(streams(clip, &broker, spools), began, &broker, spools)
}

/// Lets the time of the outages go by: they are what is under test.
fn until(began: Instant, second: u64) {
    std::thread::sleep((began + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
}

#[test]
#[ignore = "takes seven minutes; ./dev test --long"]
fn kafka_outage_long_four_streams_through_a_standstill_a_kill_and_a_full_disk() {
    let disk = Disk::mount(300).expect("only root can mount the broker's small disk");
    let folder = tempfile::tempdir().unwrap();
    let (whole, half) = (clip(folder.path(), SECONDS), clip(folder.path(), HALF));
    let before = control(&half, &folder.path().join("before"));
    let mut broker = Broker::start_on(disk.path());
    let spools = folder.path().join("rough");
    let began = Instant::now();
    let process = streams(&whole, &broker, &spools);
    until(began, 15);
    broker.pause();
    until(began, 75);
    broker.resume();
    until(began, 90);
    broker.kill();
    until(began, 100);
    broker.restart();
    until(began, 120);
    disk.fill();
    while broker.is_running() {
        assert!(began.elapsed() < Duration::from_secs(600), "the broker goes on without a disk");
        std::thread::sleep(Duration::from_millis(100));
    }
    let halted = began.elapsed();
    until(began, halted.as_secs() + 10);
    disk.free();
    broker.restart();
    println!("the broker stood still for 60 s, was killed, and halted on a full disk after {} s", halted.as_secs());
    let rough = end(process, began, &broker, &spools);
    drop(broker);
    let after = control(&half, &folder.path().join("after"));
    let calm = (before.frames + after.frames) as f64;
    println!("{} frames on Kafka, the control {calm}, of {}", rough.frames, STREAMS * SECONDS * RATE);
    let rate = (rough.frames as f64 / rough.seconds) / (calm / (before.seconds + after.seconds));
    println!("{rate:.3} of the control's frames a second");
    assert!((rate - 1.0).abs() <= 0.02, "{rate:.3} of the control's frames a second");
    assert!(rough.memory <= before.memory + STREAMS as u64 * MOST_PER_SINK, "more memory than its bound");
}

/// librdkafka took the first records for stored when they had failed and the next ones had not (confluentinc/librdkafka#2501).
#[test]
#[ignore = "takes three minutes; ./dev test --long"]
fn kafka_outage_long_the_first_records_of_topics_that_are_just_made_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let arguments = "-i {carphone_pristine.mp4} -r 25 -frames:v 50 -an -c:v libx264 -preset ultrafast";
    media::ffmpeg(arguments, &clip);
    for round in 0..10 {
        // Two at a time: on a machine that has time it was never seen.
        let spools = |n: usize| folder.path().join(format!("{round}-{n}"));
        let brokers = [Broker::start(), Broker::start()];
        let start = |(n, broker)| streams(&clip, broker, &spools(n));
        let processes: Vec<_> = brokers.iter().enumerate().map(start).collect();
        processes.into_iter().for_each(|mut process| assert!(process.wait().unwrap().success()));
        for (n, broker) in brokers.iter().enumerate() {
            assert!(account(broker, &spools(n)) > 0);
        }
    }
}

#[test]
#[ignore = "takes three minutes; ./dev test --long"]
fn kafka_outage_long_four_streams_killed_in_mid_outage() {
    let mut broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), SECONDS);
    let spools = folder.path().join("spools");
    let began = Instant::now();
    let mut process = streams(&clip, &broker, &spools);
    until(began, 30);
    broker.kill();
    until(began, 90);
    process.kill().unwrap();
    process.wait().unwrap();
    broker.restart();
    let mut spooled = Vec::new();
    for n in 0..STREAMS {
        let replay = Command::new(polygraph())
            .args(["replay", "--kafka", &broker.address(), "--from"])
            .arg(format!("spool:{}", spools.join(n.to_string()).display()))
            .output()
            .unwrap();
        assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
        spooled.push(String::from_utf8(replay.stdout).unwrap().trim().to_owned());
    }
    // Accepted in order: what is there has no hole, or something accepted is missing.
    account(&broker, &spools);
    println!("{}", spooled.join("\n"));
}
