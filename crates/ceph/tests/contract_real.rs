//! The contract suite on a real cluster, twice: as the user with the rights that the driver asks for, and
//! as `client.admin`, who may take locks too. `dev/ceph env` prints the environment variables that name
//! them; those used here are in [`Account`] and [`subject`].
//!
//! The cases use names of their own, remove what they made, and may run beside other users of the cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use ceph::rados::{Connector, Settings};
use ceph::suite::{Files, Locks, Quiescing, Subject};
use ceph::{Cluster, Connect as _, Connection, Context, Identity};

/// A cephx user to test as.
#[derive(Clone, Debug)]
struct Account {
    user: String,
    keyfile: String,
    locks: Locks,
}

impl Account {
    fn documented() -> anyhow::Result<Self> {
        Ok(Self {
            user: setting("SPIRULA_TEST_USER")?,
            keyfile: setting("SPIRULA_TEST_KEYFILE")?,
            locks: Locks::Denied,
        })
    }

    fn admin() -> anyhow::Result<Self> {
        Ok(Self {
            user: "admin".to_owned(),
            keyfile: setting("SPIRULA_TEST_ADMIN_KEYFILE")?,
            locks: Locks::Allowed,
        })
    }

    async fn connect(&self) -> anyhow::Result<Arc<dyn Cluster>> {
        let identity = Identity {
            monitors: setting("SPIRULA_TEST_MONITORS")?,
            user: self.user.clone(),
            key: std::fs::read_to_string(&self.keyfile)?.trim().into(),
        };
        let cx = Context::with_timeout(Duration::from_mins(1));
        let connector = Connector::new(Settings::default());
        Ok(connector.connect(&cx, &identity).await?)
    }
}

async fn subject(account: Account, case: &str) -> anyhow::Result<Subject> {
    let cluster = account.connect().await?;
    let cx = Context::with_timeout(Duration::from_mins(1));
    let connection = Connection::new(Arc::clone(&cluster));
    let name = setting("SPIRULA_TEST_FS")?;
    let started = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
    Ok(Subject {
        fs: connection.filesystem(&cx, &name).await?,
        cluster,
        other: account.connect().await?,
        group: setting("SPIRULA_TEST_GROUP")?,
        unique: format!("{case}-{}-{started}", account.user),
        locks: account.locks,
        quiescing: match setting("SPIRULA_TEST_CEPH_RELEASE")?.parse::<u32>()? {
            ..19 => Quiescing::Unknown,
            _ => Quiescing::Known,
        },
        files: Arc::new(Fuse(account)),
    })
}

mod as_documented_user {
    use super::{Account, Subject};

    async fn subject(case: &str) -> anyhow::Result<Subject> {
        super::subject(Account::documented()?, case).await
    }

    ceph::contract_tests!(
        #[ignore = "needs a Ceph cluster: dev/test contract"]
        subject
    );
}

mod as_admin {
    use super::{Account, Subject};

    async fn subject(case: &str) -> anyhow::Result<Subject> {
        super::subject(Account::admin()?, case).await
    }

    ceph::contract_tests!(
        #[ignore = "needs a Ceph cluster: dev/test contract"]
        subject
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own"
)]
fn setting(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; `dev/ceph env` prints it"))
}

/// Writes files through ceph-fuse, which needs root and `/dev/fuse`.
#[derive(Debug)]
struct Fuse(Account);

#[async_trait]
impl Files for Fuse {
    async fn write(&self, path: &str, bytes: u64) -> anyhow::Result<()> {
        let (account, path) = (self.0.clone(), path.to_owned());
        let write = move |directory: &Path| {
            let content = vec![1; usize::try_from(bytes)?];
            Ok(std::fs::write(directory.join("data"), content)?)
        };
        tokio::task::spawn_blocking(move || mounted(&account, &path, write)).await?
    }

    async fn write_many(&self, path: &str, files: u32) -> anyhow::Result<()> {
        let (account, path) = (self.0.clone(), path.to_owned());
        let write = move |directory: &Path| {
            for n in 0..files {
                std::fs::write(directory.join(format!("file{n}")), [1; 4096])?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(move || mounted(&account, &path, write)).await?
    }
}

/// Runs `write` in the directory `path`.
fn mounted(
    account: &Account,
    path: &str,
    write: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mount = tempfile::tempdir()?;
    let monitors = setting("SPIRULA_TEST_MONITORS")?;
    let user = format!("client.{}", account.user);
    let keyfile = format!("--keyfile={}", account.keyfile);
    let fs = format!("--client_mds_namespace={}", setting("SPIRULA_TEST_FS")?);
    let target = mount.path();
    let arguments = [
        "-f",
        "-c",
        "/dev/null",
        "-m",
        &monitors,
        "-n",
        &user,
        "-r",
        path,
        "--admin_socket=",
        "--log_file=",
    ];
    let mut client = program("ceph-fuse", target);
    let mut client = client.args(arguments).args([&keyfile, &fs]).spawn()?;
    let mounted = || {
        ensure!(client.try_wait()?.is_none(), "ceph-fuse could not mount");
        let table = std::fs::read_to_string("/proc/self/mounts")?;
        let mut places = table.lines().filter_map(|line| line.split(' ').nth(1));
        Ok(places.any(|place| Path::new(place) == target))
    };
    wait_for("the mount", mounted)?;
    let written = write(target);
    // It can be busy for a moment after its last use.
    wait_for("the unmount", || {
        Ok(program("umount", target).status()?.success())
    })?;
    // Until then not all that was written need be in the cluster.
    wait_for("the end of ceph-fuse", || Ok(client.try_wait()?.is_some()))?;
    written
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so()? {
        ensure!(
            began.elapsed() < Duration::from_mins(2),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver's own way to run programs is not in this crate"
)]
fn program(name: &str, target: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(name);
    let quiet = || std::process::Stdio::null();
    command
        .arg(target)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet());
    command
}
