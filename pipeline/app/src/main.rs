// SPDX-License-Identifier: Apache-2.0
//! The command `polygraph`; all of it is in the library beside.

use std::process::ExitCode;

fn main() -> ExitCode {
    polygraph::main()
}
