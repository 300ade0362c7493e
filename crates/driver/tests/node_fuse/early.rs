//! A refusal that ceph-fuse does not tell of.

use std::time::{Duration, Instant};

use tonic::Code;

use super::lab::{DEADLINE, Lab, runtime, setting};
use super::refused::OTHER_KEY;

/// Half of the time after which ceph-fuse gives up by itself.
const EARLY: Duration = DEADLINE.checked_div(8).unwrap().saturating_mul(3);

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
#[expect(clippy::print_stdout, reason = "the figure is what this is for")]
fn a_wrong_key_is_heard_of_long_before_the_deadline() {
    runtime().block_on(async {
        let lab = Lab::new("early");
        // By messenger v1 monitors of 20 are mostly silent to a wrong key: they close before they have refused it.
        if setting("SPIRULA_TEST_CEPH_RELEASE") == "20" {
            lab.list_monitors(&format!("v2:{}", setting("SPIRULA_TEST_MONITORS_V2")));
        }
        let mut request = lab.stage_request();
        let key = OTHER_KEY.to_owned();
        request.secrets.insert("userKey".to_owned(), key);
        let start = Instant::now();
        let status = lab.stage_with(request).await.unwrap_err();
        let heard = start.elapsed();
        println!("a wrong key was heard of after {heard:.1?}");
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        assert!(
            status.message().contains("compare user and key"),
            "{status}"
        );
        assert!(heard < EARLY, "{heard:?}");
        lab.assert_clean().await;
    });
}
