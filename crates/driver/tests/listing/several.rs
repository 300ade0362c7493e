//! Several clusterIDs and file systems.

use ceph::fault::Faults;
use tonic::Code;

use crate::support::{Process, World};

/// A process in a world with this config.json, and with credentials for these clusters.
fn start(world: &World, config: &str, credentials: &[&str]) -> Process {
    std::fs::write(world.config_file(), config).unwrap();
    for cluster in credentials {
        world.give_credentials(cluster);
    }
    world.start(Faults::new())
}

/// The clusterID and the last letter of each listed id.
fn listed(process: &Process, size: i32) -> Vec<String> {
    let ids = process.list_all(size, |_| {});
    let short = |id: &String| format!("{}{}", &id[10..12], &id[id.len() - 1..]);
    ids.iter().map(short).collect()
}

fn uuid(letter: char) -> String {
    format!("12345678-9abc-4def-8123-45678900000{letter}")
}

/// As operators make them: one Ceph cluster, one journal, a clusterID for each subvolume group. Records
/// of ceph-csi do not tell the group.
#[test]
fn a_volume_is_listed_under_the_cluster_id_of_its_group() {
    let world = World::new();
    world.memory.create_group("cephfs", "apps");
    let config = r#"[
        {"clusterID": "c1", "monitors": ["m1", "m2"], "cephFS": {"subvolumeGroup": "csi"}},
        {"clusterID": "c2", "monitors": ["m2"], "cephFS": {"subvolumeGroup": "apps"}}
    ]"#;
    let process = start(&world, config, &["c1", "c2"]);
    world.make_foreign("csi", "pvc-1", &uuid('a'));
    world.make_foreign("apps", "pvc-2", &uuid('b'));
    world.make_foreign("csi", "pvc-3", &uuid('c'));
    let noted = [("spirula.volume", r#"{"size":1073741824,"group":"apps"}"#)];
    world.make_foreign("apps", "pvc-4", &uuid('d'));
    world.write_omap(&format!("csi.volume.{}", uuid('d')), &noted);
    for size in 0..4 {
        assert_eq!(
            listed(&process, size),
            ["c1a", "c1c", "c2b", "c2d"],
            "pages of {size}"
        );
    }
    process.kill();
}

#[test]
fn file_systems_are_listed_one_after_the_other() {
    let world = World::new();
    world.memory.create_filesystem("second");
    world.memory.create_group("second", "csi");
    world.give_credentials("c1");
    let process = world.start(Faults::new());
    let id = |fs: &str, name: &str| {
        let mut request = crate::support::create_request(name, 1);
        request
            .parameters
            .insert("fsName".to_owned(), fs.to_owned());
        let answer = process.call(|service| async move {
            use csi_proto::v1::controller_server::Controller as _;
            service.create_volume(tonic::Request::new(request)).await
        });
        answer.served().volume.unwrap().volume_id
    };
    let made = [
        id("cephfs", "pvc-2"),
        id("second", "pvc-1"),
        id("second", "pvc-3"),
    ];
    for size in 0..4 {
        assert_eq!(process.list_all(size, |_| {}), made, "pages of {size}");
    }
    process.kill();
}

/// Half of the truth would make the other half look deleted.
#[test]
fn a_cluster_without_credentials_fails_the_whole_listing_by_name() {
    let world = World::new();
    let config = r#"[
        {"clusterID": "c1", "monitors": ["m1"]},
        {"clusterID": "c2", "monitors": ["m2"]}
    ]"#;
    let process = start(&world, config, &["c1"]);
    world.make_foreign("csi", "pvc-1", &uuid('a'));
    let refusal = process.list(0, "").refused();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    let start =
        "cluster `c2`: no credentials for cluster `c2`: requests of this kind carry no secrets";
    assert!(refusal.message().starts_with(start), "{refusal}");
    let one = process.capacity(&[("clusterID", "c1")]).served();
    assert!(one.available_capacity > 0);
    assert_eq!(
        process.capacity(&[]).refused().code(),
        Code::FailedPrecondition
    );
    process.kill();
}

#[test]
fn a_config_without_clusters_is_no_empty_list() {
    let world = World::new();
    let process = start(&world, "[]", &[]);
    let refusal = process.list(0, "").refused();
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    assert!(
        refusal.message().ends_with("it lists no clusters"),
        "{refusal}"
    );
    process.kill();
}
