// SPDX-License-Identifier: Apache-2.0
//! Whether lips may have a say in a text, and what they make of it.
//!
//! A recogniser of open speech heard one text. A network of a closed lexicon, which both sees and hears, gives others, and
//! says how probable they are by the lips alone. Nobody speaks GRID's sentences in the street, so the lexicon's text is
//! taken only where the lips are sure of what they read, fit the sound, and move: a [`Gate`], learnt where the lexicon is
//! spoken and shut by default. Where lips alone and sound alone say much the same words, neither knowing of the other, no more
//! is asked for: whom the network can't read, and another's sound, never come to that. How well lips fit the sound can be told the less, the more noise there is; so less of it is
//! asked for there, where the sound's text is worth the least. Behind the gate hypotheses are joined log-linearly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ctc::{Aligned, LogProbs};
use crate::wer::{WordErrors, normalise};

/// Hypotheses of the network that are looked at.
const BEAM: usize = 8;
/// Ratios of speech to noise between which noise hides how well lips and sound fit, in dB, by [`snr_db`].
const NOISY_DB: std::ops::RangeInclusive<f32> = 5.0..=15.0;

/// What speaks for the lips, over an utterance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// How sure the network is of the words that it reads with its ears shut: their mean probability, 0..=1; 0 without any.
    pub certainty: f32,
    /// How far the words that lips alone say are those that lips and sound say together, 0..=1.
    pub agreement: f32,
    /// How far they are those that sound alone says, 0..=1.
    pub heard: f32,
    /// How well lips and sound fit each other; see [`crate::results::LipSync::confidence`]. 0 where nobody can tell.
    pub sync: f32,
    /// How far speech stands out over the noise, by [`snr_db`]; `None` is taken for silence around.
    pub snr_db: Option<f32>,
    /// How much the mouth moves; see [`crate::lips::motion`].
    pub activity: f32,
    /// Share of the utterance in which the mouth was seen.
    pub seen: f32,
}

/// Whether the lips' text is better than the sound's: a logistic model of what lips read, and how well they must fit the
/// sound; both learnt on clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Factor of the certainty.
    pub certainty: f32,
    /// Factor of the agreement.
    pub agreement: f32,
    /// Added to both.
    pub offset: f32,
    /// Under this probability the lips have no say in the worst noise; over 1 they never have.
    pub least: f32,
    /// The same as noise ends, just under 15 dB; on a line between. Above, lips have a say only where sound alone confirms it.
    pub least_calm: f32,
    /// Confidence in lip-sync under which they have none either, where speech stands out by 15 dB or more.
    pub least_sync: f32,
    /// By how much less that may be for each dB less, down to 5.
    pub sync_per_db: f32,
    /// Lips that agree with sound alone by so much are believed whatever else is known.
    pub least_heard: f32,
}

impl Gate {
    /// The gate that never opens.
    pub const SHUT: Self = Self {
        certainty: 0.0,
        agreement: 0.0,
        offset: -9.0,
        least: 2.0,
        least_calm: 2.0,
        least_sync: 0.0,
        sync_per_db: 0.0,
        least_heard: 2.0,
    };

    /// Probability that what the lips read is right.
    pub fn p(&self, evidence: &Evidence) -> f32 {
        let sum = self.certainty * evidence.certainty + self.agreement * evidence.agreement + self.offset;
        1.0 / (1.0 + (-sum).exp())
    }

    /// Whether it is as probable as it must be at such noise. Where all is calm lips are never sure enough by themselves:
    /// sound knows as much as they do there, and what it doesn't confirm is more often another's face than a gain.
    pub fn sure(&self, evidence: &Evidence) -> bool {
        let noise = noise_db(evidence) / (NOISY_DB.end() - NOISY_DB.start());
        noise > 0.0 && self.p(evidence) >= self.least_calm + noise * (self.least - self.least_calm)
    }

