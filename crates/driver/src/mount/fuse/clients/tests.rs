use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::*;
use crate::mount::MountTable;

/// The runtime's threads wait for the table, and that for this.
#[test]
fn what_is_known_can_be_used_while_a_client_is_looked_for() {
    static LOOKING: [Barrier; 2] = [const { Barrier::new(2) }; 2];
    let adopt = |_: &Path| {
        for barrier in &LOOKING {
            barrier.wait();
        }
        None
    };
    let clients = Arc::new(Clients {
        adopt,
        ..Clients::default()
    });
    let line = b"37 29 0:33 / /k rw,relatime shared:12 - fuse.ceph-fuse ceph-fuse rw\n";
    let mount = MountTable::parse(line).unwrap().mounts()[0].clone();
    let look = {
        let (clients, mount) = (Arc::clone(&clients), mount.clone());
        std::thread::spawn(move || clients.liveness(&mount))
    };
    LOOKING[0].wait();
    let (done, ended) = std::sync::mpsc::channel();
    let retain = {
        let clients = Arc::clone(&clients);
        std::thread::spawn(move || {
            clients.retain(&[]);
            done.send(()).unwrap();
        })
    };
    let ended = ended.recv_timeout(Duration::from_secs(30));
    LOOKING[1].wait();
    assert!(ended.is_ok(), "it waits for the look");
    retain.join().unwrap();
    assert_eq!(look.join().unwrap(), Liveness::Unknown);
}
