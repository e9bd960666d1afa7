// SPDX-License-Identifier: Apache-2.0
//! The configuration's JSON Schema; committed as `pipeline/app/schemas/config.schema.json` and compared by a test.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Config;

/// JSON Schema (2020-12) of `polygraph.toml`.
pub fn of_config() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value();
    schema["$id"] = json!("urn:polygraph:schema:config:v1");
    schema["title"] = json!("polygraph.toml");
    schema
}
