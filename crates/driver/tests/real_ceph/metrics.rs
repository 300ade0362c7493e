//! The driver's own metrics, with what Ceph really answers, and while the manager does not.

use std::time::{Duration, Instant};

use tonic::Request;

use crate::driver::Driver;
use crate::lab::Lab;
use crate::prometheus::{address, scrape};

#[test]
#[ignore = "needs a Ceph cluster: dev/test listing"]
fn metrics_tell_what_ceph_was_asked_and_what_is_waited_for() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &["--metrics-listen=127.0.0.1:0"]);
    let address = address(|| driver.log());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = driver.controller().await;
        let volume = lab.volume(&mut client, "pvc-0").await.volume_id;
        client.delete_volume(lab.delete(&volume)).await.unwrap();
        let seen = scrape(&address);
        let create = [("daemon", "mgr"), ("command", "fs subvolume create")];
        let good = [&create[..], &[("outcome", "OK")]].concat();
        assert_eq!(seen.sum("spirula_ceph_calls_total", &good), Some(1.0));
        let count = "spirula_ceph_call_duration_seconds_count";
        assert_eq!(seen.sum(count, &create), Some(1.0));
        for (daemon, command) in [
            ("mgr", "fs subvolume rm"),
            ("mon", "connect"),
            ("osd", "omap write"),
        ] {
            let labels = [("daemon", daemon), ("command", command), ("outcome", "OK")];
            let calls = seen.sum("spirula_ceph_calls_total", &labels);
            assert!(calls.unwrap() >= 1.0, "{command}: {seen:?}");
        }
        for method in ["CreateVolume", "DeleteVolume"] {
            let labels = [("method", method), ("code", "OK")];
            assert_eq!(seen.sum("spirula_rpc_handled_total", &labels), Some(1.0));
        }

        lab.signal("mgr.x", "STOP");
        let creation = tokio::spawn({
            let (mut client, request) = (client.clone(), lab.create("pvc-1", 1));
            async move {
                let mut request = Request::new(request);
                request.set_timeout(Duration::from_mins(1));
                client.create_volume(request).await
            }
        });
        let waiting = [("method", "CreateVolume"), ("step", "fs subvolume create")];
        let started = Instant::now();
        while scrape(&address).sum("spirula_rpc_in_flight", &waiting) != Some(1.0) {
            assert!(started.elapsed() < Duration::from_secs(50));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lab.signal("mgr.x", "CONT");
        let made = creation.await.unwrap().unwrap().into_inner();
        let volume = made.volume.unwrap().volume_id;
        client.delete_volume(lab.delete(&volume)).await.unwrap();
        assert_eq!(scrape(&address).sum("spirula_rpc_in_flight", &[]), None);
    });
    driver.terminate();
    lab.expect_empty("after everything was deleted");
}
