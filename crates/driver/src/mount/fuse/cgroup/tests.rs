use super::*;

/// Directories that look like a mounted hierarchy; files appear in them as they are written.
struct Machine {
    directory: tempfile::TempDir,
    membership: String,
}

impl Machine {
    fn new(membership: &str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            membership: membership.to_owned(),
        }
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn cgroups(&self, parent: Option<&str>, memory: Option<u64>) -> Cgroups {
        self.file("membership", &self.membership);
        let settings = CgroupSettings {
            parent: parent.map(PathBuf::from),
            memory,
        };
        let root = self.directory.path();
        Cgroups::at(settings, root.join("membership"), root.join("cgroup"))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.directory.path().join(path)).unwrap()
    }

    /// What `made` is below the directory of cgroups, without the names that are new each time.
    fn parents(&self, made: &[PathBuf]) -> Vec<String> {
        let root = self.directory.path().join("cgroup");
        let parents = made.iter().map(|path| {
            let parent = path.parent().unwrap().strip_prefix(&root).unwrap();
            parent.display().to_string()
        });
        parents.collect()
    }
}

#[test]
fn a_daemon_gets_a_cgroup_of_its_own_in_version_2() {
    let machine = Machine::new("0::/kubepods/pod1/c1\n");
    machine.file("cgroup/cgroup.procs", "1\n");
    machine.file("cgroup/cgroup.controllers", "cpu memory pids\n");
    let made = machine.cgroups(Some("spirula"), None).make();
    assert_eq!(machine.parents(&made), ["spirula"]);
    let cgroups = machine.cgroups(Some("spirula"), Some(1 << 20));
    let limited = cgroups.make();
    assert_ne!(made, limited);
    assert_eq!(
        fs::read_to_string(limited[0].join("memory.max")).unwrap(),
        "1048576"
    );
    for file in ["cgroup", "cgroup/spirula"] {
        let enabled = machine.read(&format!("{file}/cgroup.subtree_control"));
        assert_eq!(enabled, "+memory");
    }
    // The limited one has a file, and so cannot be removed, as one with processes could not.
    let is_there = |path: &PathBuf| path.try_exists().unwrap();
    cgroups.sweep(Duration::from_hours(1));
    assert!(is_there(&made[0]), "it may be entered yet");
    cgroups.sweep(Duration::ZERO);
    assert!(!is_there(&made[0]) && is_there(&limited[0]));
}

#[test]
fn each_hierarchy_of_version_1_that_confines_the_driver_has_one() {
    let membership = "9:name=systemd:/pod\n5:cpuset:/pod\n4:memory:/pod\n3:pids:/\n2:freezer:/pod\n\
                      0::/pod\n";
    let machine = Machine::new(membership);
    let own = std::process::id().to_string();
    for (name, members) in [
        ("systemd", "1\n"),
        ("cpuset", "1\n"),
        ("memory", "1\n"),
        ("pids", own.as_str()),
        ("unified", own.as_str()),
    ] {
        machine.file(&format!("cgroup/{name}/cgroup.procs"), members);
        machine.file(&format!("cgroup/{name}/release_agent"), "");
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        machine.file(&format!("cgroup/cpuset/{file}"), "0-3\n");
        machine.file(&format!("cgroup/cpuset/spirula/{file}"), "\n");
    }
    let cgroups = machine.cgroups(Some("spirula"), Some(4096));
    let made = cgroups.make();
    // The kernel makes the files of a cpuset, which these directories do not have.
    assert_eq!(
        machine.parents(&made),
        ["systemd/spirula", "memory/spirula"]
    );
    let limit = fs::read_to_string(made[1].join("memory.limit_in_bytes")).unwrap();
    assert_eq!(limit, "4096");
    assert_eq!(machine.read("cgroup/cpuset/spirula/cpuset.cpus"), "0-3\n");
    assert!(cgroups.complained.load(Ordering::Relaxed));
}

#[test]
fn the_container_s_own_cgroup_is_no_way_out() {
    for (membership, file) in [
        ("0::/\n", "cgroup/cgroup.type"),
        ("3:pids:/\n", "cgroup/pids/cgroup.procs"),
    ] {
        let machine = Machine::new(membership);
        machine.file("cgroup/cgroup.procs", "1\n");
        machine.file(file, "");
        let cgroups = machine.cgroups(Some("spirula"), None);
        assert_eq!(cgroups.make(), [] as [PathBuf; 0], "{membership}");
        assert!(cgroups.complained.load(Ordering::Relaxed), "{membership}");
    }
}

#[test]
fn nothing_is_made_where_none_are_wanted() {
    let machine = Machine::new("0::/pod\n");
    machine.file("cgroup/cgroup.procs", "1\n");
    let cgroups = machine.cgroups(None, Some(1));
    assert!(cgroups.make().is_empty() && !cgroups.complained.load(Ordering::Relaxed));
}
