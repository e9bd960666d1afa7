// SPDX-License-Identifier: Apache-2.0
//! The command `polygraph`: analyse files and streams, evaluate, keep the networks, replay events, look at the machine.
//!
//! It is a library so that tests reach [`supervise`] without a process between; `main.rs` is one call.

// They panic without a reader; `out` has what doesn't.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod out;

mod analyze;
mod cli;
mod doctor;
mod error;
mod eval;
mod evidence;
mod fault;
pub mod graph;
mod html;
mod memory;
mod metrics;
mod models;
mod publish;
mod replay;
mod rtsp;
mod senses;
mod service;
mod streams;
pub mod supervise;
mod sync;
mod topics;
mod uri;
mod wall;
mod webhook;
mod worker;

use std::process::ExitCode;

/// Does what the command line says, and tells users in one line what went wrong.
pub fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            errln!("polygraph: {error}");
            ExitCode::FAILURE
        }
    }
}
