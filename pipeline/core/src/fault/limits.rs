// SPDX-License-Identifier: Apache-2.0
//! From where on something is a fault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A limit that can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is none of that name.
    #[error("`{0}` is no limit; there are {known}", known = Limits::names())]
    Unknown(String),
    /// It isn't written `NAME=NUMBER`.
    #[error("`{0}` isn't NAME=NUMBER")]
    NoNumber(String),
    /// Its value makes no sense.
    #[error("{name} is from {least} to {most}")]
    Range {
        /// Its name.
        name: &'static str,
        /// The least that makes sense.
        least: String,
        /// The most.
        most: String,
    },
}

/// Makes the struct, its defaults and its table from one list.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:literal in $least:literal ..= $most:literal;)*) => {
        /// From where on something is a fault. Names end in their unit.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $($(#[$doc])* pub $name: f64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Name, least and most of each.
            const TABLE: &[(&str, f64, f64)] = &[$((stringify!($name), $least, $most),)*];

            /// Their names, with commas between.
            pub fn names() -> String {
                Self::TABLE.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
            }

            fn slot(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            fn values(&self) -> Vec<f64> {
                vec![$(self.$name,)*]
            }
        }
    };
}

limits! {
    /// How long a picture has to be black, in seconds (`blackdetect`: 2).
    black_s = 2.0 in 0.0 ..= 3600.0;
    /// Share of dark pixels in a black picture, 0 to 1 (`blackdetect`: 0.98).
    black_share = 0.98 in 0.0 ..= 1.0;
    /// Luma up to which a pixel is dark, as a share of its range (`blackdetect`: 0.10).
    black_luma = 0.1 in 0.0 ..= 1.0;
    /// How long a picture has to stand still, in seconds (`freezedetect`: 2).
    frozen_s = 2.0 in 0.0 ..= 3600.0;
    /// Mean change of a picture that stands still, in dB of its range (`freezedetect`: -60).
    frozen_db = -60.0 in -120.0 ..= 0.0;
    /// How long colour bars have to be shown, in seconds.
    colour_bars_s = 1.0 in 0.0 ..= 3600.0;
    /// By how much the frame rate has to change, as a share.
    frame_rate_share = 0.1 in 0.001 ..= 1.0;
    /// How long no picture has to come while sound does, in seconds.
    missing_video_s = 2.0 in 0.1 ..= 3600.0;
    /// How long no sound has to come while pictures do, in seconds.
    missing_audio_s = 2.0 in 0.1 ..= 3600.0;
    /// How long all channels have to be silent, in seconds (`silencedetect`: 2).
    silence_s = 2.0 in 0.0 ..= 3600.0;
    /// Level under which a channel is silent, in dBFS (`silencedetect`: -60).
    silence_dbfs = -60.0 in -120.0 ..= 0.0;
    /// Most momentary loudness, in LUFS: 8 LU over the target, as EBU R 128 s1 had it for short programmes.
    momentary_lufs = -15.0 in -70.0 ..= 20.0;
    /// Most short-term loudness, in LUFS (EBU R 128 s1 for short programmes: -18).
    short_term_lufs = -18.0 in -70.0 ..= 20.0;
    /// Target of integrated loudness, in LUFS (EBU R 128: -23).
    integrated_lufs = -23.0 in -70.0 ..= 0.0;
    /// How far integrated loudness may be from its target, in LU (EBU R 128, live programmes: 1).
    integrated_lu = 1.0 in 0.1 ..= 50.0;
    /// From when on integrated loudness is held against its target, in seconds: before, a single sentence moves it.
    integrated_after_s = 60.0 in 0.0 ..= 86400.0;
    /// Most true peak level, in dBTP (EBU R 128: -1).
    true_peak_dbtp = -1.0 in -60.0 ..= 20.0;
    /// Level from which on three samples in a row are clipped, in dBFS.
    clipping_dbfs = -0.1 in -20.0 ..= 0.0;
    /// Clipped samples within half a second that are a fault.
    clipping_samples = 20.0 in 1.0 ..= 1000000.0;
    /// How long left and right have to be in opposite phase, in seconds.
    phase_s = 2.0 in 0.1 ..= 3600.0;
    /// Correlation of left and right under which they are, -1 to 1.
    phase_correlation = -0.5 in -1.0 ..= 1.0;
    /// Most advance of the sound before the lips, in ms (ITU-R BT.1359-1, accepted: 90).
    lips_early_ms = 90.0 in 0.0 ..= 600.0;
    /// Most delay of the sound behind the lips, in ms (ITU-R BT.1359-1, accepted: 185).
    lips_late_ms = 185.0 in 0.0 ..= 600.0;
    /// How long lips and sound have to be apart, in seconds.
    lips_s = 2.0 in 0.0 ..= 3600.0;
}

impl Limits {
    /// Reads `NAME=NUMBER` with commas between; what isn't named has its default.
    ///
    /// # Errors
    /// What is wrong with the first that is wrong.
    pub fn parse(text: &str) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or_else(|| LimitError::NoNumber(part.to_owned()))?;
            let number = number.trim().parse().map_err(|_| LimitError::NoNumber(part.to_owned()))?;
            let name = name.trim();
            *limits.slot(name).ok_or_else(|| LimitError::Unknown(name.to_owned()))? = number;
        }
        limits.check()?;
        Ok(limits)
    }

    /// Whether all make sense.
    ///
    /// # Errors
    /// The first that doesn't.
    pub fn check(&self) -> Result<(), LimitError> {
        for ((name, least, most), value) in Self::TABLE.iter().zip(self.values()) {
            if !(*least..=*most).contains(&value) {
                return Err(LimitError::Range { name, least: least.to_string(), most: most.to_string() });
            }
        }
        Ok(())
    }

    /// As [`Limits::parse`] reads them: those that aren't the default.
    pub fn written(&self) -> String {
        let default = Self::default().values();
        let named = Self::TABLE.iter().zip(self.values()).zip(default).filter(|((_, own), default)| own != default);
        named.map(|(((name, ..), value), _)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }
}

/// Seconds in nanoseconds.
pub(super) fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
