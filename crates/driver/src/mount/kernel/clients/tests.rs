use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::mount::MountTable;

const LINE: &str = "37 29 0:33 / /k rw,relatime shared:12 - ceph 192.0.2.1:6789:/v rw,name=u,acl\n";

fn mount(line: &str) -> Mount {
    let table = MountTable::parse(line.as_bytes()).unwrap();
    table.mounts().first().cloned().unwrap()
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(30))
}

fn write(directory: &Path, client: &str, status: &str) {
    let directory = directory.join(client);
    fs::create_dir_all(&directory).unwrap();
    let text = format!("instance: client.1 (3)192.0.2.9:0/1\n{status}\n");
    fs::write(directory.join("status"), text).unwrap();
    write_sessions(&directory, "mds.0 open\n");
}

fn write_sessions(directory: &Path, sessions: &str) {
    let text = format!("global_id 1\nname \"u\"\n{sessions}");
    fs::write(directory.join("mds_sessions"), text).unwrap();
}

#[tokio::test]
async fn a_client_without_a_session_is_asked_to_find_out_why() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let directory = tempfile::tempdir().unwrap();
    let clients = Clients::at(directory.path().to_owned(), |_| Ok("f.client1".to_owned()));
    write(directory.path(), "f.client1", "blocklisted: false");
    let mount = mount(LINE);
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert_eq!(liveness, Liveness::Alive);

    write_sessions(&directory.path().join("f.client1"), "");
    let ask = |_: &Path| {
        ASKED.store(true, Ordering::Relaxed);
        Err(Errno::ACCESS)
    };
    let clients = Clients {
        which: Probe::new("ask", ask),
        ..clients
    };
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert_eq!(liveness, Liveness::Alive);
    assert!(ASKED.load(Ordering::Relaxed));
    write(directory.path(), "f.client1", "blocklisted: true");
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert!(matches!(liveness, Liveness::Dead(_)), "{liveness:?}");
}

#[tokio::test]
async fn a_client_that_was_shut_out_is_dead_and_its_mount_is_not_asked() {
    let directory = tempfile::tempdir().unwrap();
    let clients = Clients::at(directory.path().to_owned(), |_| Ok("f.client1".to_owned()));
    write(directory.path(), "f.client1", "blocklisted: false");
    write(directory.path(), "f.client2", "blocklisted: true");
    let mount = mount(LINE);
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert_eq!(liveness, Liveness::Alive);

    let clients = Clients {
        which: Probe::new("ask", |_| panic!("asked again")),
        ..clients
    };
    write(directory.path(), "f.client1", "blocklisted: true");
    let Liveness::Dead(why) = clients.liveness(&cx(), &mount).await.unwrap() else {
        panic!("alive")
    };
    assert!(why.contains("client1"), "{why}");
    clients.retain(&[]);
    assert!(clients.lock().is_empty());
}

#[tokio::test]
async fn a_mount_that_fails_is_dead_only_if_a_client_is_left_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let clients = Clients::at(directory.path().to_owned(), |_| Err(Errno::ACCESS));
    write(directory.path(), "f.client1", "blocklisted: true");
    let others = (1, "0:1".to_owned());
    clients.lock().insert(others, Some("f.client1".to_owned()));
    let mount = mount(LINE);
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
    write(directory.path(), "f.client2", "blacklisted: true");
    let liveness = clients.liveness(&cx(), &mount).await.unwrap();
    assert!(matches!(liveness, Liveness::Dead(_)), "{liveness:?}");
}

#[tokio::test]
async fn a_kernel_that_does_not_tell_is_asked_once() {
    let directory = tempfile::tempdir().unwrap();
    let clients = Clients::at(directory.path().to_owned(), |_| Err(Errno::NODATA));
    write(directory.path(), "f.client1", "blocklisted: true");
    let liveness = clients.liveness(&cx(), &mount(LINE)).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
    let clients = Clients {
        which: Probe::new("ask", |_| panic!("asked again")),
        ..clients
    };
    let liveness = clients.liveness(&cx(), &mount(LINE)).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
}

#[tokio::test]
async fn a_mount_that_could_not_be_asked_once_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "f.client1", "blocklisted: true");
    let mut clients = Clients::at(directory.path().to_owned(), |_| Err(Errno::AGAIN));
    let liveness = clients.liveness(&cx(), &mount(LINE)).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
    clients.which = Probe::new("ask", |_| Ok("f.client1".to_owned()));
    let liveness = clients.liveness(&cx(), &mount(LINE)).await.unwrap();
    assert!(matches!(liveness, Liveness::Dead(_)), "{liveness:?}");
}

#[tokio::test]
async fn nothing_is_known_without_debugfs_and_of_who_comes_back() {
    let absent = Clients::at("/absent".into(), |_| Ok("f.client1".to_owned()));
    let liveness = absent.liveness(&cx(), &mount(LINE)).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);

    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "f.client1", "blocklisted: true");
    let clients = Clients::at(directory.path().to_owned(), |_| Ok("f.client1".to_owned()));
    let line = LINE.replace("acl", "recover_session=clean,acl");
    let liveness = clients.liveness(&cx(), &mount(&line)).await.unwrap();
    assert_eq!(liveness, Liveness::Unknown);
}
