// SPDX-License-Identifier: Apache-2.0
//! What a failure of librdkafka means for a record.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::ledger::reason;

/// What becomes of a record that librdkafka has reported on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Kafka has it.
    Stored,
    /// It failed for a reason that lies outside it: it is sent again.
    Again,
    /// It may be refused for a neighbour in its batch: it is sent again, alone.
    Suspect(String),
    /// Kafka will never take it.
    Refused(String),
}

/// Of a record that was in a batch.
pub(crate) fn of(error: &KafkaError) -> Fate {
    match error.rdkafka_error_code() {
        // The broker refuses a batch as a whole.
        Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidRecord | Code::InvalidTimestamp) => {
            Fate::Suspect(reason(error))
        }
        _ => alone(error),
    }
}

/// Of a record that was alone, or that librdkafka did not take at all.
pub(crate) fn alone(error: &KafkaError) -> Fate {
    let refused = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::TopicAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::InvalidTopic
                | Code::InvalidMessage
                | Code::InvalidMessageSize
                | Code::PolicyViolation
                | Code::UnsupportedForMessageFormat
        )
    );
    if refused { Fate::Refused(reason(error)) } else { Fate::Again }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_code(code: Code) -> Fate {
        of(&KafkaError::MessageProduction(code))
    }

    #[test]
    fn what_may_pass_by_itself_is_sent_again() {
        for code in
            [Code::MessageTimedOut, Code::PurgeQueue, Code::Fatal, Code::NotEnoughReplicas, Code::InvalidMessage]
        {
            let again = of_code(code) == Fate::Again;
            assert_eq!(again, code != Code::InvalidMessage, "{code:?}");
        }
    }

    #[test]
    fn a_batch_that_is_refused_is_no_verdict_on_each_of_its_records() {
        assert!(matches!(of_code(Code::MessageSizeTooLarge), Fate::Suspect(_)));
        assert!(matches!(alone(&KafkaError::MessageProduction(Code::MessageSizeTooLarge)), Fate::Refused(_)));
        assert!(matches!(of_code(Code::TopicAuthorizationFailed), Fate::Refused(_)));
    }
}
