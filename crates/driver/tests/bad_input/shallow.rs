//! CreateVolume of volumes that show a snapshot, or are made of one that does.

use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi_proto::v1::{CreateVolumeRequest, DeleteSnapshotRequest};
use spirula::journal::Source;
use tonic::Code::{AlreadyExists, InvalidArgument, NotFound, Ok as Served, OutOfRange};
use tonic::Request;

use crate::create_volume::{mode, resize, send, set, source, source_id};
use crate::ids;
use crate::lab::{Lab, VOLUME};
use crate::support::{copy_request, create_request, secrets, show_request};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let show = |lab: &Lab| show_request("pvc-2", 2, &lab.snapshot_id);
    report.check("shallow, made", Lab::with_snapshot, show, send, MADE);
    let regrouped = || {
        let lab = Lab::with_snapshot();
        lab.world.memory.create_group("cephfs", "other");
        lab.write_config(ids::OTHER_GROUP);
        lab
    };
    report.check("shallow, group", regrouped, show, send, OTHER_GROUP);
    let again = |lab: &Lab| show_request("pvc-shown", 2, &lab.snapshot_id);
    report.check("shallow, again", shown, again, send, AGAIN);
    let deleted = || {
        let lab = shown();
        let request = DeleteSnapshotRequest {
            snapshot_id: lab.snapshot_id.clone(),
            secrets: secrets(),
        };
        let deleted = lab.run(lab.controller.delete_snapshot(Request::new(request)));
        deleted.unwrap();
        lab
    };
    report.check("shallow, deleted", deleted, show, send, DELETED);
    report.check("shallow, again", deleted, again, send, SAME);
    let stored = || Lab::with_stored(ids::SNAPSHOT_BACKED);
    let name = |_: &Lab| create_request(VOLUME, 2);
    report.check("shallow, the original's", stored, name, send, NAME);
    let copy = |_: &Lab| copy_request("pvc-2", 2, &Source::Volume(ids::STORED.to_owned()));
    report.check("shallow, copied", stored, copy, send, COPIES);
}

/// With a volume that shows the snapshot.
fn shown() -> Lab {
    let lab = Lab::with_snapshot();
    let request = show_request("pvc-shown", 2, &lab.snapshot_id);
    let made = lab.run(lab.controller.create_volume(Request::new(request)));
    made.unwrap();
    lab
}

fn of_snapshot(request: &mut CreateVolumeRequest, snapshot_id: String) {
    source(
        request,
        Some(Type::Snapshot(SnapshotSource { snapshot_id })),
    );
}

