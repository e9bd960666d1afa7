// SPDX-License-Identifier: Apache-2.0
//! `polygraph topics`: makes Polygraph's topics in a cluster, and looks whether they are there.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use polygraph_delivery::{check_fleet_topics, check_topics, create_fleet_topics, create_topics};

use crate::{
    cli::{Connection, seconds},
    error::Result,
    publish::config,
};

/// `polygraph topics`.
#[derive(Subcommand)]
pub enum Command {
    /// Make the topics that are missing
    Create {
        #[command(flatten)]
        cluster: Cluster,
        /// Partitions of each topic; default: the cluster's own
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// Replicas of each partition; default: the cluster's own
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=32_767))]
        replicas: Option<i32>,
        /// Make those of a fleet of workers too, polygraph.desired with so many partitions
        #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "64",
              value_parser = clap::value_parser!(i32).range(1..=10_000))]
        fleet: Option<i32>,
    },
    /// Look at the topics: exit 1 when one is missing or can't be written
    Check {
        #[command(flatten)]
        cluster: Cluster,
        /// Look at those of a fleet of workers too
        #[arg(long)]
        fleet: bool,
    },
}

/// Which cluster.
#[derive(Args)]
pub struct Cluster {
    /// host:port, several with commas between
    #[arg(long = "kafka", value_name = "BROKERS")]
    brokers: String,
    #[command(flatten)]
    connection: Connection,
    /// How long to wait for the cluster
    #[arg(long = "kafka-timeout", value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    timeout: Duration,
}

/// Makes or checks.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Create { cluster, partitions, replicas, fleet } => {
            let config = cluster.config()?;
            let mut made = create_topics(&config, *partitions, *replicas)?;
            if let Some(partitions) = fleet {
                made.extend(create_fleet_topics(&config, *partitions, *replicas)?);
            }
            made.iter().for_each(|name| outln!("{name}: made"));
            if made.is_empty() {
                outln!("all topics are there");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { cluster, fleet } => check(cluster, *fleet),
    }
}

impl Cluster {
    fn config(&self) -> Result<polygraph_delivery::ProducerConfig> {
        config(&self.brokers, self.timeout, &self.connection)
    }
}

fn check(cluster: &Cluster, fleet: bool) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let config = cluster.config()?;
    let mut topics = check_topics(&config)?;
    if fleet {
        topics.extend(check_fleet_topics(&config)?);
    }
    for topic in topics {
        match topic.fault {
            None => outln!("{}: {} partitions, {} replicas", topic.name, topic.partitions, topic.replicas),
            Some(fault) => {
                outln!("{}: {fault}", topic.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
