//! Events, until they are at the API.

use jiff::Timestamp;

use super::*;
use crate::events::{About, Events, Reason};

/// Answers every question: a volume, its claim, and an Event that was made.
const ANY: &str = r#"{"metadata":{"namespace":"shop","name":"data","uid":"u-1"},
    "spec":{"claimRef":{"kind":"PersistentVolumeClaim","namespace":"shop","name":"data","uid":"u-1"}}}"#;

/// Waits until the API has got this many requests.
async fn requests(on: &Fixture, count: usize) -> Vec<String> {
    for _ in 0..3000 {
        let requests = on.requests();
        if requests.len() >= count {
            return requests;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", on.requests());
}

fn event(request: &str) -> serde_json::Value {
    let start = "POST /api/v1/namespaces/shop/events HTTP/1.1\r\n";
    assert!(request.starts_with(start), "{request}");
    assert!(
        request.contains("content-type: application/json\r\n"),
        "{request}"
    );
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_claim_gets_each_event_once_in_a_while() {
    let on = Fixture::new("127.0.0.1").await;
    on.answer(201, ANY);
    let events = Events::start(on.api(), "cephfs.csi.ceph.com", "node-1");
    let volume = About::Volume("pvc-1".to_owned());
    for _ in 0..3 {
        events.tell(volume.clone(), Reason::MounterFallback, "it is another one");
    }
    let (namespace, name) = ("shop".to_owned(), "data".to_owned());
    let claim = About::Claim { namespace, name };
    events.tell(claim, Reason::SlowClone, "x".repeat(3000));
    let requests = requests(&on, 4).await;
    let starts = "GET /api/v1/persistentvolumes/pvc-1 HTTP/1.1\r\n";
    assert!(requests[0].starts_with(starts), "{requests:?}");
    let mut first = event(&requests[1]);
    let at = first["firstTimestamp"].take();
    let at: Timestamp = at.as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(at).as_secs() < 60);
    assert!(
        first["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("data.")
    );
    let about = serde_json::json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": "shop", "name": "data", "uid": "u-1",
    });
    assert_eq!(first["involvedObject"], about);
    assert_eq!(first["type"], "Warning");
    assert_eq!(first["reason"], "MounterFallback");
    assert_eq!(first["message"], "it is another one");
    assert_eq!(first["source"]["component"], "cephfs.csi.ceph.com");
    assert_eq!(first["source"]["host"], "node-1");

    let starts = "GET /api/v1/namespaces/shop/persistentvolumeclaims/data HTTP/1.1\r\n";
    assert!(requests[2].starts_with(starts), "{requests:?}");
    let second = event(&requests[3]);
    assert_eq!(
        (&second["type"], &second["reason"]),
        (&"Normal".into(), &"SlowClone".into())
    );
    assert_eq!(second["message"].as_str().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_snapshot_is_found_by_the_name_that_was_asked_for() {
    let on = Fixture::new("127.0.0.1").await;
    on.answer(
        200,
        r#"{"spec":{"volumeSnapshotRef":{"namespace":"shop","name":"before","uid":"u-2"}}}"#,
    );
    let events = Events::start(on.api(), "cephfs.csi.ceph.com", "node-1");
    assert_eq!(About::snapshot("by-hand"), None);
    let about = About::snapshot("snapshot-u-2").unwrap();
    events.tell(about, Reason::DeletionBlocked, "clones are pending");
    let requests = requests(&on, 2).await;
    let start =
        "GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/snapcontent-u-2 HTTP/1.1\r\n";
    assert!(requests[0].starts_with(start), "{requests:?}");
    let about = serde_json::json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "namespace": "shop", "name": "before", "uid": "u-2",
    });
    assert_eq!(event(&requests[1])["involvedObject"], about);
}

#[tokio::test]
async fn what_cannot_be_told_is_left_and_what_comes_after_is_told() {
    let on = Fixture::new("127.0.0.1").await;
    let events = Events::start(on.api(), "cephfs.csi.ceph.com", "node-1");
    let volume = |number: u32| About::Volume(format!("pvc-{number}"));
    on.answer(403, "{}");
    events.tell(volume(1), Reason::VolumeRecovered, "again");
    requests(&on, 1).await;
    // A volume without a claim.
    on.answer(200, r#"{"spec":{}}"#);
    events.tell(volume(2), Reason::VolumeRecovered, "again");
    requests(&on, 2).await;
    on.answer(200, ANY);
    events.tell(volume(3), Reason::VolumeRecovered, "again");
    let requests = requests(&on, 4).await;
    assert_eq!(event(&requests[3])["reason"], "VolumeRecovered");
}

#[tokio::test]
async fn the_role_that_is_missing_is_named() {
    let on = Fixture::new("127.0.0.1").await;
    on.answer(200, ANY);
    let about = on.api().claim(&cx(), "shop", "data").await.unwrap();
    let event = NewEvent {
        about,
        reason: "SlowClone".to_owned(),
        severity: "Normal".to_owned(),
        message: "x".to_owned(),
        at: Timestamp::now(),
        driver: "cephfs.csi.ceph.com",
        node: "node-1",
    };
    on.answer(403, "{}");
    let error = on.api().create_event(&cx(), &event).await.unwrap_err();
    let wanted = "the pod's service account may not create it (HTTP 403); give its role the verb `create` on this \
                  Event";
    assert_eq!(on.text(error), wanted);
}
