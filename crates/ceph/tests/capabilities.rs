//! Capabilities that a user is granted count within seconds for a process that is connected already.
//!
//! `dev/ceph env` prints the environment variables that say where the cluster is.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ceph::rados::{Connector, Settings};
use ceph::{Command, Connect as _, Context, Error, ErrorKind, Identity};
use ceph::{Object, Pool, WriteOp, WriteStep};
use futures::future::join_all;
use serde_json::json;

const LONG: Duration = Duration::from_mins(2);

/// What a user has.
#[derive(Clone, Copy)]
struct Caps {
    mon: &'static str,
    mgr: &'static str,
    osd: &'static str,
}

/// All that is asked for here.
const ALL: Caps = Caps {
    mon: "allow r",
    mgr: "allow rw",
    osd: "allow rw tag cephfs *=*",
};

/// A user who lacks something, and what that is answered with.
const LACKING: [(&str, Caps, ErrorKind); 3] = [
    (
        "mon",
        Caps {
            mon: "allow r fsname=no-such-fs",
            ..ALL
        },
        ErrorKind::NotFound,
    ),
    (
        "mgr",
        Caps {
            mgr: "allow r",
            ..ALL
        },
        ErrorKind::PermissionDenied,
    ),
    (
        "osd",
        Caps {
            osd: "allow r tag cephfs *=*",
            ..ALL
        },
        ErrorKind::PermissionDenied,
    ),
];

#[tokio::test]
#[ignore = "needs a Ceph cluster: dev/test contract"]
async fn what_is_granted_counts_within_seconds() {
    let pool = Pool::new(Arc::new(Connector::new(Settings::default())));
    let pool = &pool;
    join_all(LACKING.map(async |(lacks, caps, kind)| {
        let user = format!("spirula-lacks-{lacks}-{}", std::process::id());
        auth("auth rm", &user, None).await;
        auth("auth get-or-create", &user, Some(caps)).await;
        let identity = identity(&user, &key(&user).await);
        let error = all(pool, &identity).await.unwrap_err();
        assert_eq!(error.kind, kind, "{lacks}: {error}");
        auth("auth caps", &user, Some(ALL)).await;
        let granted = Instant::now();
        while let Err(error) = all(pool, &identity).await {
            assert_eq!(error.kind, kind, "{lacks}: {error}");
            assert!(granted.elapsed() < LONG, "{lacks}: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        auth("auth rm", &user, None).await;
    }))
    .await;
}

/// Does something for which each of the capabilities is needed.
async fn all(pool: &Pool, identity: &Identity) -> Result<(), Error> {
    let cx = Context::with_timeout(LONG);
    let connection = pool.get(&cx, identity).await?;
    let fs = connection
        .filesystem(&cx, &setting("SPIRULA_TEST_FS"))
        .await?;
    let object = Object {
        pool: fs.metadata_pool,
        namespace: "spirula-test".to_owned(),
        name: identity.user.clone(),
    };
    let group = setting("SPIRULA_TEST_GROUP");
    let at = ceph::Subvolume {
        fs: fs.name,
        group,
        name: identity.user.clone(),
    };
    let removal = ceph::subvolume::Removal::Force;
    match connection.subvolumes().remove(&cx, &at, removal).await {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let cluster = connection.cluster();
    for step in [WriteStep::Create, WriteStep::Remove] {
        cluster
            .write(&cx, &object, WriteOp::new().then(step))
            .await?;
    }
    Ok(())
}

/// Runs an `auth` command as the administrator.
async fn auth(prefix: &'static str, user: &str, caps: Option<Caps>) -> Vec<u8> {
    let key = std::fs::read_to_string(setting("SPIRULA_TEST_ADMIN_KEYFILE")).unwrap();
    let cx = Context::with_timeout(LONG);
    let connector = Connector::new(Settings::default());
    let admin = connector
        .connect(&cx, &identity("admin", key.trim()))
        .await
        .unwrap();
    let mut arguments = BTreeMap::from([("entity", json!(format!("client.{user}")))]);
    if let Some(Caps { mon, mgr, osd }) = caps {
        arguments.insert("caps", json!(["mon", mon, "mgr", mgr, "osd", osd]));
    }
    let command = Command::new(prefix, &arguments).unwrap();
    admin.mon_command(&cx, &command).await.unwrap()
}

async fn key(user: &str) -> String {
    let answer = auth("auth get-key", user, None).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let key = answer.get("key").and_then(serde_json::Value::as_str);
    key.unwrap().to_owned()
}

fn identity(user: &str, key: &str) -> Identity {
    Identity {
        monitors: setting("SPIRULA_TEST_MONITORS"),
        user: user.to_owned(),
        key: key.into(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests where the cluster is"
)]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap()
}