    /// Whether sound alone says what lips alone say.
    pub fn confirmed(&self, evidence: &Evidence) -> bool {
        evidence.heard >= self.least_heard
    }

    /// Whether lips and sound fit as well as they must at such noise.
    pub fn synced(&self, evidence: &Evidence) -> bool {
        evidence.sync >= self.least_sync - self.sync_per_db * noise_db(evidence)
    }
}

/// By how much speech stands out less than it does where all is calm, in dB.
fn noise_db(evidence: &Evidence) -> f32 {
    let (noisiest, calm) = (*NOISY_DB.start(), *NOISY_DB.end());
    calm - evidence.snr_db.unwrap_or(calm).clamp(noisiest, calm)
}

/// How hypotheses are joined: the weights of logarithms of probabilities beside that of the network which sees and hears.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Of what the lips alone say.
    pub lips: f32,
    /// Of each word in which a hypothesis differs from the sound's text, in nats.
    pub heard: f32,
}

/// What the network says of an utterance.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The lexicon: class n is word n - 1.
    pub words: &'a [String],
    /// With eyes and ears.
    pub both: LogProbs<'a>,
    /// With eyes only.
    pub lips: LogProbs<'a>,
    /// With ears only.
    pub sound: LogProbs<'a>,
}

/// A text of the lexicon with its times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// Its words, with the steps in which each lies.
    pub words: Vec<Aligned>,
}

impl Reading<'_> {
    /// The words of a text of classes.
    pub fn spell(&self, classes: impl IntoIterator<Item = usize>) -> Vec<&str> {
        classes.into_iter().filter_map(|class| self.words.get(class.checked_sub(1)?)).map(String::as_str).collect()
    }

    /// The classes of words; `None` where one isn't in the lexicon.
    pub fn classes<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Option<Vec<usize>> {
        let class = |word: &str| self.words.iter().position(|known| known == word).map(|at| at + 1);
        words.into_iter().map(class).collect()
    }

    /// What the lips alone say, and how sure the network is of it.
    pub fn lips_alone(&self) -> (Vec<usize>, f32) {
        let said = self.lips.greedy();
        let sure = self.lips.align(&said).unwrap_or_default();
        let certainty = sure.iter().map(|word| word.p).sum::<f32>() / sure.len().max(1) as f32;
        (said, certainty)
    }

    /// What sound alone says.
    pub fn sound_alone(&self) -> Vec<usize> {
        self.sound.greedy()
    }

    /// How far two texts agree: 1 less the share of words that differ.
    pub fn agreement(&self, a: &[usize], b: &[usize]) -> f32 {
        let text = |classes: &[usize]| self.spell(classes.iter().copied()).join(" ");
        let errors = WordErrors::between(&text(a), &text(b));
        (1.0 - errors.edits() as f32 / a.len().max(b.len()).max(1) as f32).max(0.0)
    }

    /// The text that fits best: of the network's hypotheses, and of the sound's text where it is within the lexicon.
    pub fn best(&self, heard: &str, weights: &Weights) -> Text {
        let heard = normalise(heard);
        let mut candidates: Vec<Vec<usize>> = self.both.beam(BEAM).into_iter().map(|found| found.classes).collect();
        if let Some(classes) = self.classes(heard.iter().map(String::as_str))
            && !candidates.contains(&classes)
        {
            candidates.push(classes);
        }
        let heard = heard.join(" ");
        let score = |classes: &[usize]| {
            let differs = WordErrors::between(&heard, &self.spell(classes.iter().copied()).join(" ")).edits();
            self.both.score(classes) + weights.lips * self.lips.score(classes).max(-1e4)
                - weights.heard * differs as f32
        };
        let scored = candidates.into_iter().map(|classes| (score(&classes), classes));
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, classes)| classes).unwrap_or_default();
        Text { words: self.both.align(&best).unwrap_or_default() }
    }
}

