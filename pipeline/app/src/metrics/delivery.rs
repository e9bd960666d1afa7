// SPDX-License-Identifier: Apache-2.0
//! The delivery's account as Prometheus metrics. The one list of their names is [`METRICS`]; alert rules and dashboards
//! are held against it.

use polygraph_delivery::{Courier, Delays, Lag, Tallies, Tally, Topic};
use prometheus::core::Collector;
use prometheus::proto::{self, Bucket, Histogram, LabelPair, MetricFamily, MetricType};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

/// A metric: its name, what it says, and its labels. What ends in `_total` is a counter, the others are gauges.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// For people.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, help, labels }
}

const PRODUCED: Metric = metric("polygraph_delivery_produced_total", "Events handed to the delivery", &["topic"]);
const REPLAYED: Metric =
    metric("polygraph_delivery_replayed_total", "Events found in the spool when it was opened", &["topic"]);
const ACCEPTED: Metric = metric("polygraph_delivery_accepted_total", "Events written to the spool", &["topic"]);
const ACKNOWLEDGED: Metric =
    metric("polygraph_delivery_acknowledged_total", "Events that Kafka has acknowledged", &["topic"]);
const DEAD_LETTERED: Metric = metric(
    "polygraph_delivery_dead_lettered_total",
    "Events that Kafka refused for good, kept as dead letters",
    &["topic", "reason"],
);
const DROPPED: Metric = metric("polygraph_delivery_dropped_total", "Events that were given up", &["topic", "reason"]);
const QUEUED: Metric = metric("polygraph_delivery_queued_events", "Events in memory, not yet in the spool", &["topic"]);
const SPOOLED: Metric = metric("polygraph_delivery_spooled_events", "Events in the spool, on their way", &["topic"]);
const SPOOL_BYTES: Metric = metric("polygraph_delivery_spool_bytes", "Bytes in the spool", &[]);
const SPOOL_MAX_BYTES: Metric = metric("polygraph_delivery_spool_max_bytes", "Most bytes that the spool may hold", &[]);
const LAG: Metric =
    metric("polygraph_delivery_spool_lag_seconds", "Age of the oldest event in the spool; 0 when it is empty", &[]);

const DELAY: Metric = metric(
    "polygraph_delivery_acknowledge_delay_seconds",
    "From the delivery's taking an event to Kafka's acknowledgement",
    &["topic"],
);

/// All metrics of the delivery. Of each topic:
/// `produced + replayed = acknowledged + dead_lettered + dropped + queued + spooled`.
pub const METRICS: [Metric; 12] = [
    PRODUCED,
    REPLAYED,
    ACCEPTED,
    ACKNOWLEDGED,
    DEAD_LETTERED,
    DROPPED,
    QUEUED,
    SPOOLED,
    SPOOL_BYTES,
    SPOOL_MAX_BYTES,
    LAG,
    DELAY,
];

/// The account at one moment.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What became of the events.
    pub tallies: Tallies,
    /// How far Kafka is behind.
    pub lag: Lag,
    /// Most bytes that the spool may hold.
    pub max_bytes: u64,
}

impl Account {
    /// Of a courier; never waits.
    pub fn of(courier: &Courier) -> Self {
        Self { tallies: courier.tallies(), lag: courier.lag(), max_bytes: courier.max_bytes() }
    }
}

/// Numbers of events by reason.
type Reasons = std::collections::BTreeMap<String, u64>;
/// A metric and where its value is in a tally.
type Read<T> = (Metric, fn(&Tally) -> T);
/// The same, by reason.
type ReadReasons = (Metric, for<'a> fn(&'a Tally) -> &'a Reasons);

