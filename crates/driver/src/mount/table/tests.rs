use super::*;

fn table(text: &str) -> MountTable {
    MountTable::parse(text.as_bytes()).unwrap()
}

fn at(table: &MountTable, path: &str) -> Option<u64> {
    table.at(Path::new(path)).map(|mount| mount.id)
}

const NODE: &str = "\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
22 27 0:21 / /proc rw,nosuid,nodev,noexec - proc proc rw
42 27 0:39 / /stage rw,nosuid,nodev,relatime shared:7 - fuse.ceph-fuse ceph-fuse rw,user_id=0
43 27 0:39 / /pods/a/mount ro,nosuid,nodev,relatime shared:7 master:3 - fuse.ceph-fuse ceph-fuse rw
44 27 0:40 /volumes/x /kernel rw,noatime - ceph 192.0.2.1:6789:/volumes/x ro,name=u,secret=<hidden>
";

#[test]
fn every_column_is_read() {
    let table = table(NODE);
    let staged = table.at(Path::new("/stage")).unwrap();
    assert_eq!(
        (staged.id, staged.parent, staged.device.as_str()),
        (42, 27, "0:39")
    );
    assert_eq!(staged.root, Path::new("/"));
    assert!(staged.is_fuse() && staged.is_cephfs() && !staged.read_only());
    assert_eq!(
        format!("{:?}", staged.flags),
        r#"["nosuid", "nodev", "relatime"]"#
    );

    let published = table.at(Path::new("/pods/a/mount")).unwrap();
    assert!(published.read_only() && !published.read_only_superblock);

    let kernel = table.at(Path::new("/kernel")).unwrap();
    assert!(kernel.is_cephfs() && !kernel.is_fuse());
    assert!(kernel.read_only() && !kernel.flags.read_only());
    assert_eq!(kernel.root, Path::new("/volumes/x"));
    assert_eq!(kernel.source, "192.0.2.1:6789:/volumes/x");
}

#[test]
fn a_path_below_a_mount_point_is_none_itself() {
    let table = table(NODE);
    assert_eq!(at(&table, "/stage/dir"), None);
    assert_eq!(table.containing(Path::new("/stage/dir")).unwrap().id, 42);
    assert_eq!(table.containing(Path::new("/stage2")).unwrap().id, 27);
    assert_eq!(at(&table, "/"), Some(27));
    assert_eq!(table.of_device("0:39").count(), 2);
    let below: Vec<_> = table
        .under(Path::new("/pods"))
        .map(|mount| mount.id)
        .collect();
    assert_eq!(below, [43]);
}

#[test]
fn the_topmost_of_stacked_mounts_is_found_in_any_order() {
    let stacked = [
        "10 10 8:1 / / rw - ext4 d rw",
        "20 10 0:1 / /m rw - tmpfs first rw",
        "30 20 0:2 / /m rw - tmpfs second rw",
        "40 30 0:3 / /m rw - tmpfs third rw",
    ];
    for rotation in 0..stacked.len() {
        let mut lines = stacked;
        lines.rotate_left(rotation);
        assert_eq!(
            at(&table(&lines.join("\n")), "/m"),
            Some(40),
            "rotated by {rotation}"
        );
    }
}

#[test]
fn a_mount_hidden_by_a_later_one_above_it_is_not_found() {
    let table = table(
        "1 0 8:1 / / rw - ext4 d rw\n2 1 0:1 / /a/b rw - tmpfs t rw\n3 1 0:2 / /a rw - tmpfs t rw\n",
    );
    assert_eq!(at(&table, "/a/b"), None);
    assert_eq!(at(&table, "/a"), Some(3));
    assert_eq!(table.under(Path::new("/a")).count(), 2);
}

#[test]
fn escaped_characters_are_unescaped() {
    let line =
        br"5 1 0:1 /a\134b /with\040blank\011tab\012line\134slash\377 rw - tmpfs none\040x rw";
    let table = MountTable::parse(line).unwrap();
    let mount = &table.mounts()[0];
    let expected = OsString::from_vec(b"/with blank\ttab\nline\\slash\xff".to_vec());
    assert_eq!(mount.mount_point.as_os_str(), expected);
    assert_eq!(mount.root, Path::new(r"/a\b"));
    assert_eq!(mount.source, "none x");
}

