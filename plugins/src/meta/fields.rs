// SPDX-License-Identifier: Apache-2.0
//! The parts that both metas share.

use polygraph_core::results::{NetworkRef, PtsRange};

pub(super) fn write_range(range: PtsRange, structure: &mut gst::StructureRef) {
    structure.set("start", range.start_ns);
    structure.set("end", range.end_ns);
}

pub(super) fn read_range(structure: &gst::StructureRef) -> Option<PtsRange> {
    Some(PtsRange { start_ns: structure.get("start").ok()?, end_ns: structure.get("end").ok()? })
}

pub(super) fn network(network: &NetworkRef) -> gst::Structure {
    gst::Structure::builder("network")
        .field("name", &network.name)
        .field("version", &network.version)
        .field("sha256", &network.sha256)
        .field("provider", &network.provider)
        .build()
}

pub(super) fn read_network(structure: &gst::StructureRef) -> Option<NetworkRef> {
    Some(NetworkRef {
        name: structure.get("name").ok()?,
        version: structure.get("version").ok()?,
        sha256: structure.get("sha256").ok()?,
        provider: structure.get("provider").ok()?,
    })
}

/// Writes the numbers that are there; the others' fields are left out.
pub(super) fn write_known<const N: usize>(numbers: [(&str, Option<f32>); N], structure: &mut gst::StructureRef) {
    for (field, number) in numbers {
        if let Some(number) = number {
            structure.set(field, number);
        }
    }
}

pub(super) fn read_floats<const N: usize>(structure: &gst::StructureRef, field: &str) -> Option<[f32; N]> {
    let array = structure.get::<gst::Array>(field).ok()?;
    let values = array.iter().map(|value| value.get::<f32>().ok()).collect::<Option<Vec<_>>>()?;
    values.try_into().ok()
}