/// The account's metrics, in the order of [`METRICS`], for a scrape.
///
/// # Errors
/// For names that Prometheus doesn't allow, which a test would find.
pub fn families(account: &Account) -> prometheus::Result<Vec<MetricFamily>> {
    let tallies = &account.tallies;
    let mut families = Vec::with_capacity(METRICS.len());
    let counted: [Read<u64>; 4] = [
        (PRODUCED, |tally| tally.produced),
        (REPLAYED, |tally| tally.replayed),
        (ACCEPTED, |tally| tally.accepted),
        (ACKNOWLEDGED, |tally| tally.acknowledged),
    ];
    for (metric, of) in counted {
        let vector = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
        tallies.iter().for_each(|(topic, tally)| vector.with_label_values(&[topic.name()]).inc_by(of(tally)));
        families.extend(vector.collect());
    }
    let reasoned: [ReadReasons; 2] = [(DEAD_LETTERED, |tally| &tally.dead_lettered), (DROPPED, |tally| &tally.dropped)];
    for (metric, of) in reasoned {
        let vector = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
        for (topic, tally) in tallies.iter() {
            for (reason, records) in of(tally) {
                vector.with_label_values(&[topic.name(), reason.as_str()]).inc_by(*records);
            }
        }
        families.extend(vector.collect());
    }
    let standing: [Read<u64>; 2] = [(QUEUED, |tally| tally.queued), (SPOOLED, |tally| tally.spooled)];
    for (metric, of) in standing {
        let vector = IntGaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
        tallies.iter().for_each(|(topic, tally)| {
            vector.with_label_values(&[topic.name()]).set(i64::try_from(of(tally)).unwrap_or(i64::MAX));
        });
        families.extend(vector.collect());
    }
    for (metric, value) in [
        (SPOOL_BYTES, account.lag.bytes as f64),
        (SPOOL_MAX_BYTES, account.max_bytes as f64),
        (LAG, account.lag.seconds),
    ] {
        let vector = GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
        vector.with_label_values::<&str>(&[]).set(value);
        families.extend(vector.collect());
    }
    families.push(delays(tallies));
    // Reasons appear with the first event that has one; the encoder refuses a metric without values.
    families.retain(|family| !family.get_metric().is_empty());
    Ok(families)
}

/// The histogram of each topic, which is kept where the reports come in.
fn delays(tallies: &Tallies) -> MetricFamily {
    let of = |(topic, tally): (Topic, &Tally)| {
        let mut histogram = Histogram::default();
        let mut count = 0;
        // The encoder adds the last one, `+Inf`, itself; one that is given it writes as `inf`.
        let bucket = |(bound, records): (u64, &u64)| {
            count += records;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound as f64 / 1e3);
            bucket.set_cumulative_count(count);
            bucket
        };
        histogram.set_bucket(Delays::BOUNDS_MS.into_iter().zip(&tally.delays.counts).map(bucket).collect());
        histogram.set_sample_count(tally.delays.counts.iter().sum());
        histogram.set_sample_sum(tally.delays.sum_ms as f64 / 1e3);
        let mut label = LabelPair::default();
        label.set_name("topic".into());
        label.set_value(topic.name().into());
        let mut metric = proto::Metric::default();
        metric.set_label(vec![label]);
        metric.set_histogram(histogram);
        metric
    };
    let mut family = MetricFamily::default();
    family.set_name(DELAY.name.into());
    family.set_help(DELAY.help.into());
    family.set_field_type(MetricType::HISTOGRAM);
    family.set_metric(tallies.iter().map(of).collect());
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    fn alerts(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/alerts").join(name)
    }

    #[test]
    fn a_scrape_gives_every_metric_of_the_list_with_its_labels() {
        let mut account = Account { max_bytes: 7, ..Account::default() };
        account.lag = Lag { bytes: 5, seconds: 1.5 };
        let text = prometheus::TextEncoder::new().encode_to_string(&families(&account).unwrap()).unwrap();
        for metric in METRICS {
            // Reasons appear with the first that was given up.
            let shown =
                metric.labels.contains(&"reason") || text.contains(&format!("# HELP {} {}", metric.name, metric.help));
            assert!(shown, "{} isn't in {text}", metric.name);
        }
        for line in [
            "polygraph_delivery_produced_total{topic=\"polygraph.frames\"} 0",
            "polygraph_delivery_spool_bytes 5",
            "polygraph_delivery_spool_max_bytes 7",
            "polygraph_delivery_spool_lag_seconds 1.5",
        ] {
            assert!(text.contains(line), "{line} isn't in {text}");
        }
        assert_eq!(Topic::ALL.len(), text.matches("polygraph_delivery_spooled_events{").count());
        assert_eq!(Topic::ALL.len(), text.matches("le=\"+Inf\"} 0").count());
        assert!(!text.contains("\"inf\""), "{text}");
    }

    #[test]
    fn alert_rules_ask_only_for_metrics_that_exist_and_say_what_to_do() {
        let text = std::fs::read_to_string(alerts("delivery.yml")).unwrap();
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let asked: BTreeSet<_> = text.split(word).filter(|word| word.starts_with("polygraph_")).collect();
        let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert!(asked.len() >= 7, "{asked:?}");
        assert!(asked.is_subset(&known), "no such metric: {:?}", asked.difference(&known));
        let count = |what: &str| text.matches(what).count();
        assert_eq!((count("summary:"), count("runbook:")), (count("- alert:"), count("- alert:")));
    }
}
