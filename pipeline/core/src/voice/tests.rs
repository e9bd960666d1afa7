// SPDX-License-Identifier: Apache-2.0
use super::*;

const MS: u64 = 1_000_000;

/// Hears `pieces` pieces from a piece's number on, all spoken or none, of one level; the turns with their piece's number.
fn hear(listener: &mut Listener, from: u64, pieces: u64, speech: Option<f32>, level: f32) -> Vec<(u64, Turn)> {
    (from..from + pieces)
        .filter_map(|n| {
            let pts = PtsRange { start_ns: n * PIECE_NS, end_ns: (n + 1) * PIECE_NS };
            listener.hear(pts, &[level; PIECE], speech).map(|turn| (n, turn))
        })
        .collect()
}

fn listener() -> Listener {
    Listener::new(VoiceOptions::default(), Some(Calibration::new(1.0, 0.0, Some(0.9)).unwrap()))
}

fn reason(turn: &Turn) -> Option<VoiceReasonNot> {
    match turn {
        Turn::Refused(found) => found.reason_not,
        Turn::Judge(_) => None,
    }
}

#[test]
fn a_voice_is_judged_as_soon_as_enough_was_spoken_and_then_every_second() {
    let mut listener = listener();
    let silent = hear(&mut listener, 0, 40, Some(0.1), 0.1);
    assert_eq!(
        silent.iter().map(|(n, turn)| (*n, reason(turn))).collect::<Vec<_>>(),
        [(30, Some(VoiceReasonNot::TooLittleSpeech))]
    );
    let turns = hear(&mut listener, 40, 130, Some(0.9), 0.1);
    // 32 pieces of 32 ms are the first second of speech, which began at piece 40.
    let judged: Vec<_> = turns.iter().filter(|(_, turn)| matches!(turn, Turn::Judge(_))).map(|(n, _)| *n).collect();
    assert_eq!(judged, [71, 102, 133, 164]);
    let Turn::Judge(first) = &turns.iter().find(|(n, _)| *n == 71).unwrap().1 else { panic!("not judged") };
    assert_eq!((first.pts.start_ns, first.pts.end_ns), (40 * PIECE_NS, 72 * PIECE_NS));
    assert_eq!((first.samples.len(), first.spoken_ns), (32 * PIECE, 1024 * MS));
    // Four seconds at most, whatever was spoken before.
    let Turn::Judge(last) = &turns.last().unwrap().1 else { panic!("not judged") };
    assert_eq!((last.samples.len(), last.pts.end_ns), (125 * PIECE, 165 * PIECE_NS));
}

#[test]
fn what_comes_before_and_after_speech_is_cut_away() {
    let mut listener = listener();
    hear(&mut listener, 0, 20, Some(0.0), 0.3);
    hear(&mut listener, 20, 40, Some(1.0), 0.1);
    let turns = hear(&mut listener, 60, 62, None, 0.3);
    let Turn::Judge(stretch) = &turns.last().unwrap().1 else { panic!("not judged") };
    assert_eq!(stretch.samples, vec![0.1; 40 * PIECE]);
}

#[test]
fn what_cant_be_judged_says_why() {
    for (level, speech, why) in [
        (0.1, Some(0.2), VoiceReasonNot::TooLittleSpeech),
        (0.1, None, VoiceReasonNot::TooLittleSpeech),
        (0.003, Some(1.0), VoiceReasonNot::TooQuiet),
        (1.0, Some(1.0), VoiceReasonNot::Clipped),
    ] {
        let turns = hear(&mut listener(), 0, 64, speech, level);
        // The first hop ends 32 ms before a second was spoken.
        let reasons: Vec<_> = turns.iter().skip(1).map(|(_, turn)| reason(turn)).collect();
        assert!(
            !reasons.is_empty() && reasons.iter().all(|told| *told == Some(why)),
            "{level} {speech:?}: {reasons:?}"
        );
    }
}

#[test]
fn scores_are_joined_by_what_was_spoken_and_forgotten_after_the_window() {
    let stretch = |end_ms: u64, spoken_ms: u64| Stretch {
        pts: PtsRange { start_ns: 0, end_ns: end_ms * MS },
        samples: Vec::new(),
        spoken_ns: spoken_ms * MS,
    };
    let mut listener = listener();
    assert_eq!(listener.judged(&stretch(1000, 1000), 1.0).logit, Some(1.0));
    let joined = listener.judged(&stretch(2000, 3000), 5.0);
    assert_eq!((joined.logit, joined.signs), (Some(4.0), Some(true)));
    assert!(joined.p.unwrap() > 0.98);
    // A score that is no number is as if it had not been.
    assert_eq!(listener.judged(&stretch(2500, 9000), f32::NAN).logit, Some(4.0));
    // Four seconds later only the last one counts.
    let later = listener.judged(&stretch(6000, 1000), -3.0);
    assert_eq!((later.logit, later.signs), (Some(-3.0), Some(false)));
    listener.restart();
    assert_eq!(listener.judged(&stretch(1000, 1000), 2.0).logit, Some(2.0));
}

#[test]
fn without_a_calibration_there_is_a_logit_and_no_finding() {
    let mut listener = Listener::new(VoiceOptions::default(), None);
    let turns = hear(&mut listener, 0, 40, Some(1.0), 0.1);
    let Some((_, Turn::Judge(stretch))) = turns.last() else { panic!("not judged") };
    let found = listener.judged(stretch, 3.0);
    assert_eq!(found, Synthetic { logit: Some(3.0), ..Synthetic::default() });
}
