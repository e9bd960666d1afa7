// SPDX-License-Identifier: Apache-2.0
//! Everything that is wrong with a configuration, in words that say what to do.

use std::{collections::BTreeSet, net::SocketAddr};

use polygraph_models::Provider;

use super::Config;
use crate::service::guard::Guard;

/// A token shorter than this can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// What the parser found wrong, with a suggestion for a key that it doesn't know.
pub(super) fn syntax(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
    let message = error.message();
    match suggestion(message) {
        Some(known) => format!("line {line}: {message}; did you mean `{known}`?"),
        None => format!("line {line}: {message}"),
    }
}

/// The known key that is nearest to the unknown one of serde's message.
fn suggestion(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let near = |known: &&str| strsim::jaro_winkler(unknown, known);
    quoted.filter(|known| near(known) > 0.7).max_by(|a, b| near(a).total_cmp(&near(b)))
}

/// All that is wrong.
pub(super) fn whole(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    http(config, &mut wrong);
    if !config.provider.is_empty()
        && let Err(why) = config.provider.parse::<Provider>()
    {
        wrong.push(format!("provider: {why}"));
    }
    if [config.store.max_mb, config.store.max_days, config.store.evidence_mb].contains(&0) {
        wrong.push("store: max_mb, max_days and evidence_mb are at least 1".into());
    }
    match config.store.place() {
        Ok(Some(place)) => wrong.extend(place.check().err().map(|why| format!("store.evidence_url: {why}"))),
        Ok(None) => {}
        Err(why) => wrong.push(why),
    }
    if let Some(kafka) = &config.kafka {
        if kafka.spool_mb == Some(0) {
            wrong.push("kafka.spool_mb: at least 1".into());
        }
        let mut producer = polygraph_delivery::ProducerConfig::new(&kafka.brokers, std::time::Duration::from_secs(60));
        producer.settings = kafka.settings.clone();
        if let Err(why) = producer.validate() {
            wrong.push(format!("kafka: {why}"));
        }
    }
    match Guard::new(&config.allow) {
        Ok(guard) => streams(config, &guard, &mut wrong),
        Err(why) => wrong.push(format!("allow: {why}")),
    }
    wrong
}

fn http(config: &Config, wrong: &mut Vec<String>) {
    let http = &config.http;
    match http.listen.parse::<SocketAddr>() {
        Ok(address) if !address.ip().is_loopback() && http.tokens.is_empty() => wrong.push(format!(
            "http.listen: {address} can be reached from elsewhere, which demands a token: add [[http.tokens]]"
        )),
        Ok(_) => {}
        Err(_) => wrong.push(format!("http.listen: `{}` is no address and port, such as 127.0.0.1:8900", http.listen)),
    }
    if http.requests_per_second == 0 {
        wrong.push("http.requests_per_second: at least 1".into());
    }
    for token in &http.tokens {
        match token.token.value() {
            Ok(value) if value.len() < SHORTEST_TOKEN => {
                wrong.push(format!("http.tokens: that of {} has fewer than {SHORTEST_TOKEN} characters", token.name));
            }
            Ok(_) => {}
            Err(why) => wrong.push(format!("http.tokens: that of {}: {why}", token.name)),
        }
    }
}

fn streams(config: &Config, guard: &Guard, wrong: &mut Vec<String>) {
    let mut ids = BTreeSet::new();
    for (number, stream) in config.streams.iter().enumerate() {
        let name = if stream.id.is_empty() { format!("number {}", number + 1) } else { stream.id.clone() };
        wrong.extend(stream.wrong().into_iter().map(|why| format!("stream {name}: {why}")));
        if !ids.insert(&stream.id) {
            wrong.push(format!("stream {name}: its id is there twice"));
        }
        if let Err(why) = guard.check(&stream.uri) {
            wrong.push(format!("stream {name}: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Config::parse(text).expect_err(text)
    }

    #[test]
    fn a_file_that_says_nothing_is_a_service_without_streams() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.listen().to_string(), "127.0.0.1:8900");
        assert!(config.streams.is_empty());
    }

    #[test]
    fn unknown_keys_are_refused_with_what_was_meant() {
        let text = "[http]\nlisten = \"127.0.0.1:1\"\n[[streams]]\nid = \"a\"\nurl = \"rtsp://cam/1\"\n";
        let why = wrong(text);
        assert!(why.starts_with("line ") && why.contains("unknown field `url`"), "{why}");
        assert!(why.ends_with("did you mean `uri`?"), "{why}");
        assert!(!wrong("zebra = 1").contains("did you mean"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let why = wrong(
            "provider = \"tpu\"\n[http]\nlisten = \"0.0.0.0:8900\"\n[[streams]]\nid = \"a b\"\nuri = \"v4l2://x\"\n\
             [[streams]]\nid = \"c\"\nuri = \"file:///etc/passwd\"\nanalysis_fps = 0.0\n[[streams]]\nid = \"c\"\n\
             uri = \"rtsp://cam/1\"\nloop = true\nuser = \"u\"",
        );
        for part in
            ["tpu", "demands a token", "stream a b: id", "v4l2", "folders", "analysis_fps", "twice", "loop", "password"]
        {
            assert!(why.contains(part), "{part}: {why}");
        }
    }

    #[test]
    fn secrets_come_from_elsewhere_and_are_never_shown() {
        let config =
            Config::parse("[[streams]]\nid = \"a\"\nuri = \"rtsp://cam/1\"\nuser = \"u\"\npassword = \"hush\"");
        let config = config.unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        assert!(!serde_json::to_string(&config.streams[0]).unwrap().contains("hush"));
        let why = wrong("[[http.tokens]]\nname = \"n\"\nrole = \"viewer\"\ntoken = \"env:POLYGRAPH_NO_SUCH_VARIABLE\"");
        assert!(why.contains("POLYGRAPH_NO_SUCH_VARIABLE"), "{why}");
        assert!(wrong("[[http.tokens]]\nname = \"n\"\nrole = \"viewer\"\ntoken = \"short\"").contains("fewer"));
    }

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        crate::service::schemas::compare("config.schema.json", &super::super::of_config());
    }
}
