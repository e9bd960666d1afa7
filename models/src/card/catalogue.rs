// SPDX-License-Identifier: Apache-2.0
//! The cards that this binary carries.

use std::sync::LazyLock;

use super::Card;
use crate::{Error, Result};

const TEXTS: [&str; 14] = [
    include_str!("../../cards/blazeface-back.toml"),
    include_str!("../../cards/silero-vad.toml"),
    include_str!("../../cards/moonshine-tiny-encoder.toml"),
    include_str!("../../cards/moonshine-tiny-decoder.toml"),
    include_str!("../../cards/nudenet-320n.toml"),
    include_str!("../../cards/face-forensics.toml"),
    include_str!("../../cards/voice-forensics.toml"),
    include_str!("../../cards/lips-mouth.toml"),
    include_str!("../../cards/lips-sound.toml"),
    include_str!("../../cards/scene-groups.toml"),
    include_str!("../../cards/speech-reading.toml"),
    include_str!("../../cards/speech-reading-sound.toml"),
    include_str!("../../cards/pp-ocr-v6-detector.toml"),
    include_str!("../../cards/pp-ocr-v6-reader.toml"),
];

/// All cards of this binary.
///
/// They are part of the program text and the tests read every one, so a card that can't be read is left out here.
pub fn cards() -> &'static [Card] {
    static CARDS: LazyLock<Vec<Card>> =
        LazyLock::new(|| TEXTS.iter().filter_map(|text| Card::from_toml(text).ok()).collect());
    &CARDS
}

/// The card of that name.
///
/// # Errors
/// [`Error::UnknownCard`] with the names that there are.
pub fn card(name: &str) -> Result<&'static Card> {
    cards().iter().find(|card| card.name == name).ok_or_else(|| Error::UnknownCard {
        name: name.to_owned(),
        known: cards().iter().map(|card| card.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_read_and_valid() {
        for text in TEXTS {
            Card::from_toml(text).unwrap();
        }
        assert_eq!(cards().len(), TEXTS.len());
    }

    #[test]
    fn an_unknown_card_is_answered_with_the_known_ones() {
        let message = card("blazeface").unwrap_err().to_string();
        assert!(message.contains("`blazeface`") && message.contains("blazeface-back"), "{message}");
    }

    #[test]
    fn only_the_copyleft_network_must_be_accepted() {
        let asked: Vec<_> = cards().iter().filter(|card| card.licence.must_accept).map(|card| &card.name).collect();
        assert_eq!(asked, ["nudenet-320n"]);
    }
}
