use secrecy::ExposeSecret;

use super::*;
use crate::mount::Access;

const VOLUME: &str = "0001-0003-lab-0000000000000001-a0a0a0a0-b1b1-c2c2-d3d3-e4e4e4e4e4e4";
/// As the original writes it, the capability being text inside of the text.
const RECORD: &str = r#"{"VolumeCapabilityProtoJSON":"{\"mount\":{\"fsType\":\"ceph\",\"mountFlags\":[\"debug\"]},\"accessMode\":{\"mode\":\"MULTI_NODE_READER_ONLY\"}}","Secrets":{"userID":"node","userKey":"AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA=="}}"#;

#[test]
fn a_record_of_the_original_is_understood() {
    let request = parse(VOLUME, RECORD.as_bytes(), "/staging".into()).unwrap();
    assert_eq!(request.capability.access, Access::ReadOnly);
    assert_eq!(request.capability.mount_flags, ["debug"]);
    assert_eq!(request.credentials.id, "node");
    assert!(request.credentials.key.expose_secret().starts_with("AQAA"));
    assert!(matches!(
        request.source,
        Source::Dynamic { place: None, .. }
    ));
}

#[test]
fn what_is_malformed_is_not_shown() {
    let cut = RECORD.split_once("FsKx").unwrap().0;
    let error = parse(VOLUME, cut.as_bytes(), "/staging".into()).unwrap_err();
    assert!(error.to_string().contains("is malformed"), "{error}");
    assert!(!error.to_string().contains("AQAA7wNr"), "{error}");
}

#[test]
fn a_file_is_never_outside_of_its_directory() {
    let directory = Path::new("/csi/mountinfo");
    let expected = Some("/csi/mountinfo/nodestage-v.json".into());
    assert_eq!(file(directory, "v"), expected);
    assert_eq!(file(directory, "../../etc/v"), None);
}
