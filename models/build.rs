// SPDX-License-Identifier: Apache-2.0
//! Lists the files of `weights/` for `src/store/weights.rs`, which compiles them in.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("weights");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    // Without the folder there is nothing to list: the networks in it can't be had then, and all else works.
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            files.push(path);
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for path in &files {
        let name = path.file_name().unwrap_or_default().display().to_string();
        list += &format!("    ({:?}, include_bytes!({path:?})),\n", format!("models/weights/{name}"));
    }
    list += "]\n";
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("weights.rs"), list)?;
    Ok(())
}
