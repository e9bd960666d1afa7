// SPDX-License-Identifier: Apache-2.0
//! librdkafka's settings as users give them: secrets from files and the environment, files of properties, and errors
//! that say what is wrong without saying a secret.

use std::collections::BTreeMap;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::error::{Error, Result};

const HIDDEN: &str = "[hidden]";

/// Reads settings from a file: `name=value` on each line, `#` before comments.
///
/// # Errors
/// [`Error::Properties`] with the line that is wrong.
pub fn read_properties(path: &Path) -> Result<BTreeMap<String, String>> {
    let wrong = |file: String, why: String| Error::Properties { file, why };
    let text = std::fs::read_to_string(path).map_err(|why| wrong(path.display().to_string(), why.to_string()))?;
    let mut all = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let at = || format!("{}, line {}", path.display(), index + 1);
        // What is on the line may be a secret: it isn't repeated.
        let (name, value) = line.split_once('=').ok_or_else(|| wrong(at(), "not `name=value`".into()))?;
        if all.insert(name.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(wrong(at(), format!("'{}' is set twice", name.trim())));
        }
    }
    Ok(all)
}

/// The value that librdkafka gets.
pub(crate) fn resolve(name: &str, value: &str) -> Result<String> {
    let wrong = |why: String| Error::Setting { name: name.to_owned(), why };
    if let Some(path) = value.strip_prefix("file:") {
        let text = std::fs::read_to_string(path).map_err(|why| wrong(format!("{path}: {why}")))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Some(variable) = value.strip_prefix("env:") {
        return std::env::var(variable).map_err(|why| wrong(format!("{variable}: {why}")));
    }
    Ok(value.to_owned())
}

/// What may be shown of a value.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) && !is_elsewhere(value) { HIDDEN.to_owned() } else { value.to_owned() }
}

fn is_elsewhere(value: &str) -> bool {
    value.starts_with("file:") || value.starts_with("env:")
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "pem", "token", "passphrase", "jaas", "oauthbearer.config", "private.key", "plugin"]
        .iter()
        .any(|part| name.contains(part))
}

/// Asks librdkafka about each setting of the user.
pub(crate) fn check(client: &ClientConfig, given: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in given {
        let Some(resolved) = client.get(name) else { continue };
        let alone: ClientConfig = [(name.clone(), resolved.to_owned())].into_iter().collect();
        if let Err(KafkaError::ClientConfig(_, why, ..)) = alone.create_native_config() {
            let hide = is_secret(name) || is_elsewhere(value);
            return Err(Error::Setting { name: name.clone(), why: explain(name, &why, hide.then_some(resolved)) });
        }
    }
    Ok(())
}

fn explain(name: &str, why: &str, secret: Option<&str>) -> String {
    let why = without(why, secret.into_iter());
    let java = [
        ("sasl.jaas.config", "sasl.username and sasl.password"),
        ("ssl.truststore.location", "ssl.ca.location, a PEM file"),
        ("ssl.keystore.type", "ssl.keystore.location for PKCS#12, or ssl.certificate.location and ssl.key.location"),
        ("sasl.client.callback.handler.class", "sasl.oauthbearer.method"),
    ];
    match java.iter().find(|(java, _)| *java == name) {
        Some((_, ours)) => format!("it belongs to Java's clients; librdkafka has {ours}"),
        None => why,
    }
}

/// What librdkafka says against all settings together, without the secrets among them.
pub(crate) fn refused(client: &ClientConfig, error: &KafkaError) -> Error {
    let text = match error {
        // Its own text repeats the value.
        KafkaError::ClientConfig(_, why, name, _) => format!("{name}: {why}"),
        other => other.to_string(),
    };
    // `config_map` replaces secrets by its own list, which is shorter than ours: the values are asked for one by one.
    let names: Vec<_> = client.config_map().keys().map(|name| (*name).to_owned()).collect();
    let secrets = names.iter().filter(|name| is_secret(name)).filter_map(|name| client.get(name));
    Error::Settings(without(&text, secrets))
}

fn without<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    secrets.filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProducerConfig;
    use std::time::Duration;

    fn config(settings: &[(&str, &str)]) -> ProducerConfig {
        let mut config = ProducerConfig::new("localhost:9092", Duration::from_secs(1));
        config.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        config
    }

    #[test]
    fn what_users_need_of_security_is_built_in() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let settings = [
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanism", mechanism),
                ("sasl.username", "u"),
                ("sasl.password", "p"),
            ];
            crate::Producer::start(config(&settings)).unwrap();
        }
        let oidc = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "c"),
            ("sasl.oauthbearer.client.secret", "s"),
            ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token"),
        ];
        crate::Producer::start(config(&oidc)).unwrap();
        for codec in ["zstd", "lz4", "gzip", "snappy", "none"] {
            crate::Producer::start(config(&[("compression.type", codec)])).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (name, value, says) in [
            ("linger.msec", "5", "No such configuration property"),
            ("linger.ms", "soon", "Invalid value"),
            ("compression.type", "zip", "zip"),
            ("sasl.jaas.config", "x", "sasl.username"),
            ("message.timeout.ms", "5", "can't be changed"),
            ("sasl.password", "file:/does/not/exist", "/does/not/exist"),
            ("sasl.password", "env:POLYGRAPH_NO_SUCH_VARIABLE", "POLYGRAPH_NO_SUCH_VARIABLE"),
        ] {
            let error = config(&[(name, value)]).validate().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let from_file = format!("file:{}", file.display());
        assert_eq!(resolve("sasl.password", &from_file).unwrap(), "hunter2");
        for value in ["hunter2", &from_file] {
            // A key that is none, and a number that is none: errors of librdkafka that repeat values.
            for name in ["ssl.key.pem", "ssl.key.password", "sasl.oauthbearer.client.secret", "sasl.password"] {
                let config = config(&[(name, value), ("security.protocol", "ssl")]);
                assert!(!format!("{config:?}").contains("hunter2"));
                let said = crate::Producer::start(config).map(drop).map_err(|error| format!("{error} {error:?}"));
                assert!(!format!("{said:?}").contains("hunter2"), "{name}: {said:?}");
            }
        }
        let error = config(&[("linger.ms", &from_file)]).validate().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_of_settings_is_read_and_its_faults_are_told_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kafka.properties");
        std::fs::write(&file, "# who\n\n sasl.username = me \nsasl.password=a=b\n").unwrap();
        let read = read_properties(&file).unwrap();
        assert_eq!((&*read["sasl.username"], &*read["sasl.password"]), ("me", "a=b"));
        for (text, says) in [("a=1\nhunter2\n", "line 2"), ("a=1\na=2", "'a' is set twice")] {
            std::fs::write(&file, text).unwrap();
            let error = read_properties(&file).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }
}
