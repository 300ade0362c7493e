use std::os::unix::fs::PermissionsExt;
use std::thread;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_there_is_honoured() {
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("ceph.conf"),
        "[global]\nms_mode = secure\n",
    )
    .unwrap();
    let conf = CephConf::new(root.path());
    let path = root.path().join("ceph.conf");
    assert_eq!(conf.existing(), Some(path.clone()));
    assert_eq!(conf.for_fuse().unwrap(), path);
    assert_eq!(
        names(root.path()),
        ["ceph.conf"],
        "no keyring is put beside it"
    );
    assert!(fs::read_to_string(&path).unwrap().contains("ms_mode"));
}

#[test]
fn an_absent_file_is_written_once_it_is_needed() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("etc/ceph");
    let conf = CephConf::new(&dir);
    assert_eq!(conf.existing(), None);
    assert!(!dir.try_exists().unwrap(), "looking writes nothing");

    let path = conf.for_fuse().unwrap();
    assert_eq!(path, dir.join("ceph.conf"));
    assert_eq!(names(&dir), ["ceph.conf", "keyring"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "[global]\nauth_cluster_required = cephx\nauth_service_required = cephx\n\
         auth_client_required = cephx\n"
    );
    assert_eq!(fs::read_to_string(dir.join("keyring")).unwrap(), "");
    assert_eq!(
        (mode(&dir), mode(&path), mode(&dir.join("keyring"))),
        (0o755, 0o600, 0o600)
    );
    assert_eq!(conf.existing(), Some(path));
}

#[test]
fn many_at_once_leave_one_whole_file() {
    let root = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let path = CephConf::new(root.path()).for_fuse().unwrap();
                assert_eq!(fs::read_to_string(path).unwrap(), CONTENT);
            });
        }
    });
    assert_eq!(names(root.path()), ["ceph.conf", "keyring"]);
}

#[test]
fn where_nothing_can_be_written_a_private_copy_serves() {
    let root = tempfile::tempdir().unwrap();
    // A file in the place of the directory: nobody, not even root, can write into it.
    let dir = root.path().join("ceph");
    fs::write(&dir, "").unwrap();
    let conf = CephConf::new(&dir);
    let path = conf.for_fuse().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(conf.for_fuse().unwrap(), path, "there is one copy");
    assert_eq!(conf.existing(), None, "librados is not told of it");

    fs::remove_file(&path).unwrap();
    let again = conf.for_fuse().unwrap();
    assert_eq!(
        fs::read_to_string(&again).unwrap(),
        CONTENT,
        "a copy that was cleaned away"
    );
    let private = again.parent().unwrap().to_owned();
    drop(conf);
    assert!(
        !private.try_exists().unwrap(),
        "the copy goes with its owner"
    );
}
