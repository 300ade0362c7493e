use proptest::prelude::*;

use super::*;

const KEY: &str = "AQBSdFhmAAAAABAA6mZ8mRB5XJXmDsLy2oFpfw==";
const OTHER_KEY: &str = "AQCaaaaaAAAAABAA6mZ8mRB5XJXmDsLy2oFpfw==";
const AES256_KEY: &str = "AgBSdFhmAAAAACAA6mZ8mRB5XJXmDsLy2oFpfyS0M6ZuC6B5n2Y1Jh3m4Q0=";

fn secrets(fields: &[(&str, &str)]) -> Secrets {
    let fields = fields.iter();
    fields
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(fields: &[(&str, &str)]) -> Result<(String, String), String> {
    Credentials::from_secrets(&secrets(fields))
        .map(|found| (found.id, found.key.expose_secret().to_owned()))
        .map_err(|error| error.to_string())
}

#[test]
fn which_pair_counts() {
    let user = [("userID", "u"), ("userKey", KEY)];
    let admin = [("adminID", "a"), ("adminKey", OTHER_KEY)];
    let both = [user, admin].concat();
    for (fields, id, key) in [
        (&user[..], "u", KEY),
        (&admin[..], "a", OTHER_KEY),
        (&both[..], "u", KEY),
        (&[both[0], both[2], both[3]][..], "a", OTHER_KEY),
        (&[both[1], both[2], both[3]][..], "a", OTHER_KEY),
        (&[both[0], both[1], both[3]][..], "u", KEY),
    ] {
        assert_eq!(
            read(fields),
            Ok((id.to_owned(), key.to_owned())),
            "{fields:?}"
        );
    }
}

#[test]
fn the_deprecated_pair_is_told_in_the_log() {
    use crate::logging::{Format, tests as log};
    let settings = log::settings(0, Format::Klog);
    let lines = |fields: &[(&str, &str)]| log::lines(&settings, || drop(read(fields)));
    let found = lines(&[("adminID", "a"), ("adminKey", KEY)]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        log::message(&found[0]),
        "the secret has no complete pair userID and userKey: using the deprecated adminID and adminKey"
    );
    assert!(lines(&[("userID", "u"), ("userKey", KEY)]).is_empty());

    let admin = [("adminID", "a"), ("adminKey", OTHER_KEY)];
    let found = lines(
        &[
            &[("userID", "<plaintext ID>"), ("userKey", KEY)][..],
            &admin,
        ]
        .concat(),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        log::message(&found[0]),
        "the secret has no complete pair userID and userKey: using the deprecated adminID and adminKey"
    );
    assert!(found[0].starts_with('W'), "{}", found[0]);
    assert!(lines(&[&[("userID", "u"), ("userKey", KEY)][..], &admin].concat()).is_empty());
}

#[test]
fn placeholders_of_users_give_way_to_a_good_pair() {
    let admin = [("adminID", "a"), ("adminKey", OTHER_KEY)];
    let placeholders = (
        "<plaintext ID>",
        "<Ceph auth key corresponding to userID above>",
    );
    for (id, key) in [placeholders, ("u", placeholders.1), (placeholders.0, KEY)] {
        let user = [("userID", id), ("userKey", key)];
        assert_eq!(
            read(&[user, admin].concat()),
            Ok(("a".to_owned(), OTHER_KEY.to_owned())),
            "{id}, {key}"
        );
    }
    // Nobody asked for another user where a key is mistyped.
    let user = [("userID", "u"), ("userKey", "short")];
    let message = read(&[user, admin].concat()).unwrap_err();
    assert!(message.starts_with("field 'userKey'"), "{message}");
}

#[test]
fn missing_fields_are_named() {
    for (fields, message) in [
        (
            &[][..],
            "provided secret is empty; the StorageClass or PersistentVolume must name a Secret \
                   with `userID` and `userKey`",
        ),
        (
            &[("other", "x")][..],
            "missing ID field 'userID' in secrets",
        ),
        (
            &[("userID", "u")][..],
            "missing key field 'userKey' in secrets",
        ),
        (
            &[("userID", "u"), ("userKey", " \n")][..],
            "missing key field 'userKey' in secrets",
        ),
        (
            &[("userKey", KEY)][..],
            "missing ID field 'userID' in secrets",
        ),
        (
            &[("adminID", "a")][..],
            "missing key field 'adminKey' in secrets",
        ),
        (
            &[("adminKey", KEY)][..],
            "missing ID field 'adminID' in secrets",
        ),
        (
            &[("adminID", "a"), ("userID", "u")][..],
            "missing key field 'userKey' in secrets",
        ),
        (
            &[("userid", "u"), ("userKey", KEY)][..],
            "missing ID field 'userID' in secrets; it has 'userid'",
        ),
        (
            &[("userID", "u"), ("userkey\n", KEY)][..],
            "missing key field 'userKey' in secrets; it has 'userkey\\n'",
        ),
    ] {
        assert_eq!(read(fields), Err(message.to_owned()), "{fields:?}");
    }
}

#[test]
fn users_are_read_with_and_without_their_type() {
    for (id, expected) in [
        ("csi", Ok("csi")),
        ("client.csi-cephfs_node.1", Ok("csi-cephfs_node.1")),
        (" client.csi\n", Ok("csi")),
        ("client.client.x", Ok("client.x")),
        ("client.", Err("nothing follows `client.`")),
        (
            "a,secret=b",
            Err("it has a comma, white space or a character outside of ASCII"),
        ),
        (
            "a b",
            Err("it has a comma, white space or a character outside of ASCII"),
        ),
        (
            "ä",
            Err("it has a comma, white space or a character outside of ASCII"),
        ),
    ] {
        let expected = expected
            .map(|id| (id.to_owned(), KEY.to_owned()))
            .map_err(|reason| {
                format!("field 'userID' in secrets is not a cephx user name: {reason}")
            });
        assert_eq!(read(&[("userID", id), ("userKey", KEY)]), expected, "{id}");
    }
}

#[test]
fn keys_are_checked_and_never_shown() {
    let twice = "QVFCU2RGaG1BQUFBQUJBQTZtWjhtUkI1WEpYbURzTHkyb0ZwZnc9PQ==";
    for (key, reason) in [
        (
            "hunter2",
            Some("it is not complete base64, a part was cut off"),
        ),
        (
            "hunter2!",
            Some("it has characters that base64 does not have"),
        ),
        ("hunter2=", Some("it is too short")),
        (
            &KEY[..38],
            Some("it is not complete base64, a part was cut off"),
        ),
        ("AQB=", Some("it is too short")),
        (
            "A===",
            Some("it is not complete base64, a part was cut off"),
        ),
        (
            twice,
            Some(
                "it is encoded in base64 twice; write it to `stringData`, or encode it once in `data`",
            ),
        ),
        (KEY, None),
        (AES256_KEY, None),
    ] {
        let found = read(&[("adminID", "a"), ("adminKey", &format!("\n{key} \n"))]);
        match reason {
            None => assert_eq!(found, Ok(("a".to_owned(), key.to_owned()))),
            Some(reason) => {
                let message = found.unwrap_err();
                assert!(message.contains(reason), "{message}");
                assert!(
                    message.contains("'adminKey'") && !message.contains(key),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn debug_hides_the_key() {
    let found = Credentials::from_secrets(&secrets(&[("userID", "u"), ("userKey", KEY)])).unwrap();
    assert_eq!(
        format!("{found:?}"),
        r#"Credentials { id: "u", key: "***" }"#
    );
    assert!(!format!("{found:#?}").contains(KEY));
}

#[test]
fn monitors_of_old_static_volumes() {
    assert_eq!(monitors(&secrets(&[("monitors", " a,b\n")])), Some("a,b"));
    assert_eq!(monitors(&secrets(&[("monitors", "")])), None);
    assert_eq!(monitors(&secrets(&[])), None);
}

proptest! {
    #[test]
    fn no_secret_value_reaches_an_error(id in ".{0,12}", key in "[!-~]{8,60}") {
        let fields = [("userID", id.as_str()), ("userKey", key.as_str())];
        if let Err(message) = read(&fields) {
            prop_assert!(!message.contains(&key), "{}", message);
        }
    }
}
