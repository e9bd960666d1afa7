// SPDX-License-Identifier: Apache-2.0
//! What people are told. `println!` and `eprintln!` panic when nobody reads any more (`polygraph doctor | head -1`), in the
//! midst of whatever was going on; these go on without a reader.

/// As `print!`.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($text)*);
    }};
}

/// As `println!`.
macro_rules! outln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// As `eprintln!`.
macro_rules! errln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
