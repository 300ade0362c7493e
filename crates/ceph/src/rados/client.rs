//! A connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::calls::Calls;
use super::failure::{of_call, of_osd_call};
use super::workers::Workers;
use super::{Settings, steps};
use crate::{
    Cluster, Command, Context, ErrorKind, Lock, Object, ReadAnswer, ReadOp, Result, WriteOp,
};

/// Each open call is a thread. The volumes module of the manager works one command after the other, so
/// more than these only wait elsewhere.
const MGR_CALLS: usize = 32;
const MON_CALLS: usize = 16;
const OSD_CALLS: usize = 32;

/// One connection over librados.
pub struct Client {
    cluster: Arc<librados::Cluster>,
    workers: Workers,
    to_mgr: Calls,
    to_mon: Calls,
    to_osds: Calls,
    refused: AtomicBool,
    settings: Settings,
}

impl Client {
    pub(super) fn new(cluster: librados::Cluster, settings: &Settings, workers: &Workers) -> Self {
        Self {
            cluster: Arc::new(cluster),
            workers: workers.clone(),
            to_mgr: Calls::new("the manager", MGR_CALLS),
            to_mon: Calls::new("the monitors", MON_CALLS),
            to_osds: Calls::new("the OSDs", OSD_CALLS),
            refused: AtomicBool::new(false),
            settings: settings.clone(),
        }
    }

    /// The unique id of the cluster.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) at the deadline of `cx`.
    pub async fn fsid(&self, cx: &Context) -> Result<String> {
        let call = "fsid of the cluster";
        self.run(&self.to_mon, cx, (call, call), move |cluster| {
            cluster.fsid().map_err(|error| of_call(call, error))
        })
        .await
    }

    /// Makes a call on a worker, which keeps the connection as long as it takes.
    async fn run<T: Send + 'static>(
        &self,
        calls: &Calls,
        cx: &Context,
        call: (&'static str, &str),
        work: impl FnOnce(&librados::Cluster) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cluster = Arc::clone(&self.cluster);
        let answer = calls
            .run(&self.workers, cx, call, move || work(&cluster))
            .await;
        if matches!(&answer, Err(error) if error.kind == ErrorKind::PermissionDenied) {
            self.refused.store(true, Ordering::Relaxed);
        }
        answer
    }
}

#[async_trait]
impl Cluster for Client {
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        let call = steps::describe_read(object, &op);
        let (object, name) = (object.clone(), call.clone());
        self.run(&self.to_osds, cx, (op.kind(), &call), move |cluster| {
            steps::read(cluster, &name, &object, &op)
        })
        .await
    }

    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()> {
        let call = steps::describe_write(object, &op);
        let (object, name) = (object.clone(), call.clone());
        self.run(&self.to_osds, cx, (op.kind(), &call), move |cluster| {
            steps::write(cluster, &name, &object, &op)
        })
        .await
    }

    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()> {
        let call = format!("lock `{}` of {}", lock.name, object.name);
        let (object, lock, name) = (object.clone(), lock.clone(), call.clone());
        self.run(&self.to_osds, cx, ("lock", &call), move |cluster| {
            let (cookie, description) = (&lock.cookie, &lock.description);
            steps::io_ctx(cluster, &object)
                .and_then(|mut io| {
                    let (object, lock_name) = (&object.name, &lock.name);
                    io.lock_exclusive(object, lock_name, cookie, description, lock.duration)
                })
                .map_err(|error| of_osd_call(name, error))
        })
        .await
    }

    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()> {
        let call = format!("unlock `{name}` of {}", object.name);
        let (object, called) = (object.clone(), call.clone());
        let (name, cookie) = (name.to_owned(), cookie.to_owned());
        self.run(&self.to_osds, cx, ("unlock", &call), move |cluster| {
            steps::io_ctx(cluster, &object)
                .and_then(|mut io| io.unlock(&object.name, &name, &cookie))
                .map_err(|error| of_osd_call(called, error))
        })
        .await
    }

    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let call = format!("mon command `{}`", command.prefix());
        let (json, name) = (command.json().to_owned(), call.clone());
        self.run(
            &self.to_mon,
            cx,
            (command.prefix(), &call),
            move |cluster| {
                cluster
                    .mon_command(&json)
                    .map_err(|error| of_call(name, error))
            },
        )
        .await
    }

    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let call = format!("mgr command `{}`", command.prefix());
        let (json, name) = (command.json().to_owned(), call.clone());
        self.run(
            &self.to_mgr,
            cx,
            (command.prefix(), &call),
            move |cluster| {
                cluster
                    .mgr_command(&json)
                    .map_err(|error| of_call(name, error))
            },
        )
        .await
    }

    fn is_retired(&self) -> bool {
        self.to_mgr.had_no_answer()
    }

    fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn abandoned_calls(&self) -> usize {
        [&self.to_mgr, &self.to_mon, &self.to_osds]
            .map(Calls::abandoned)
            .iter()
            .sum()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .field("retired", &self.is_retired())
            .field("abandoned_calls", &self.abandoned_calls())
            .finish_non_exhaustive()
    }
}
