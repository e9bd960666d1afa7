// SPDX-License-Identifier: Apache-2.0
//! Values that are shown to nobody, and may lie in the environment or in a file.

use std::{borrow::Cow, env, fmt, fs};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};

/// A secret: `env:NAME`, `file:PATH` or as it is.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(written: String) -> Self {
        Self(written)
    }
}

impl Secret {
    /// Its value now.
    ///
    /// # Errors
    /// One line that says what is missing, without the secret.
    pub fn value(&self) -> Result<String, String> {
        if let Some(name) = self.0.strip_prefix("env:") {
            return env::var(name).map_err(|_| format!("the environment has no variable {name}"));
        }
        match self.0.strip_prefix("file:") {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            None => Ok(self.0.clone()),
        }
    }

    /// Whether it is taken from the environment or from a file of this machine.
    pub fn is_elsewhere(&self) -> bool {
        ["env:", "file:"].iter().any(|place| self.0.starts_with(place))
    }

    /// As it was written, for the service's own files.
    pub fn written(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Never as it is.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "description": "A secret: `env:NAME`, `file:PATH` or as it is."})
    }
}
