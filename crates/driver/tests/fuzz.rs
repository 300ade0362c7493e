//! Parsers of what others write, fed with mutations of good input for a bounded time.
//!
//! `SPIRULA_FUZZ_SECONDS` says how long each target runs (10), `SPIRULA_FUZZ_SEED` repeats a run. An
//! input that breaks a target is printed. It works on stable Rust, so no coverage leads it; instead an
//! input that gets an answer of a new kind joins the corpus, see [`fuzzer`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::assigning_clones,
    reason = "a test fails by panicking, and tells what it did"
)]

#[path = "fuzz/fuzzer.rs"]
mod fuzzer;
#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{catch_unwind, resume_unwind};

use fuzzer::{Bound, Target, run, seconds};

macro_rules! fuzz {
    ($($name:ident)+) => {$(
        #[test]
        #[ignore = "needs time: dev/test fuzz"]
        fn $name() {
            run(stringify!($name), &targets::$name(), Bound::Time(seconds()));
        }
    )+};
}

fuzz!(volume_id config_json mountinfo monitors secrets create_volume stage_volume);

/// A fuzzer that finds nothing proves nothing, unless it finds what is there.
#[test]
fn a_planted_defect_is_found() {
    let defective = || Target {
        seeds: vec![b"0001-0002-c1".to_vec()],
        words: &["ffff"],
        answer: |input| {
            let text = String::from_utf8_lossy(input);
            if text.contains("0001-ffff") {
                // Without the message of a panic: who reads the output looks for real ones.
                resume_unwind(Box::new("the planted defect"));
            }
            String::new()
        },
    };
    let runs = Bound::Runs(1_000_000);
    let found = catch_unwind(|| run("planted", &defective(), runs));
    assert!(found.is_err(), "the fuzzer did not find the planted defect");
}

/// Each target passes a short run in every `cargo test`.
#[test]
fn every_target_runs() {
    for (name, target) in targets::all() {
        run(name, &target, Bound::Runs(2_000));
    }
}