/// Which words of a text aren't in another, by the cheapest edits between both; a flag for each word of the first.
pub fn changed<'a>(words: &[&'a str], others: &[&'a str]) -> Vec<bool> {
    let (rows, columns) = (words.len() + 1, others.len() + 1);
    let mut cost = vec![0_usize; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            cost[row * columns + column] = match (row, column) {
                (0, _) => column,
                (_, 0) => row,
                _ => {
                    let differs = usize::from(words[row - 1] != others[column - 1]);
                    let [above, left, both] =
                        [(1, 0), (0, 1), (1, 1)].map(|(up, back)| cost[(row - up) * columns + column - back]);
                    (above + 1).min(left + 1).min(both + differs)
                }
            };
        }
    }
    let mut changed = vec![true; words.len()];
    let (mut row, mut column) = (rows - 1, columns - 1);
    while row > 0 && column > 0 {
        let here = cost[row * columns + column];
        let differs = words[row - 1] != others[column - 1];
        if here == cost[(row - 1) * columns + column - 1] + usize::from(differs) {
            changed[row - 1] = differs;
            (row, column) = (row - 1, column - 1);
        } else if here == cost[(row - 1) * columns + column] + 1 {
            row -= 1;
        } else {
            column -= 1;
        }
    }
    changed
}

