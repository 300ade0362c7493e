use super::*;

fn named(name: &str) -> Snapshot {
    Snapshot::OfSubvolume(SnapshotName::new(name).unwrap())
}

fn containing(text: &str) -> Snapshot {
    Snapshot::Containing(text.to_owned())
}

#[test]
fn names_are_one_component() {
    for name in ["s", "csi-snap-1", "..s", "a b"] {
        assert_eq!(SnapshotName::new(name).unwrap().as_str(), name);
    }
    for name in ["", ".", "..", "a/b", "/", "../x", "a\0"] {
        assert_eq!(SnapshotName::new(name), None, "{name:?}");
    }
}

#[test]
fn the_only_directory_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let snap = at.join(".snap");
    assert!(matches!(named("s").find(at), Err(NotFound::Absent)));
    std::fs::create_dir_all(snap.join("s")).unwrap();
    std::fs::write(snap.join("s/.meta"), "").unwrap();
    assert!(matches!(named("s").find(at), Err(NotFound::Absent)));
    std::fs::create_dir(snap.join("s/data")).unwrap();
    assert_eq!(named("s").find(at).unwrap(), snap.join("s/data"));
    std::fs::create_dir(snap.join("s/more")).unwrap();
    let ambiguous = named("s").find(at);
    assert!(matches!(ambiguous, Err(NotFound::Ambiguous(names)) if names == ["data", "more"]));

    std::fs::create_dir(snap.join("_snap-1_1099")).unwrap();
    assert_eq!(
        containing("snap-1").find(at).unwrap(),
        snap.join("_snap-1_1099")
    );
    std::fs::create_dir(snap.join("_snap-10_1099")).unwrap();
    assert!(matches!(
        containing("snap-1").find(at),
        Err(NotFound::Ambiguous(_))
    ));
    assert!(matches!(
        containing("snap-2").find(at),
        Err(NotFound::Absent)
    ));
}

#[test]
fn a_mount_is_recognised_by_its_root() {
    for (snapshot, root, same) in [
        (named("s"), "/.snap/s/9f58", true),
        (named("s"), "/.snap/t/9f58", false),
        (named("s"), "/.snap/s", false),
        (named("s"), "/9f58", false),
        (named("s"), "/", false),
        (containing("s"), "/.snap/_s_10", true),
        (containing("s"), "/.snap/_t_10", false),
        (containing("s"), "/.snap/_s_10/s", false),
        (containing("s"), "/", false),
    ] {
        assert_eq!(snapshot.is_at(Path::new(root)), same, "{snapshot:?} {root}");
    }
}
