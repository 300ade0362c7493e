//! What people and orchestrators get wrong, each with the exact code and message that they get for it.
//!
//! The tables are data: a good request, and one edit per case that spoils it. Whatever the answer, no
//! case may change anything: no subvolume, record, mount or directory comes or goes. Edits that are odd
//! but right stand among them, with the code `Ok`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::assigning_clones,
    clippy::semicolon_if_nothing_returned,
    reason = "a test fails by panicking, and tells what it did; an edit reads best as an assignment"
)]

#[path = "bad_input/config.rs"]
mod config;
#[path = "bad_input/create_volume.rs"]
mod create_volume;
#[path = "bad_input/delete_volume.rs"]
mod delete_volume;
#[path = "bad_input/expand_volume.rs"]
mod expand_volume;
#[path = "bad_input/groups.rs"]
mod groups;
#[path = "bad_input/identity.rs"]
mod identity;
#[path = "bad_input/ids.rs"]
mod ids;
#[path = "bad_input/lab.rs"]
mod lab;
#[path = "bad_input/listing.rs"]
mod listing;
#[path = "bad_input/node.rs"]
mod node;
#[path = "bad_input/publish_volume.rs"]
mod publish_volume;
#[path = "bad_input/secrets.rs"]
mod secrets;
#[path = "bad_input/shallow.rs"]
mod shallow;
#[path = "bad_input/snapshots.rs"]
mod snapshots;
#[path = "bad_input/stage_volume.rs"]
mod stage_volume;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;
#[path = "bad_input/table.rs"]
mod table;
#[path = "bad_input/unserved.rs"]
mod unserved;
#[path = "bad_input/validate_capabilities.rs"]
mod validate_capabilities;

use table::Report;

#[test]
fn every_case_has_its_code_and_message_and_changes_nothing() {
    let mut report = Report::default();
    identity::run(&mut report);
    create_volume::run(&mut report);
    shallow::run(&mut report);
    secrets::run(&mut report);
    config::run(&mut report);
    delete_volume::run(&mut report);
    expand_volume::run(&mut report);
    validate_capabilities::run(&mut report);
    listing::run(&mut report);
    snapshots::run(&mut report);
    groups::run(&mut report);
    stage_volume::run(&mut report);
    publish_volume::run(&mut report);
    node::run(&mut report);
    unserved::run(&mut report);
    let cases = report.finish();
    assert!(cases >= 150, "only {cases} cases");
}
