use std::cell::LazyCell;
use std::sync::Arc;

use secrecy::SecretString;

use super::daemon::Daemon;
use super::*;
use crate::ceph_conf::CephConf;
use crate::mount::{MountOptions, OptionSources};

fn fs(name: Option<&str>) -> CephFs {
    let volume = OptionSources {
        volume: "debug,ro",
        ..OptionSources::default()
    };
    CephFs {
        monitors: "192.0.2.1:6789,192.0.2.2:6789".to_owned(),
        name: name.map(str::to_owned),
        root: "/volumes/csi/v/u".to_owned(),
        snapshot: None,
        user: "node".to_owned(),
        key: SecretString::from("AQthekey"),
        fuse_options: MountOptions::merge(&volume),
        kernel_options: MountOptions::default(),
        net_namespace: None,
        mounter: MounterKind::Fuse,
    }
}

fn line(order: &Order) -> String {
    let words: Vec<_> = order
        .arguments
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    format!("{} {}", order.program.display(), words.join(" "))
}

/// The command line as `/proc` has it, without its first words.
fn bytes(order: &Order, skip: usize) -> Vec<u8> {
    let words = std::iter::once(order.program.as_os_str())
        .chain(order.arguments.iter().map(OsString::as_os_str));
    let words = words.skip(skip);
    words
        .flat_map(|word| [word.as_encoded_bytes(), b"\0"].concat())
        .collect()
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_millis(30_500))
}

#[test]
fn the_command_line_is_the_original_s_but_for_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let fuse = Fuse::new("ceph-fuse", Arc::new(CephConf::new(directory.path())))
        .owned_by("owner".to_owned());
    let order = fuse
        .order(&cx(), &fs(Some("cephfs")), Path::new("/stage"))
        .unwrap();
    let conf = directory.path().display();
    assert_eq!(
        line(&order).replace(&format!("{conf}/"), "/etc/ceph/"),
        "ceph-fuse /stage -m 192.0.2.1:6789,192.0.2.2:6789 -c /etc/ceph/ceph.conf -n client.node \
         --keyfile=/proc/self/fd/0 -r /volumes/csi/v/u -o nonempty,debug,ro \
         --client_mds_namespace=cephfs --admin_socket= --log_file= --client_mount_timeout=22"
    );
    assert!(!format!("{order:?}").contains("AQthekey"));
}

#[test]
fn another_network_namespace_is_entered_first() {
    let directory = tempfile::tempdir().unwrap();
    let fuse = Fuse::new("ceph-fuse", Arc::new(CephConf::new(directory.path())))
        .owned_by("owner".to_owned());
    let fs = CephFs {
        net_namespace: Some("/var/run/netns/ceph".into()),
        ..fs(None)
    };
    let order = fuse.order(&cx(), &fs, Path::new("/stage")).unwrap();
    let line = line(&order);
    let start = "nsenter --net=/var/run/netns/ceph -- ceph-fuse /stage -m ";
    assert!(line.starts_with(start), "{line}");
    assert!(!line.contains("client_mds_namespace"), "{line}");
}

#[test]
fn what_a_daemon_serves_is_read_back_from_its_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let fuse = Fuse::new("ceph-fuse", Arc::new(CephConf::new(directory.path())))
        .owned_by("owner".to_owned());
    let fs = fs(Some("cephfs"));
    let order = fuse.order(&cx(), &fs, Path::new("/stage")).unwrap();
    let daemon = Daemon::parse(7, &bytes(&order, 0)).unwrap();
    // What enters a network namespace first has the line of the client that it becomes in its own.
    let elsewhere = CephFs {
        net_namespace: Some("/var/run/netns/ceph".into()),
        ..fs.clone()
    };
    let order = fuse.order(&cx(), &elsewhere, Path::new("/stage")).unwrap();
    let entering = bytes(&order, 0);
    assert!(entering.starts_with(b"nsenter\0"));
    assert_eq!(Daemon::parse(7, &entering).as_ref(), Some(&daemon));
    let serving = daemon.serving();
    assert_eq!(serving.process, Some(7));
    assert_eq!(
        serving.monitors.as_deref(),
        Some("192.0.2.1:6789,192.0.2.2:6789")
    );
    assert_eq!(serving.differs_from(&fs), None);
    let other = CephFs {
        root: "/volumes/csi/w".to_owned(),
        ..fs
    };
    assert!(serving.differs_from(&other).is_some());
}

#[test]
fn a_mount_point_that_is_named_through_a_link_is_found_but_not_through_another_mount() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    std::fs::create_dir(directory.join("data")).unwrap();
    std::os::unix::fs::symlink(directory.join("data"), directory.join("link")).unwrap();
    let is_for = |named: &str, at: &str, lines: &str| {
        let named = directory.join(named).display().to_string();
        let daemon = Daemon::parse(7, format!("ceph-fuse\0{named}\0").as_bytes()).unwrap();
        let lines = lines.replace("DIRECTORY", &directory.display().to_string());
        let table = LazyCell::new(move || MountTable::parse(lines.as_bytes()).unwrap());
        daemon.is_for(&directory.join(at), &table)
    };
    let disk = "29 1 254:0 / / rw - ext4 /dev/vda rw\n";
    let with =
        |at: &str| format!("{disk}37 29 0:33 / DIRECTORY/{at} rw - fuse.ceph-fuse ceph-fuse rw\n");
    assert!(is_for("data/mount", "data/mount", ""));
    assert!(is_for("link/mount", "data/mount", disk));
    assert!(is_for("link/mount", "data/mount", &with("data/mount")));
    assert!(!is_for("link/other", "data/mount", disk));
    assert!(!is_for("data/other/mount", "data/mount", disk));
    // Nobody looks at what may hang.
    assert!(!is_for("link/mount", "data/mount", &with("link")));
    assert!(!is_for("link/mount", "data/mount", ""));
}

#[test]
fn a_process_without_arguments_is_no_daemon() {
    assert_eq!(Daemon::parse(1, b""), None);
    assert_eq!(Daemon::parse(1, b"ceph-fuse\0"), None);
}

#[tokio::test]
async fn a_client_that_does_not_start_leaves_no_cgroup() {
    let directory = tempfile::tempdir().unwrap();
    let (root, membership) = (
        directory.path().join("cgroup"),
        directory.path().join("own"),
    );
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("cgroup.procs"), "1\n").unwrap();
    std::fs::write(&membership, "0::/pod\n").unwrap();
    let settings = CgroupSettings {
        parent: Some("spirula".into()),
        memory: None,
    };
    let mut fuse = Fuse::new("ceph-fuse", Arc::new(CephConf::new(directory.path())))
        .with_own_program(OwnProgram::at("/bin/false"));
    fuse.launchers.cgroups = Arc::new(Cgroups::at(settings, membership, root.clone()));
    let cx = Context::with_timeout(Duration::from_mins(1));
    let output = fuse.launch(&cx, &fs(None), Path::new("/stage")).await;
    assert!(!output.unwrap().status.success());
    let left = std::fs::read_dir(root.join("spirula")).unwrap();
    assert_eq!(left.count(), 0);
}
