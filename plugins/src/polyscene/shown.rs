// SPDX-License-Identifier: Apache-2.0
//! What a shot shows: the labels of its scene, what in it may be unfit to be shown, and its text.

use std::sync::Arc;

use gst_video::VideoInfo;
use polygraph_core::safety::{SafetyFinding, SafetyResults};
use polygraph_core::scene::{Look, NONE, Rule, Rules, SceneResults, ShotScene};
use polygraph_core::screen_text::TextResults;
use polygraph_models::safety::{Found, SafetyNetwork};
use polygraph_models::scene::{AddedLabel, AddedLabels, SceneNetwork, ScenePicture};
use polygraph_models::{Engine, Error};

use super::properties::{Shown as Settings, Thresholds};
use super::text::Text;
use super::watched::Watched;
use crate::analyser::network_ref;
use crate::picture;

/// A group is never told.
const NEVER: f32 = 2.0;
/// Pictures that lie further apart are of two shots: nobody knows what was between.
const JUMP_NS: u64 = 2_000_000_000;

/// The network for scenes, and what it has seen of the shot.
#[derive(Debug)]
struct Scene {
    network: SceneNetwork,
    added: Vec<AddedLabel>,
    /// The mean of the looks at the shot.
    mean: ShotScene,
    shot: Watched<SceneResults>,
}

/// The network for content safety, and what it has seen of the shot.
#[derive(Debug)]
struct Safety {
    network: SafetyNetwork,
    shot: Watched<SafetyResults>,
}

/// What is known of the shot that passes.
#[derive(Debug, Default)]
pub(super) struct Shown {
    scene: Option<Scene>,
    safety: Option<Safety>,
    text: Option<Text>,
    last_ns: Option<u64>,
}

/// What a picture's meta is to say.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub scene: Option<SceneResults>,
    pub safety: Option<SafetyResults>,
    pub text: Option<TextResults>,
    /// A look was given up because all workers were busy.
    pub busy: bool,
}

impl Shown {
    /// Loads what is asked for; gives warnings too, a line each.
    ///
    /// # Errors
    /// What is missing, in a line.
    pub fn load(settings: &Settings) -> Result<(Self, Vec<String>), String> {
        let mut shown = Self::default();
        let mut warnings = Vec::new();
        if !settings.scenes && !settings.safety && !settings.text {
            return Ok((shown, warnings));
        }
        let engine = Engine::shared(settings.provider.into()).map_err(|error| error.to_string())?;
        if settings.scenes {
            let (scene, refused) = Scene::load(&engine, settings.scene_threshold).map_err(|error| error.to_string())?;
            shown.scene = Some(scene);
            warnings = refused;
        }
        if settings.safety {
            let network = SafetyNetwork::load(&engine, &settings.safety_network).map_err(|error| error.to_string())?;
            let known = network.safety().map_or(&[][..], |safety| &safety.labels);
            if let Some(label) = settings.thresholds.unknown(known) {
                return Err(format!("safety-thresholds: {} has no label `{label}`", settings.safety_network));
            }
            shown.safety = Some(Safety { network, shot: Watched::default() });
        }
        if settings.text {
            shown.text = Some(Text::load(&engine).map_err(|error| error.to_string())?);
        }
        Ok((shown, warnings))
    }

    /// Whether there is anything to look for.
    pub fn is_idle(&self) -> bool {
        self.scene.is_none() && self.safety.is_none() && self.text.is_none()
    }

    /// Nothing of before counts any more: a flush, new caps.
    pub fn restart(&mut self) {
        self.last_ns = None;
        if let Some(scene) = &mut self.scene {
            scene.mean.cut();
            scene.shot = Watched::default();
        }
        if let Some(safety) = &mut self.safety {
            safety.shot = Watched::default();
        }
        if let Some(text) = &mut self.text {
            text.restart();
        }
    }

