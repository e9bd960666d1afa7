// SPDX-License-Identifier: Apache-2.0
//! What is measured, in Prometheus' words.

pub mod delivery;
