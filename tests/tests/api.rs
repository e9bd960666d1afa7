// SPDX-License-Identifier: Apache-2.0
//! The API as its OpenAPI document describes it, held against that document by schemathesis: examples, edges and random
//! requests, valid and not.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use polygraph_tests::service::{Service, configuration};

const TOKEN: &str = "an operator's long token";

#[test]
fn answers_are_those_of_the_openapi_document_whatever_is_asked() {
    let schemathesis = polygraph_tests::home().join("api-venv/bin/schemathesis");
    assert!(schemathesis.exists(), "{} is missing: ./dev test fetches it", schemathesis.display());
    let folder = tempfile::tempdir().unwrap();
    let tokens = format!("[[http.tokens]]\nname = \"ann\"\nrole = \"operator\"\ntoken = \"{TOKEN}\"\n");
    let limit = "[http]\nrequests_per_second = 10000\n";
    let service = Service::start(&configuration(folder.path(), &format!("{limit}{tokens}")));
    let run = Command::new(schemathesis)
        .args(["run", &format!("http://{}/api/v1/openapi.json", service.address)])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        // Streams of events don't end.
        .args(["--exclude-path-regex", "^/api/v1/events"])
        // A document can't say all that a stream's settings must be together: what is refused is told by 422.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--generation-deterministic"])
        .args(["--request-timeout", "30", "--continue-on-failure", "--no-color"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("generated"), "{said}");
    assert_eq!(service.ask("GET", "/healthz", None).status, 200, "it goes on");
}
