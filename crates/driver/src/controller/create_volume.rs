//! CreateVolume: a name becomes a volume, exactly one, whatever fails and however often it is asked.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | INVALID_ARGUMENT | a field, parameter or secret is wrong; unknown clusterID, file system, pool | final; asks again later, as the StorageClass may have been mended |
//! | NOT_FOUND | no such source | final; asks again with back-off |
//! | OUT_OF_RANGE | no size satisfies the capacity range, or one less than that of the source | final |
//! | RESOURCE_EXHAUSTED | no space for the copy, or the source has as many snapshots as Ceph allows | final; asks again with back-off |
//! | ALREADY_EXISTS | the name has a volume of another size, pool or source | final |
//! | FAILED_PRECONDITION | no subvolume group, config.json cannot be read | final; asks again with back-off |
//! | PERMISSION_DENIED | the user lacks capabilities, or its key is wrong | final; asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again with the same name, and never forgets the volume |
//!
//! A copy of a snapshot or of another volume is waited for, as long as the deadline allows; then the
//! answer is ABORTED and says how far it is, and the repeat goes on waiting.
//!
//! A volume of a snapshot that nobody writes to shows the snapshot, unless the StorageClass wants a copy; that
//! takes no longer than an empty volume.
//!
//! A final answer makes the sidecar forget the name once the PVC is gone. So a call that could not make
//! the subvolume gives the name back before a final answer; after any other, the reservation waits for
//! the repeat. Where something is left, or goes on, the answer is ABORTED whatever has failed.

use std::collections::BTreeMap;

use ceph::Context;
use csi_proto::v1::{CreateVolumeRequest, CreateVolumeResponse, Volume};

use super::provision::Provisioned;
use super::{Controller, provision};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::VolumeId;
use crate::journal::{DEFAULT_PREFIX, Details, NewRecord, Record};
use crate::request::{BACKING_SNAPSHOT_NAME, CreateVolume};

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &CreateVolumeRequest,
) -> Result<CreateVolumeResponse, Error> {
    let content_source = request.volume_content_source.clone();
    let request = CreateVolume::parse(request)?;
    let parameters = &request.parameters;
    let session = controller
        .backend
        .open_named(
            cx,
            &parameters.cluster_id,
            &parameters.fs_name,
            &request.credentials,
        )
        .await?;
    // A clusterID too long for ids must be found before anything is made.
    let id = |uuid| VolumeId::new(&parameters.cluster_id, session.filesystem.id, uuid);
    id(crate::ids::VolumeUuid::random())?;

    let _foreground = controller.trail.foreground(&session);
    let made = make(controller, cx, &session, &request).await;
    let made = made.map_err(|error| session.explain(error))?;
    controller.trail.push(&session, &made.record);

    let mut volume_context = request.parameters.context.clone();
    volume_context.insert("subvolumeName".to_owned(), made.record.subvolume.clone());
    volume_context.insert("subvolumePath".to_owned(), made.path);
    if let Some(snapshot) = shown(&made.record) {
        volume_context.insert(BACKING_SNAPSHOT_NAME.to_owned(), snapshot.to_owned());
    }
    let volume = Volume {
        capacity_bytes: made.quota.map_or(0, u64::cast_signed),
        volume_id: id(made.record.uuid)?.to_string(),
        volume_context,
        content_source,
        accessible_topology: Vec::new(),
    };
    Ok(CreateVolumeResponse {
        volume: Some(volume),
    })
}

/// The name in Ceph of the snapshot that the volume shows, if it does.
fn shown(record: &Record) -> Option<&str> {
    record.backing_snapshot.as_ref()?;
    record.origin()?.snapshot.as_deref()
}

async fn make(
    controller: &Controller,
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
) -> Result<Provisioned, Error> {
    let mut new = new_record(controller, session, request);
    if let Some(source) = &request.source {
        provision::set_origin(cx, session, request, source, &mut new).await?;
    }
    let Controller {
        cloners, events, ..
    } = controller;
    provision::provision(cx, session, cloners, events, request, &new).await
}

fn new_record(controller: &Controller, session: &Session, request: &CreateVolume) -> NewRecord {
    let parameters = &request.parameters;
    // What has no subvolume has neither pool nor metadata.
    let (pool, metadata) = if request.shallow {
        (None, BTreeMap::new())
    } else {
        let metadata = controller.settings.metadata(&parameters.metadata);
        (parameters.pool.clone(), metadata)
    };
    NewRecord {
        name_prefix: parameters
            .name_prefix
            .clone()
            .unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        owner: parameters.pvc_namespace.clone(),
        backing_snapshot: None,
        details: Details {
            size: request.size.map(|range| range.quota()),
            grown: false,
            pool,
            group: session.cluster.subvolume_group.clone(),
            origin: None,
        },
        pending_metadata: metadata,
    }
}
