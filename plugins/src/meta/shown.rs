// SPDX-License-Identifier: Apache-2.0
//! What a shot shows, inside `PolyVideoMeta`.

use polygraph_core::safety::{SafetyFinding, SafetyResults};
use polygraph_core::scene::{SceneLabel, SceneResults};
use polygraph_core::screen_text::{TextLine, TextResults};

use super::fields::{network, read_floats, read_network};

pub(super) fn write_scene(results: &SceneResults) -> gst::Structure {
    let label =
        |found: &SceneLabel| gst::Structure::builder("label").field("label", &found.label).field("p", found.p).build();
    gst::Structure::builder("scene")
        .field("analysed", results.analysed)
        .field("labels", gst::Array::new(results.labels.iter().map(label)))
        .field("network", network(&results.network))
        .build()
}

pub(super) fn read_scene(structure: &gst::StructureRef) -> Option<SceneResults> {
    let label =
        |found: &gst::StructureRef| Some(SceneLabel { label: found.get("label").ok()?, p: found.get("p").ok()? });
    Some(SceneResults {
        analysed: structure.get("analysed").ok()?,
        labels: list(structure, "labels", label)?,
        network: read_network(structure.get::<&gst::StructureRef>("network").ok()?)?,
    })
}

pub(super) fn write_safety(results: &SafetyResults) -> gst::Structure {
    gst::Structure::builder("safety")
        .field("analysed", results.analysed)
        .field("findings", gst::Array::new(results.findings.iter().map(write_finding)))
        .field("network", network(&results.network))
        .build()
}

pub(super) fn read_safety(structure: &gst::StructureRef) -> Option<SafetyResults> {
    Some(SafetyResults {
        analysed: structure.get("analysed").ok()?,
        findings: list(structure, "findings", read_finding)?,
        network: read_network(structure.get::<&gst::StructureRef>("network").ok()?)?,
    })
}

fn write_finding(found: &SafetyFinding) -> gst::Structure {
    let mut structure = gst::Structure::builder("finding")
        .field("label", &found.label)
        .field("score", found.score)
        .field("sensitive", found.sensitive)
        .build();
    if let Some(rect) = found.rect {
        structure.set("box", gst::Array::new(<[f32; 4]>::from(rect)));
    }
    structure
}

fn read_finding(structure: &gst::StructureRef) -> Option<SafetyFinding> {
    Some(SafetyFinding {
        label: structure.get("label").ok()?,
        score: structure.get("score").ok()?,
        rect: match structure.has_field("box") {
            true => Some(read_floats::<4>(structure, "box")?.into()),
            false => None,
        },
        sensitive: structure.get("sensitive").ok()?,
    })
}

pub(super) fn write_text(results: &TextResults) -> gst::Structure {
    let line = |line: &TextLine| {
        gst::Structure::builder("line")
            .field("text", &line.text)
            .field("score", line.score)
            .field("box", gst::Array::new(<[f32; 4]>::from(line.rect)))
            .build()
    };
    gst::Structure::builder("text")
        .field("analysed", results.analysed)
        .field("lines", gst::Array::new(results.lines.iter().map(line)))
        .field("networks", gst::Array::new(results.networks.iter().map(network)))
        .build()
}

pub(super) fn read_text(structure: &gst::StructureRef) -> Option<TextResults> {
    let line = |line: &gst::StructureRef| {
        Some(TextLine {
            text: line.get("text").ok()?,
            score: line.get("score").ok()?,
            rect: read_floats::<4>(line, "box")?.into(),
        })
    };
    Some(TextResults {
        analysed: structure.get("analysed").ok()?,
        lines: list(structure, "lines", line)?,
        networks: list(structure, "networks", read_network)?.try_into().ok()?,
    })
}

fn list<T>(
    structure: &gst::StructureRef,
    field: &str,
    read: impl Fn(&gst::StructureRef) -> Option<T>,
) -> Option<Vec<T>> {
    let list = structure.get::<gst::Array>(field).ok()?;
    list.iter().map(|item| read(item.get::<&gst::StructureRef>().ok()?)).collect()
}
