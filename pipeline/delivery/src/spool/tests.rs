// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::message::Message;
use proptest::prelude::*;

fn builder(payload: &[u8]) -> Builder {
    let mut builder = Builder::new(3);
    builder.push(&Message { topic: Topic::Frames, key: "k".into(), headers: vec![], payload: payload.to_vec() });
    builder
}

fn filled(folder: &Path, blocks: usize) -> Spool {
    let mut spool = Spool::open(folder).unwrap();
    for _ in 0..2 {
        let numbers = spool.held(Topic::Frames).next..;
        let mut blocks: Vec<_> = numbers
            .take(blocks.div_ceil(2))
            .map(|number| (Topic::Frames, builder(&vec![number as u8; 5000])))
            .collect();
        spool.commit(&mut blocks, &[]).unwrap();
    }
    spool
}

/// The numbers of all blocks of a topic.
fn numbers(spool: &Spool, topic: Topic) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some((head, _)) = spool.from(topic, all.last().map_or(0, |last| last + 1)).unwrap() {
        all.push(head.number);
    }
    all
}

#[test]
fn what_was_committed_is_there_again_and_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = filled(folder.path(), 4);
    spool.commit(&mut [(Topic::Shots, builder(b"s"))], &[(Topic::Frames, 0)]).unwrap();
    let held = spool.held;
    drop(spool);
    let mut spool = Spool::open(folder.path()).unwrap();
    assert_eq!((spool.held, &spool.damage), (held, &None));
    assert_eq!(spool.held(Topic::Frames).records, 3);
    assert_eq!(numbers(&spool, Topic::Frames), [1, 2, 3]);
    let heads = spool.commit(&mut [(Topic::Frames, builder(b"f"))], &[]).unwrap();
    assert_eq!(heads[0].number, 4);
    let (_, block) = spool.from(Topic::Frames, 2).unwrap().unwrap();
    assert_eq!(block::read(&block).unwrap()[0].payload, vec![2; 5000]);
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let spool = filled(folder.path(), 1);
    let error = Spool::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::SpoolInUse(_)), "{error}");
    drop(spool);
    Spool::open(folder.path()).unwrap();
}

#[test]
fn room_that_became_free_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    for index in 0..100 {
        let remove: Vec<_> = (index >= 10).then(|| (Topic::Frames, index - 10)).into_iter().collect();
        spool.commit(&mut [(Topic::Frames, builder(&[7; 59_000]))], &remove).unwrap();
    }
    assert_eq!(spool.held(Topic::Frames).records, 10);
    let size = fs::metadata(folder.path().join(SPOOL_FILE)).unwrap().len();
    assert!(size < 5_000_000, "{size} bytes for ten blocks");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// A bad disk, or a write that was torn: the file changes under a spool that was closed well.
    #[test]
    fn a_damaged_file_never_keeps_the_spool_from_opening(
        at in any::<prop::sample::Index>(), length in 1..9000_usize, cut in any::<bool>()
    ) {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path(), 20));
        let path = folder.path().join(SPOOL_FILE);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at..].iter_mut().take(length).for_each(|byte| *byte ^= 0x5a);
        }
        fs::write(&path, &bytes).unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        // What is still given out is whole.
        for number in numbers(&spool, Topic::Frames) {
            let (_, block) = spool.from(Topic::Frames, number).unwrap().unwrap();
            prop_assert_eq!(block::read(&block).unwrap()[0].payload, vec![number as u8; 5000]);
        }
        spool.commit(&mut [(Topic::Frames, builder(b"new"))], &[]).unwrap();
    }
}
