//! What needs no privileges; mounting itself is tried in `tests/node_fuse.rs`.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::probe::Probe;
use super::*;

fn linux() -> (Linux, Context, tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let cx = Context::with_timeout(Duration::from_secs(10));
    (Linux::new(Vec::new()), cx, directory, path)
}

#[tokio::test]
async fn directories_are_made_with_their_parents_and_for_the_group() {
    let (linux, cx, _directory, path) = linux();
    symlink(&path, path.join("link")).unwrap();
    let target = path.join("link/pods/a/mount");
    for _ in 0..2 {
        let made = linux.create_dir(&cx, &target).await.unwrap();
        assert_eq!(made, path.join("pods/a/mount"));
    }
    let mode = std::fs::metadata(path.join("pods/a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, DIRECTORY_MODE);
    let place = linux.locate(&cx, &target).await.unwrap().unwrap();
    assert_eq!(place.there, There::Directory);
}

#[tokio::test]
async fn what_is_no_directory_is_refused() {
    let (linux, cx, _directory, path) = linux();
    std::fs::write(path.join("file"), "").unwrap();
    symlink(&path, path.join("link")).unwrap();
    for name in ["file", "link", "file/below"] {
        let made = linux.create_dir(&cx, &path.join(name)).await;
        assert!(
            matches!(made, Err(Error::NoDirectory { .. })),
            "{name}: {made:?}"
        );
    }
    for (name, there) in [
        ("file", There::Other),
        ("link", There::Other),
        ("absent", There::Nothing),
        ("file/below", There::Nothing),
    ] {
        let place = linux.locate(&cx, &path.join(name)).await.unwrap().unwrap();
        assert_eq!(place.there, there, "{name}");
    }
}

#[tokio::test]
async fn only_empty_directories_are_removed() {
    let (linux, cx, _directory, path) = linux();
    std::fs::create_dir_all(path.join("a/b")).unwrap();
    let removed = linux.remove_dir(&cx, &path.join("a")).await;
    assert!(
        matches!(removed, Err(Error::NotEmpty { .. })),
        "{removed:?}"
    );
    for _ in 0..2 {
        linux.remove_dir(&cx, &path.join("a/b")).await.unwrap();
    }
    linux.remove_dir(&cx, &path.join("a")).await.unwrap();
    std::fs::write(path.join("file"), "").unwrap();
    let removed = linux.remove_dir(&cx, &path.join("file")).await;
    assert!(matches!(removed, Err(Error::Call { .. })), "{removed:?}");
}

#[tokio::test]
async fn a_path_is_located_in_the_kernel_s_table() {
    let (linux, cx, _directory, path) = linux();
    let place = linux
        .locate(&cx, Path::new("/proc"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(place.mount().unwrap().fs_type, "proc");
    let place = linux
        .locate(&cx, &path.join("mount"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(place.mount(), None);
    assert_eq!(
        linux.locate(&cx, &path.join("absent/mount")).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn nothing_mounted_is_nothing_to_unmount() {
    let (linux, cx, _directory, path) = linux();
    let unmounted = linux.unmount(&cx, &path, Users::Nobody).await.unwrap();
    assert_eq!(unmounted, Unmounted::Nothing);
}

#[tokio::test]
async fn a_link_is_no_target() {
    let (linux, cx, _directory, path) = linux();
    symlink(&path, path.join("link")).unwrap();
    let bound = linux
        .bind(&cx, &path, &path.join("link"), None)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&bound).unwrap().to_string();
    assert_eq!(source, "it is a symbolic link");
}

#[tokio::test]
async fn a_node_without_clients_says_so() {
    let (linux, cx, ..) = linux();
    let error = linux.check(&cx).await.unwrap_err();
    assert!(matches!(error, Error::NoMounter { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_is_started_after_the_deadline() {
    let (linux, _, _directory, path) = linux();
    let cx = Context::with_timeout(Duration::ZERO);
    let made = linux.create_dir(&cx, &path.join("late")).await;
    assert!(matches!(made, Err(Error::Hangs { .. })), "{made:?}");
    assert!(!path.join("late").try_exists().unwrap());
}

/// A client that asks a mount who serves it, and gets no answer.
#[derive(Debug)]
struct Silent(Probe<()>);

#[async_trait]
impl Mounter for Silent {
    fn kind(&self) -> MounterKind {
        MounterKind::Kernel
    }

    async fn lacks(&self) -> Option<String> {
        None
    }

    fn ask_among(&mut self, open: &OpenQuestions) {
        self.0.join(open);
    }

    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        self.0.ask(cx, at).await?;
        Ok(Liveness::Alive)
    }

    async fn mount(&self, _: &Context, _: &CephFs, _: &Path) -> Result<MountTable, Error> {
        Ok(MountTable::default())
    }
}

#[tokio::test]
async fn a_mount_whose_client_is_being_looked_for_is_asked_nothing_else() {
    let silent = Silent(Probe::new("ask", |_| {
        loop {
            std::thread::park();
        }
    }));
    let linux = Linux::new(vec![Box::new(silent)]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let line = format!("37 29 0:33 / {} rw - ceph m:/v rw,name=u\n", path.display());
    let table = MountTable::parse(line.as_bytes()).unwrap();
    let mount = table.at(&path).unwrap();
    let cx = || Context::with_timeout(Duration::from_secs(30));
    let soon = || Context::with_timeout(Duration::from_millis(200));
    linux.liveness(&soon(), mount).await.unwrap_err();

    let hangs = |error| matches!(error, Error::Hangs { call: "ask", .. });
    assert!(hangs(linux.usage(&soon(), mount).await.unwrap_err()));
    assert!(hangs(linux.probe(&soon(), mount).await.unwrap_err()));
    let liveness = linux.liveness(&soon(), mount).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
    // What hangs in it counts once it is detached, by whomever.
    assert!(!linux.questions.sleep_in(&mount.device, &table));
    let line = line.replace("37 29 0:33", "38 29 0:34");
    let table = MountTable::parse(line.as_bytes()).unwrap();
    assert!(linux.questions.sleep_in(&mount.device, &table));
    let other = table.at(&path).unwrap();
    assert!(!linux.questions.sleep_in(&other.device, &table));
    // The one that is there now is asked.
    linux.usage(&cx(), other).await.unwrap();
    linux.probe(&cx(), other).await.unwrap();
}
