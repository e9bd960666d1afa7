// SPDX-License-Identifier: Apache-2.0
//! `polygraph topics`: makes Polygraph's topics in a cluster, and looks whether they are there.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use polygraph_delivery::{check_topics, create_topics};

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
    },
    /// Look at the topics: exit 1 when one is missing or can't be written
    Check {
        #[command(flatten)]
        cluster: Cluster,
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
        Command::Create { cluster, partitions, replicas } => {
            let made = create_topics(&cluster.config()?, *partitions, *replicas)?;
            made.iter().for_each(|name| println!("{name}: made"));
            if made.is_empty() {
                println!("all topics are there");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { cluster } => check(cluster),
    }
}

impl Cluster {
    fn config(&self) -> Result<polygraph_delivery::ProducerConfig> {
        config(&self.brokers, self.timeout, &self.connection)
    }
}

fn check(cluster: &Cluster) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for topic in check_topics(&cluster.config()?)? {
        match topic.fault {
            None => println!("{}: {} partitions, {} replicas", topic.name, topic.partitions, topic.replicas),
            Some(fault) => {
                println!("{}: {fault}", topic.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
