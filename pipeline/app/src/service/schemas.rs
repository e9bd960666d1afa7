// SPDX-License-Identifier: Apache-2.0
//! Documents that are generated, committed in `pipeline/app/schemas`, and compared by tests.

use serde_json::Value;

/// As it is committed, without the last line's end.
pub fn text(document: &Value) -> String {
    let mut document = document.clone();
    // One order, whatever the crates of a build ask of serde_json.
    document.sort_all_objects();
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// Fails the test unless the committed file is the document; `POLYGRAPH_BLESS=1` writes it.
#[cfg(test)]
pub fn compare(name: &str, document: &Value) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let text = format!("{}\n", text(document));
    if std::env::var_os("POLYGRAPH_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{name} isn't what the types say: POLYGRAPH_BLESS=1 cargo test -p polygraph");
}
