//! What the metadata server keeps of clients.

use std::process::Command;

use super::lab::{Lab, setting};

/// Has the metadata server shut out the client of the staged volume: a ceph-fuse says where it has mounted,
/// and the kernel what.
pub(crate) fn evict(lab: &Lab) {
    let at = lab.staging.display().to_string();
    let evicted = evict_those(|client| {
        let told = &client["client_metadata"];
        let is_it = if crate::MOUNTER == "kernel" {
            told["root"] == lab.root.as_str()
        } else {
            told["mount_point"] == at.as_str()
        };
        is_it && client["state"] == "open"
    });
    assert!(evicted > 0, "no client of {}", lab.root);
}

/// Ends the sessions of clients of this volume, all of which have been killed. Otherwise the next test would wait
/// half a minute for them to time out: each client of CephFS holds the directories above its own.
pub(crate) fn end_those_of_the_dead(lab: &Lab) {
    // Tools of release 16 get no answer from the metadata server of 20.
    if setting("SPIRULA_TEST_CEPH_RELEASE") != "20" {
        evict_those(|client| client["client_metadata"]["root"] == lab.root.as_str());
    }
}

fn evict_those(chosen: impl Fn(&serde_json::Value) -> bool) -> usize {
    let clients = ceph(&["tell", "mds.0", "client", "ls"]);
    let clients: serde_json::Value = serde_json::from_str(&clients).unwrap();
    let clients = clients.as_array().unwrap().iter();
    let ids: Vec<_> = clients
        .filter(|client| chosen(client))
        .map(|client| format!("id={}", client["id"]))
        .collect();
    for id in &ids {
        ceph(&["tell", "mds.0", "client", "evict", id]);
    }
    ids.len()
}

#[expect(
    clippy::disallowed_methods,
    reason = "plays the administrator of the cluster"
)]
pub(crate) fn ceph(arguments: &[&str]) -> String {
    // A command to a metadata server that ends meanwhile is never answered.
    let output = Command::new("timeout")
        .args([
            "60",
            "ceph",
            "--conf",
            &setting("CEPH_CONF"),
            "-n",
            "client.admin",
        ])
        .arg(format!(
            "--keyfile={}",
            setting("SPIRULA_TEST_ADMIN_KEYFILE")
        ))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
