// SPDX-License-Identifier: Apache-2.0
//! What two boxes have in common. Boxes are `[x, y, w, h]`, in pixels or in parts of a picture.

/// The area that both cover.
pub(crate) fn common(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |at: usize| (a[at] + a[at + 2]).min(b[at] + b[at + 2]) - a[at].max(b[at]);
    side(0).max(0.0) * side(1).max(0.0)
}

/// Intersection over union, 0..=1; boxes without an area have nothing in common.
pub(crate) fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let both = common(a, b);
    let union = a[2] * a[3] + b[2] * b[3] - both;
    if union > 0.0 { both / union } else { 0.0 }
}
