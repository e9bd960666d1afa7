// SPDX-License-Identifier: Apache-2.0
//! The command `polygraph`: analyse files and streams, evaluate, keep the networks, replay events, look at the machine.

mod analyze;
mod cli;
mod doctor;
mod error;
mod eval;
mod models;
mod publish;
mod replay;
mod senses;
mod topics;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("polygraph: {error}");
            ExitCode::FAILURE
        }
    }
}