    /// Looks at a picture if it is due, and says what is known of its shot.
    ///
    /// # Errors
    /// Those of the networks but [`Error::Busy`]: the next picture is looked at instead.
    pub fn look(
        &mut self,
        settings: &Settings,
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        pts_ns: u64,
        cut: bool,
    ) -> Result<Results, Error> {
        let jump = self.last_ns.is_some_and(|last| pts_ns < last || pts_ns - last > JUMP_NS);
        self.last_ns = Some(pts_ns);
        let cut = cut || jump;
        let mut results = Results::default();
        if let Some(scene) = &mut self.scene {
            give_up(&mut results.busy, scene.look(settings, info, buffer, pts_ns, cut))?;
            results.scene.clone_from(scene.shot.known());
        }
        if let Some(safety) = &mut self.safety {
            give_up(&mut results.busy, safety.look(settings, info, buffer, pts_ns, cut))?;
            results.safety.clone_from(safety.shot.known());
        }
        if let Some(text) = &mut self.text {
            give_up(&mut results.busy, text.look(settings.text_interval, info, buffer, pts_ns, cut))?;
            results.text.clone_from(text.shot.known());
        }
        Ok(results)
    }
}

fn give_up(busy: &mut bool, looked: Result<(), Error>) -> Result<(), Error> {
    match looked {
        Err(Error::Busy { .. }) => *busy = true,
        other => other?,
    }
    Ok(())
}

impl Scene {
    fn load(engine: &Arc<Engine>, threshold: f32) -> Result<(Self, Vec<String>), Error> {
        let network = SceneNetwork::load(engine)?;
        let AddedLabels { labels: added, refused } = AddedLabels::load(engine.store(), network.identity())?;
        let mut rules = Rules { added: added.iter().map(rule_of).collect(), ..Rules::default() };
        if let Some(card) = network.scene() {
            // A user's threshold holds for labels that nobody measured too.
            let least = |own: f32| if threshold < 0.0 { own } else { threshold };
            rules.place = least(card.place_least);
            rules.groups = card
                .groups
                .iter()
                .map(|group| Rule {
                    label: group.label.clone(),
                    // Nobody can say what a label without a measured figure is worth.
                    least: least(match group.precision {
                        None if group.label != NONE => NEVER,
                        _ => network.least(),
                    }),
                })
                .collect();
        }
        Ok((Self { network, added, mean: ShotScene::new(rules), shot: Watched::default() }, refused))
    }

    fn look(
        &mut self,
        settings: &Settings,
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        pts_ns: u64,
        cut: bool,
    ) -> Result<(), Error> {
        if cut {
            self.mean.cut();
        }
        if !self.shot.is_due(pts_ns, settings.scene_interval, cut) {
            return Ok(());
        }
        let Ok(squeezed) = picture::with(buffer, info, ScenePicture::new) else { return Ok(()) };
        let seen = self.network.look(&squeezed?)?;
        let model = self.network.added();
        let added = self.added.iter().filter_map(|label| Some(label.p(model?, &seen.embedding))).collect();
        if self.mean.push(Look { groups: seen.groups, indoor: seen.indoor, added }) {
            let network = network_ref(self.network.identity());
            self.shot.looked(pts_ns, SceneResults { analysed: true, labels: self.mean.labels(), network });
        }
        Ok(())
    }
}

fn rule_of(label: &AddedLabel) -> Rule {
    Rule { label: label.label.clone(), least: label.least }
}

impl Safety {
    fn look(
        &mut self,
        settings: &Settings,
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        pts_ns: u64,
        cut: bool,
    ) -> Result<(), Error> {
        if !self.shot.is_due(pts_ns, settings.safety_interval, cut) {
            return Ok(());
        }
        let Ok(found) = picture::with(buffer, info, |picture| self.network.look(picture)) else { return Ok(()) };
        let findings = self.told(&found?, &settings.thresholds);
        let network = network_ref(self.network.identity());
        self.shot.looked(pts_ns, SafetyResults { analysed: true, findings, network });
        Ok(())
    }

    /// The findings that reach their label's threshold.
    fn told(&self, found: &[Found], thresholds: &Thresholds) -> Vec<SafetyFinding> {
        let Some(safety) = self.network.safety() else { return Vec::new() };
        let tell = |one: &Found| {
            let label = safety.labels.get(one.label)?;
            let least = thresholds.of(&label.label).unwrap_or(label.threshold);
            (one.score >= least).then(|| SafetyFinding {
                label: label.label.clone(),
                score: one.score,
                rect: one.rect.map(Into::into),
                sensitive: label.sensitive,
            })
        };
        found.iter().filter_map(tell).collect()
    }
}