const MADE: &[Case<CreateVolumeRequest>] = &[
    case(
        "writers",
        |r| {
            mode(r, Mode::MultiNodeMultiWriter.into());
            set(r, "backingSnapshot", "true");
        },
        InvalidArgument,
        "`parameters.backingSnapshot`: a volume that shows a snapshot cannot be written to; use the access \
         mode ReadOnlyMany, or a StorageClass with `backingSnapshot: \"false\"` for a copy",
    ),
    case(
        "writers besides readers",
        |r| {
            let readers = r.volume_capabilities[0].clone();
            mode(r, Mode::SingleNodeWriter.into());
            r.volume_capabilities.push(readers);
            set(r, "backingSnapshot", "true");
        },
        InvalidArgument,
        "`parameters.backingSnapshot`: a volume that shows a snapshot cannot be written to; use the access \
         mode ReadOnlyMany, or a StorageClass with `backingSnapshot: \"false\"` for a copy",
    ),
    case(
        "backingSnapshot: maybe",
        |r| set(r, "backingSnapshot", "maybe"),
        InvalidArgument,
        "`parameters.backingSnapshot`: `maybe` is neither `true` nor `false`",
    ),
    case(
        "smaller than its snapshot",
        |r| resize(r, 1 << 30, 0),
        OutOfRange,
        "a volume made of snapshot `0001-0002-c1-0000000000000001-<uuid>` has to have at least its \
         2147483648 bytes, and 1073741824 are asked for; ask for as much or more",
    ),
    case(
        "a static volume's id as a snapshot",
        |r| of_snapshot(r, "my-static-volume".to_owned()),
        NotFound,
        "snapshot `my-static-volume` does not exist: snapshot id `my-static-volume` has 16 bytes, a \
         dynamic one has at least 64",
    ),
    case(
        "an unknown snapshot",
        |r| of_snapshot(r, ids::STORED.to_owned()),
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal of file system \
         `cephfs` has no snapshot of this id",
    ),
    case(
        "the id of a snapshot as that of a volume",
        |r| {
            let volume_id = source_id(r);
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: it is the id of a snapshot; use it \
         as `volume_content_source.snapshot`",
    ),
    case(
        "from another file system",
        |r| {
            let id = source_id(r).replace("-0000000000000001-", "-0000000000000002-");
            of_snapshot(r, id);
        },
        InvalidArgument,
        "`volume_content_source`: snapshot `0001-0002-c1-0000000000000002-<uuid>` is in the file system \
         with id 2, and what is made of it has to be there as well; use a StorageClass with the source's \
         fsName instead of `cephfs`",
    ),
    case(
        "from another cluster",
        |r| {
            let id = source_id(r).replace("-c1-", "-c2-");
            of_snapshot(r, id);
        },
        InvalidArgument,
        "`volume_content_source`: snapshot `0001-0002-c2-0000000000000001-<uuid>` is in the cluster `c2`, \
         and what is made of it has to be there as well; use a StorageClass with the source's clusterID \
         instead of `c1`",
    ),
];

const OTHER_GROUP: &[Case<CreateVolumeRequest>] = &[case(
    "config.json names another group",
    |_| {},
    InvalidArgument,
    "`volume_content_source`: snapshot `0001-0002-c1-0000000000000001-<uuid>` is in the subvolume group \
     `csi`, and a volume that shows it has to be in the same one, not in `other`; use a clusterID with the \
     group `csi`, or `backingSnapshot: \"false\"` for a copy",
)];

const AGAIN: &[Case<CreateVolumeRequest>] = &[
    case("the same", |_| {}, Served, ""),
    case("no size", |r| r.capacity_range = None, Served, ""),
    case(
        "backingSnapshot: true",
        |r| set(r, "backingSnapshot", "true"),
        Served,
        "",
    ),
    case("a pool", |r| set(r, "pool", "fast"), Served, ""),
    case(
        "a larger size",
        |r| resize(r, 3 << 30, 0),
        AlreadyExists,
        "volume `pvc-shown` exists already and has 2147483648 bytes, which the capacity range does not \
         admit; delete it or ask by another name",
    ),
    case(
        "another prefix",
        |r| set(r, "volumeNamePrefix", "shop-"),
        AlreadyExists,
        "volume `pvc-shown` exists already and its subvolume is `csi-vol-<uuid>`, not `shop-...`; delete \
         it or ask by another name",
    ),
    case(
        "another snapshot",
        |r| of_snapshot(r, ids::STORED.to_owned()),
        AlreadyExists,
        "volume `pvc-shown` exists already and shows snapshot `0001-0002-c1-0000000000000001-<uuid>`, not \
         `0001-0002-c1-0000000000000001-<uuid>`; delete it or ask by another name",
    ),
    case(
        "a copy",
        |r| set(r, "backingSnapshot", "false"),
        AlreadyExists,
        "volume `pvc-shown` exists already and only shows snapshot \
         `0001-0002-c1-0000000000000001-<uuid>`, where one with data of its own is asked for; delete it or \
         ask by another name",
    ),
    case(
        "to show a snapshot, where there is a volume of the name",
        |r| r.name = VOLUME.to_owned(),
        AlreadyExists,
        "volume `pvc-1` exists already and has data of its own, where one that shows snapshot \
         `0001-0002-c1-0000000000000001-<uuid>` is asked for; delete it or ask by another name",
    ),
];

const SAME: &[Case<CreateVolumeRequest>] = &[case("the same, deleted", |_| {}, Served, "")];

const DELETED: &[Case<CreateVolumeRequest>] = &[
    case(
        "a snapshot that was deleted",
        |_| {},
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: it was deleted, and is kept only for \
         volumes that show it",
    ),
    case(
        "a copy of a snapshot that was deleted",
        |r| set(r, "backingSnapshot", "false"),
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: it was deleted, and is kept only for \
         volumes that show it",
    ),
];

const COPIES: &[Case<CreateVolumeRequest>] = &[
    case(
        "readers",
        |r| mode(r, Mode::MultiNodeReaderOnly.into()),
        InvalidArgument,
        "`volume_content_source`: the volume `0001-0002-c1-0000000000000001-<uuid>` only shows the snapshot \
         `snap-1`, and nobody may write to its copy either; use that snapshot as \
         `volume_content_source.snapshot`, or an access mode with writers",
    ),
    case(
        "writers, and the snapshot is gone",
        |_| {},
        NotFound,
        "snapshot `snap-1` does not exist: snapshot id `snap-1` has 6 bytes, a dynamic one has at least 64",
    ),
];

const NAME: &[Case<CreateVolumeRequest>] = &[case(
    "the name of a volume that shows a snapshot",
    |_| {},
    AlreadyExists,
    "volume `pvc-1` exists already and only shows snapshot `snap-1`, where one with data of its own is \
     asked for; delete it or ask by another name",
)];
