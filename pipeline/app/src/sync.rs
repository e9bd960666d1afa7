// SPDX-License-Identifier: Apache-2.0
//! Locks, as the elements have them: one way for both.

pub use gstpolygraph::analyser::lock;
