// SPDX-License-Identifier: Apache-2.0
//! When a shot is looked at: with its first picture, and then at an interval. What a look gave holds until the next.

use polygraph_core::{safety::SafetyResults, scene::SceneResults, screen_text::TextResults};

/// Results that say whether they are of this very picture.
pub(super) trait Results {
    /// Whether this very picture was looked at.
    fn analysed(&mut self) -> &mut bool;
}

/// What is known of the shot that passes.
#[derive(Debug)]
pub(super) struct Watched<T> {
    looked_ns: Option<u64>,
    known: Option<T>,
}

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self { looked_ns: None, known: None }
    }
}

impl<T: Results> Watched<T> {
    /// Whether this picture is to be looked at; a cut forgets what is known. Time that went back asks for a look too.
    pub fn is_due(&mut self, pts_ns: u64, interval_ns: u64, cut: bool) -> bool {
        if cut {
            self.known = None;
        }
        let Some(known) = &mut self.known else { return true };
        *known.analysed() = false;
        self.looked_ns.is_none_or(|looked| pts_ns < looked || pts_ns - looked >= interval_ns)
    }

    /// Takes what a look at this picture gave.
    pub fn looked(&mut self, pts_ns: u64, known: T) {
        (self.looked_ns, self.known) = (Some(pts_ns), Some(known));
    }

    /// What is known of the shot, once it was looked at.
    pub fn known(&self) -> &Option<T> {
        &self.known
    }
}

impl Results for SceneResults {
    fn analysed(&mut self) -> &mut bool {
        &mut self.analysed
    }
}

impl Results for SafetyResults {
    fn analysed(&mut self) -> &mut bool {
        &mut self.analysed
    }
}

impl Results for TextResults {
    fn analysed(&mut self) -> &mut bool {
        &mut self.analysed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Flag(bool);

    impl Results for Flag {
        fn analysed(&mut self) -> &mut bool {
            &mut self.0
        }
    }

    #[test]
    fn a_shot_is_looked_at_with_its_first_picture_and_then_at_the_interval() {
        let mut shot = Watched::default();
        let mut looked = Vec::new();
        for picture in 0..100_u64 {
            let pts_ns = picture * 40_000_000;
            if shot.is_due(pts_ns, 1_000_000_000, picture == 30) {
                shot.looked(pts_ns, Flag(true));
                looked.push(picture);
            }
            let fresh = shot.known().as_ref().is_some_and(|known| known.0);
            assert_eq!(fresh, looked.last() == Some(&picture), "only a look's own picture is said to be analysed");
        }
        assert_eq!(looked, [0, 25, 30, 55, 80]);
        assert!(shot.is_due(40_000_000, 1_000_000_000, false), "time went back");
    }

    #[test]
    fn a_look_that_gave_nothing_is_tried_again_with_the_next_picture() {
        let mut shot = Watched::<Flag>::default();
        assert!(shot.is_due(0, 1_000_000_000, true) && shot.is_due(40_000_000, 1_000_000_000, false));
    }
}
