// SPDX-License-Identifier: Apache-2.0

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Doubles numbers; fails on a 13, panics on a 14, forgets an answer on a 15. Tells of each batch, and waits for leave
/// where it was given a gate.
struct Doubler {
    batches: Sender<Vec<u32>>,
    gate: Option<Receiver<()>>,
}

impl RunBatch for Doubler {
    type Input = u32;
    type Output = u32;

    fn name(&self) -> &str {
        "doubler"
    }

    fn run(&mut self, inputs: Vec<u32>) -> Result<Vec<u32>> {
        let _ = self.batches.send(inputs.clone());
        if let Some(gate) = &self.gate {
            gate.recv_timeout(LONG).unwrap();
        }
        if inputs.contains(&13) {
            return Err(Error::Runtime("thirteen".into()));
        }
        assert!(!inputs.contains(&14), "fourteen (this test's own panic)");
        let forgotten = usize::from(inputs.contains(&15));
        Ok(inputs.iter().skip(forgotten).map(|input| input * 2).collect())
    }
}

fn doubler(size: usize, wait: Duration) -> (Batcher<Doubler>, Receiver<Vec<u32>>) {
    let (batches, ran) = channel();
    let options = BatchOptions { size, wait, queue: 64 };
    (Batcher::start(Doubler { batches, gate: None }, options).unwrap(), ran)
}

/// One that runs each batch only when told to.
fn gated(size: usize, queue: usize) -> (Batcher<Doubler>, Receiver<Vec<u32>>, Sender<()>) {
    let (batches, ran) = channel();
    let (leave, gate) = channel();
    let options = BatchOptions { size, wait: Duration::ZERO, queue };
    (Batcher::start(Doubler { batches, gate: Some(gate) }, options).unwrap(), ran, leave)
}

/// Calls from as many threads at once; the answers in the order of the inputs.
fn together(batcher: &Batcher<Doubler>, inputs: &[u32]) -> Vec<Result<u32>> {
    thread::scope(|scope| {
        let calls: Vec<_> = inputs.iter().map(|input| scope.spawn(|| batcher.call(*input, LONG))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

/// Until as many requests wait as are expected.
fn until_waiting(batcher: &Batcher<Doubler>, count: usize) {
    while batcher.waiting() != count {
        thread::yield_now();
    }
}

#[test]
fn a_full_batch_runs_at_once() {
    // Nothing but being full can end a wait of an hour.
    let (batcher, ran) = doubler(3, Duration::from_secs(3600));
    let answers: Vec<_> = together(&batcher, &[1, 2, 3]).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2, 4, 6]);
    let mut batch = ran.recv().unwrap();
    batch.sort_unstable();
    assert_eq!(batch, [1, 2, 3]);
}

#[test]
fn a_lone_request_runs_at_the_deadline() {
    let (batcher, ran) = doubler(1000, Duration::from_millis(1));
    assert_eq!(batcher.call(21, LONG).unwrap(), 42);
    assert_eq!(ran.recv().unwrap(), [21]);
}

#[test]
fn requests_that_came_during_a_run_are_the_next_batch() {
    let (batcher, ran, leave) = gated(8, 64);
    thread::scope(|scope| {
        scope.spawn(|| batcher.call(1, LONG).unwrap());
        assert_eq!(ran.recv().unwrap(), [1]);
        let calls: Vec<_> = (2..5)
            .map(|input| {
                scope.spawn({
                    let batcher = &batcher;
                    move || batcher.call(input, LONG)
                })
            })
            .collect();
        until_waiting(&batcher, 3);
        leave.send(()).unwrap();
        leave.send(()).unwrap();
        assert_eq!(ran.recv().unwrap().len(), 3);
        assert!(calls.into_iter().all(|call| call.join().unwrap().is_ok()));
    });
}

#[test]
fn an_error_reaches_each_requester_and_the_next_batch_runs() {
    let (batcher, _ran) = doubler(2, Duration::from_secs(3600));
    for (bad, words) in [(13, "thirteen"), (14, "a batch of 2 panicked"), (15, "a batch of 2 gave 1 answers")] {
        for answer in together(&batcher, &[1, bad]) {
            let error = answer.unwrap_err();
            assert!(matches!(error, Error::Batch(_)) && error.to_string().contains(words), "{error}");
        }
    }
    assert!(together(&batcher, &[1, 2]).into_iter().all(|answer| answer.is_ok()));
}

#[test]
fn closing_answers_what_was_handed_in_and_takes_no_more() {
    let (batcher, _ran) = doubler(1000, Duration::from_secs(3600));
    thread::scope(|scope| {
        let calls: Vec<_> = (0..3)
            .map(|input| {
                scope.spawn({
                    let batcher = &batcher;
                    move || batcher.call(input, LONG)
                })
            })
            .collect();
        until_waiting(&batcher, 3);
        batcher.close();
        let answers: Vec<_> = calls.into_iter().map(|call| call.join().unwrap().unwrap()).collect();
        assert_eq!(answers, [0, 2, 4]);
    });
    assert!(matches!(batcher.call(1, LONG), Err(Error::Closed { .. })));
}

#[test]
fn a_caller_that_gave_up_is_not_run() {
    let (batcher, ran, leave) = gated(1, 64);
    thread::scope(|scope| {
        scope.spawn(|| batcher.call(1, LONG).unwrap());
        assert_eq!(ran.recv().unwrap(), [1]);
        let given_up = batcher.call(2, Duration::from_millis(1)).unwrap_err();
        assert!(matches!(given_up, Error::Busy { .. }), "{given_up}");
        leave.send(()).unwrap();
        scope.spawn(|| batcher.call(3, LONG).unwrap());
        assert_eq!(ran.recv().unwrap(), [3], "the 2 that nobody waits for was run");
        leave.send(()).unwrap();
    });
}

#[test]
fn a_full_queue_holds_callers_back_until_their_deadline() {
    let (batcher, ran, leave) = gated(1, 1);
    thread::scope(|scope| {
        scope.spawn(|| batcher.call(1, LONG).unwrap());
        assert_eq!(ran.recv().unwrap(), [1]);
        let second = scope.spawn(|| batcher.call(2, LONG));
        until_waiting(&batcher, 1);
        assert!(matches!(batcher.call(3, Duration::from_millis(1)), Err(Error::Busy { .. })));
        leave.send(()).unwrap();
        leave.send(()).unwrap();
        assert_eq!(second.join().unwrap().unwrap(), 4);
    });
}

#[test]
fn no_request_is_lost_or_mixed_up() {
    let (batcher, ran) = doubler(5, Duration::from_micros(100));
    thread::scope(|scope| {
        for stream in 0..6 {
            let batcher = &batcher;
            scope.spawn(move || {
                for i in 0..200 {
                    let input = 1000 + stream * 1000 + i;
                    assert_eq!(batcher.call(input, LONG).unwrap(), input * 2);
                }
            });
        }
    });
    drop(batcher);
    let batches: Vec<_> = ran.iter().collect();
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 1200);
    assert!(batches.iter().all(|batch| (1..=5).contains(&batch.len())));
}