#[test]
fn what_only_looks_escaped_is_kept() {
    for text in [r"a\", r"a\0", r"a\08", r"a\999", r"a\400", r"a\xyz"] {
        assert_eq!(unescape(text.as_bytes()), text);
    }
}

#[test]
fn an_empty_source_is_allowed() {
    let table = table("5 1 0:1 / /m rw - tmpfs  rw");
    assert_eq!(table.mounts()[0].source, "");
}

#[test]
fn malformed_lines_are_refused_by_number_and_field() {
    let cases = [
        ("x 1 0:1 / /m rw - tmpfs t rw", "mount id"),
        ("5 y 0:1 / /m rw - tmpfs t rw", "parent id"),
        ("5 1 0:1 / /m", "options"),
        ("5 1 0:1 / /m rw shared:1", "separator"),
        ("5 1 0:1 / /m rw - tmpfs", "source"),
        ("5 1 0:1 / /m rw - tmpfs t", "superblock options"),
    ];
    for (line, field) in cases {
        let text = format!("27 1 254:0 / / rw - ext4 /dev/vda rw\n{line}\n");
        let error = MountTable::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error, ParseError { line: 2, field }, "{line}");
    }
}

#[test]
fn the_running_kernel_s_table_is_understood() {
    let table = MountTable::parse(&std::fs::read("/proc/self/mountinfo").unwrap()).unwrap();
    assert_eq!(table.at(Path::new("/proc")).unwrap().fs_type, "proc");
    for mount in table.mounts() {
        let seen = table.containing(&mount.mount_point);
        assert!(seen.is_some(), "{mount:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
        if let Ok(table) = MountTable::parse(&bytes) {
            table.at(Path::new("/m"));
        }
    }

    #[test]
    fn any_graph_of_mounts_is_walked_to_an_end(
        lines in proptest::collection::vec((0_u64..6, 0_u64..6, "(/[ab]){0,3}"), 0..12),
    ) {
        let lines = lines
            .iter()
            .map(|(id, parent, path)| format!("{id} {parent} 0:1 / /{path} rw - tmpfs t rw"));
        let lines = lines.collect::<Vec<_>>().join("\n");
        let table = table(&lines);
        for path in ["/", "/a", "/a/b", "/b/b/b"] {
            if let Some(mount) = table.at(Path::new(path)) {
                assert_eq!(mount.mount_point, Path::new(path));
            }
        }
    }

    #[test]
    fn unescaping_undoes_the_kernel_s_escapes(path in "[a-z \t\n\\\\]{0,20}") {
        let escaped: String = path
            .chars()
            .map(|c| match c {
                ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
                c => c.to_string(),
            })
            .collect();
        assert_eq!(unescape(escaped.as_bytes()), path.as_str());
    }
}

/// No kernel writes such a table, but whatever is read, an answer is above the path.
#[test]
fn ids_that_occur_twice_do_not_lead_astray() {
    let table = table(
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
         42 27 0:39 / /other rw - tmpfs tmpfs rw\n\
         42 27 0:40 / /stage rw - tmpfs tmpfs rw\n",
    );
    let found = table.containing(Path::new("/stage/file")).unwrap();
    assert_eq!(found.mount_point, Path::new("/stage"));
}

#[test]
fn a_directory_that_the_kernel_has_lost_from_sight_is_the_same() {
    let staged = |root: &str| format!("42 27 0:39 {root} /stage rw - fuse.ceph-fuse ceph-fuse rw");
    let target = |root: &str| format!("43 27 0:38 {root} /target rw - fuse.ceph-fuse ceph-fuse rw");
    for (root, other, shown) in [
        ("/", "/sub", "/stage/sub"),
        ("/", "/sub//deleted", "/stage/sub"),
        ("/.snap/s/data", "/.snap/s/data//deleted", "/stage"),
        ("/.snap/s/data//deleted", "/.snap/s/data", "/stage"),
        (
            "/.snap/s/data//deleted",
            "/.snap/s/data/sub//deleted",
            "/stage/sub",
        ),
    ] {
        let table = table(&format!("{}\n{}\n", staged(root), target(other)));
        let [staged, target] = table.mounts() else {
            panic!("{table:?}")
        };
        assert_eq!(
            staged.counterpart(target),
            Some(shown.into()),
            "{root} {other}"
        );
    }
}