/// How far speech stands out over what else is heard, in dB, of 16 kHz sound; `None` for less than half a second, or
/// silence. A rough guess from the loudness of frames of 20 ms, after NIST's: the loud tenth against the quiet tenth.
pub fn snr_db(wave: &[f32]) -> Option<f32> {
    const FRAME: usize = 320;
    let mut powers: Vec<f32> = wave
        .chunks_exact(FRAME)
        .map(|frame| frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME as f32)
        .collect();
    if powers.len() < 25 {
        return None;
    }
    powers.sort_by(f32::total_cmp);
    let (quiet, loud) = (powers[powers.len() / 10], powers[powers.len() * 9 / 10]);
    (loud > 1e-10)
        .then(|| (10.0 * ((loud - quiet).max(loud * 1e-3) / quiet.max(loud * 1e-6)).log10()).clamp(-20.0, 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lexicon() -> Vec<String> {
        ["bin", "blue", "red", "now"].map(str::to_owned).to_vec()
    }

    /// Steps of one class each, at a probability.
    fn steps(classes: &[usize], p: f32) -> Vec<f32> {
        let row = |class: &usize| {
            (0..5).map(|at| if at == *class { p.ln() } else { ((1.0 - p) / 4.0).ln() }).collect::<Vec<_>>()
        };
        classes.iter().flat_map(row).collect()
    }

    #[test]
    fn lips_settle_what_sound_leaves_open() {
        let words = lexicon();
        let (both, lips) = (steps(&[1, 0, 2, 0, 4], 0.4), steps(&[1, 0, 3, 0, 4], 0.9));
        let [both, lips] = [&both, &lips].map(|rows| LogProbs::new(rows, 5).unwrap());
        let reading = Reading { words: &words, both, lips, sound: both };
        let text = |weights| {
            let best = reading.best("", &weights);
            reading.spell(best.words.iter().map(|word| word.class)).join(" ")
        };
        assert_eq!(text(Weights { lips: 0.0, heard: 0.0 }), "bin blue now");
        assert_eq!(text(Weights { lips: 1.0, heard: 0.0 }), "bin red now");
        let (said, certainty) = reading.lips_alone();
        assert_eq!(
            (reading.spell(said.clone()).join(" ").as_str(), reading.agreement(&said, &[1, 2, 4])),
            ("bin red now", 1.0 - 1.0 / 3.0)
        );
        assert!((certainty - 0.9).abs() < 1e-5);
    }

    #[test]
    fn what_was_heard_is_a_hypothesis_where_the_lexicon_has_it() {
        let words = lexicon();
        let both = steps(&[1, 0, 2, 0, 4], 0.4);
        let both = LogProbs::new(&both, 5).unwrap();
        let reading = Reading { words: &words, both, lips: both, sound: both };
        let text = |heard| {
            let best = reading.best(heard, &Weights { lips: 0.0, heard: 5.0 });
            reading.spell(best.words.iter().map(|word| word.class)).join(" ")
        };
        assert_eq!(text("Bin, red. Now!"), "bin red now");
        assert_eq!(text("thank you for watching"), "bin blue now");
    }

    #[test]
    fn a_shut_gate_never_opens() {
        let best =
            Evidence { certainty: 1.0, agreement: 1.0, heard: 1.0, sync: 50.0, activity: 1.0, seen: 1.0, snr_db: None };
        assert!(!Gate::SHUT.sure(&best) && !Gate::SHUT.confirmed(&best));
        let told = Gate { least_heard: 0.55, ..Gate::SHUT };
        assert!(told.confirmed(&best) && !told.confirmed(&Evidence { heard: 0.5, ..best }));
        let open = Gate { certainty: 20.0, offset: -15.0, least: 0.5, least_calm: 0.9, ..Gate::SHUT };
        let noisy = Evidence { snr_db: Some(14.0), ..best };
        assert!(open.sure(&noisy) && !open.sure(&Evidence { certainty: 0.0, ..noisy }));
        // What is right by three in four is enough in the worst noise only.
        let fair = |snr_db| Evidence { certainty: 0.805, snr_db, ..Evidence::default() };
        assert!(open.sure(&fair(Some(0.0))) && !open.sure(&fair(Some(14.0))));
        // Where all is calm nothing is enough but that sound says the same.
        assert!(!open.sure(&Evidence { snr_db: Some(15.0), ..best }) && !open.sure(&best));
    }

    #[test]
    fn lips_must_fit_the_sound_the_less_the_more_noise_there_is() {
        let gate = Gate { least_sync: 1.2, sync_per_db: 0.1, ..Gate::SHUT };
        let synced = |sync, snr_db| gate.synced(&Evidence { sync, snr_db, ..Evidence::default() });
        assert!(synced(1.3, None) && !synced(1.1, None));
        assert!(synced(1.3, Some(40.0)) && !synced(1.1, Some(40.0)));
        assert!(synced(0.8, Some(10.0)) && !synced(0.6, Some(10.0)));
        // In the worst noise nobody can tell; what nobody looked at is no fit even there.
        assert!(synced(0.25, Some(-20.0)) && !synced(0.0, Some(-20.0)));
    }

    #[test]
    fn noise_has_a_low_ratio_and_speech_in_silence_a_high_one() {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed as f32 / u32::MAX as f32 - 0.5
        };
        let even: Vec<f32> = (0..16_000).map(|_| 0.1 * noise()).collect();
        let bursts: Vec<f32> = (0..16_000).map(|at| noise() * if at % 4_000 < 2_000 { 0.1 } else { 1e-4 }).collect();
        assert!(snr_db(&even).unwrap() < 0.0);
        assert!(snr_db(&bursts).unwrap() > 40.0);
        assert_eq!(snr_db(&[0.0; 16_000]), None);
        assert_eq!(snr_db(&[0.1; 100]), None);
    }

    proptest! {
        #[test]
        fn as_many_words_are_changed_as_edits_say(a in prop::collection::vec(0..3_usize, 0..8), b in prop::collection::vec(0..3_usize, 0..8)) {
            let names = ["x", "y", "z"];
            let (a, b): (Vec<&str>, Vec<&str>) = (a.iter().map(|at| names[*at]).collect(), b.iter().map(|at| names[*at]).collect());
            let errors = WordErrors::between(&b.join(" "), &a.join(" "));
            let count = changed(&a, &b).iter().filter(|changed| **changed).count();
            prop_assert!(count <= errors.edits());
            prop_assert_eq!(a == b, count == 0 && a.len() == b.len());
            prop_assert_eq!(changed(&a, &a).iter().filter(|changed| **changed).count(), 0);
        }
    }
}
