// SPDX-License-Identifier: Apache-2.0
//! Layout of `PolyVideoMeta`.

use gst::glib;
use polygraph_core::geometry::Point;
use polygraph_core::results::{
    Face, FacePoints, FaceResults, MOUTH_SIDE, Manipulation, Mouth, ReasonNot, Transition, TransitionKind, VideoResults,
};

use super::fields::{network, read_floats, read_network, read_range, write_known, write_range};
use super::shown;

pub(super) fn write(results: &VideoResults, structure: &mut gst::StructureRef) {
    if let Some(transition) = &results.transition {
        structure.set("transition", write_transition(transition));
    }
    if let Some(faces) = &results.faces {
        structure.set("faces", write_faces(faces));
    }
    if let Some(scene) = &results.scene {
        structure.set("scene", shown::write_scene(scene));
    }
    if let Some(safety) = &results.safety {
        structure.set("safety", shown::write_safety(safety));
    }
    if let Some(text) = &results.text {
        structure.set("text", shown::write_text(text));
    }
}

pub(super) fn read(structure: &gst::StructureRef) -> Option<VideoResults> {
    let mut results = VideoResults::default();
    if structure.has_field("transition") {
        results.transition = Some(read_transition(structure.get::<&gst::StructureRef>("transition").ok()?)?);
    }
    if structure.has_field("faces") {
        results.faces = Some(read_faces(structure.get::<&gst::StructureRef>("faces").ok()?)?);
    }
    results.scene = read_part(structure, "scene", shown::read_scene)?;
    results.safety = read_part(structure, "safety", shown::read_safety)?;
    results.text = read_part(structure, "text", shown::read_text)?;
    Some(results)
}

fn write_transition(transition: &Transition) -> gst::Structure {
    let mut structure = gst::Structure::builder("transition")
        .field("kind", transition.kind.as_str())
        .field("strength", transition.strength)
        .build();
    write_range(transition.pts, &mut structure);
    structure
}

fn read_transition(structure: &gst::StructureRef) -> Option<Transition> {
    let kind = TransitionKind::of_name(structure.get::<&str>("kind").ok()?)?;
    Some(Transition { kind, pts: read_range(structure)?, strength: structure.get("strength").ok()? })
}

fn write_faces(results: &FaceResults) -> gst::Structure {
    let mut structure = gst::Structure::builder("faces")
        .field("analysed", results.analysed)
        .field("list", gst::Array::new(results.faces.iter().map(write_face)))
        .field("network", network(&results.network))
        .build();
    if let Some(from) = &results.forensics {
        structure.set("forensics", network(from));
    }
    if let Some(mouths) = &results.mouths {
        structure.set("mouths", gst::Array::new(mouths.iter().map(write_mouth)));
    }
    write_range(results.pts, &mut structure);
    structure
}

fn read_faces(structure: &gst::StructureRef) -> Option<FaceResults> {
    let list = structure.get::<gst::Array>("list").ok()?;
    let faces = list.iter().map(|face| read_face(face.get::<&gst::StructureRef>().ok()?)).collect::<Option<_>>()?;
    Some(FaceResults {
        pts: read_range(structure)?,
        analysed: structure.get("analysed").ok()?,
        faces,
        network: read_network(structure.get::<&gst::StructureRef>("network").ok()?)?,
        forensics: read_part(structure, "forensics", read_network)?,
        mouths: read_mouths(structure)?,
    })
}

fn write_mouth(mouth: &Mouth) -> gst::Structure {
    let pixels = glib::Bytes::from_owned(mouth.pixels.clone());
    gst::Structure::builder("mouth").field("track", mouth.track).field("pixels", pixels).build()
}

/// `Some(None)` when none were cut.
fn read_mouths(structure: &gst::StructureRef) -> Option<Option<Vec<Mouth>>> {
    let Ok(list) = structure.get::<gst::Array>("mouths") else { return Some(None) };
    list.iter().map(|mouth| read_mouth(mouth.get::<&gst::StructureRef>().ok()?)).collect::<Option<_>>().map(Some)
}

fn read_mouth(structure: &gst::StructureRef) -> Option<Mouth> {
    let pixels = structure.get::<glib::Bytes>("pixels").ok()?;
    let pixels = (pixels.len() == MOUTH_SIDE * MOUTH_SIDE).then(|| pixels.as_ref().into())?;
    Some(Mouth { track: structure.get("track").ok()?, pixels })
}

/// A structure within another: `Some(None)` when there is none, `None` when there is one that can't be read.
fn read_part<T>(
    structure: &gst::StructureRef,
    field: &str,
    read: impl FnOnce(&gst::StructureRef) -> Option<T>,
) -> Option<Option<T>> {
    if !structure.has_field(field) {
        return Some(None);
    }
    Some(Some(read(structure.get::<&gst::StructureRef>(field).ok()?)?))
}

fn write_face(face: &Face) -> gst::Structure {
    let mut structure = gst::Structure::builder("face")
        .field("track", face.track)
        .field("box", gst::Array::new(<[f32; 4]>::from(face.rect)))
        .field("points", gst::Array::new(flatten(&face.points)))
        .field("score", face.score)
        .field("quality", face.quality)
        .field("detected", face.detected)
        .build();
    if let Some(manipulation) = &face.manipulation {
        structure.set("manipulation", write_manipulation(manipulation));
    }
    structure
}

fn read_face(structure: &gst::StructureRef) -> Option<Face> {
    let [rx, ry, lx, ly, nx, ny, mx, my, rex, rey, lex, ley] = read_floats(structure, "points")?;
    Some(Face {
        track: structure.get("track").ok()?,
        rect: read_floats::<4>(structure, "box")?.into(),
        points: FacePoints {
            right_eye: Point { x: rx, y: ry },
            left_eye: Point { x: lx, y: ly },
            nose: Point { x: nx, y: ny },
            mouth: Point { x: mx, y: my },
            right_ear: Point { x: rex, y: rey },
            left_ear: Point { x: lex, y: ley },
        },
        score: structure.get("score").ok()?,
        quality: structure.get("quality").ok()?,
        detected: structure.get("detected").ok()?,
        manipulation: read_part(structure, "manipulation", read_manipulation)?,
        ..Face::default()
    })
}

fn write_manipulation(found: &Manipulation) -> gst::Structure {
    let mut structure = gst::Structure::builder("manipulation").field("pictures", found.pictures).build();
    let numbers = [("p", found.p), ("logit", found.logit), ("picture-logit", found.picture_logit)];
    write_known(numbers, &mut structure);
    if let Some(signs) = found.signs {
        structure.set("signs", signs);
    }
    if let Some(reason) = found.reason_not {
        structure.set("reason-not", reason.as_str());
    }
    structure
}

fn read_manipulation(structure: &gst::StructureRef) -> Option<Manipulation> {
    let reason_not = match structure.get::<&str>("reason-not") {
        Ok(name) => Some(ReasonNot::of_name(name)?),
        Err(_) => None,
    };
    Some(Manipulation {
        p: structure.get("p").ok(),
        logit: structure.get("logit").ok(),
        picture_logit: structure.get("picture-logit").ok(),
        pictures: structure.get("pictures").ok()?,
        signs: structure.get("signs").ok(),
        reason_not,
    })
}

/// `[x, y]` of each point, in the order of [`FacePoints`].
fn flatten(points: &FacePoints) -> Vec<f32> {
    [points.right_eye, points.left_eye, points.nose, points.mouth, points.right_ear, points.left_ear]
        .into_iter()
        .flat_map(<[f32; 2]>::from)
        .collect()
}
