//! CreateVolume: fields, parameters, sizes, and names that are taken.

use std::collections::BTreeMap;

use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi_proto::v1::{CapacityRange, CreateVolumeRequest, VolumeCapability, VolumeContentSource};
use spirula::journal::Source;
use tonic::Code::{
    AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Ok as Served, OutOfRange,
};
use tonic::{Request, Status};

use crate::lab::{Lab, VOLUME};
use crate::support::{copy_request, create_request, mount_capability};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let fresh = |_: &Lab| create_request("pvc-2", 1);
    report.check("CreateVolume, fields", Lab::new, fresh, send, FIELDS);
    report.check("CreateVolume, sizes", Lab::new, fresh, send, SIZES);
    report.check("CreateVolume, parameters", lab, fresh, send, PARAMETERS);
    let again = |_: &Lab| create_request(VOLUME, 2);
    report.check("CreateVolume, again", Lab::with_volume, again, send, AGAIN);
    let copy = |lab: &Lab| copy_request("pvc-2", 2, &Source::Volume(lab.volume_id.clone()));
    report.check("CreateVolume, copies", Lab::with_volume, copy, send, COPIES);
    let unlimited = || Lab::with_volume_of(|request| request.capacity_range = None);
    report.check("CreateVolume, no quota", unlimited, again, send, UNLIMITED);
    let prefixed = || Lab::with_volume_of(|request| set(request, "volumeNamePrefix", "shop-"));
    report.check("CreateVolume, prefix", prefixed, again, send, PREFIXED);
}

/// Sends a request.
pub(crate) fn send(lab: &Lab, request: CreateVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.create_volume(Request::new(request)));
    answer.map(|_| String::new())
}

/// A second file system, and clusters that parameters can name by mistake.
fn lab() -> Lab {
    let lab = Lab::with_config(
        r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"]},
            {"clusterID": "no-monitors"},
            {"clusterID": "no-group", "monitors": ["127.0.0.1:6789"],
             "cephFS": {"subvolumeGroup": "gone"}},
            {"clusterID": "bad-group", "monitors": ["127.0.0.1:6789"],
             "cephFS": {"subvolumeGroup": "a/b"}},
            {"clusterID": "a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.",
             "monitors": ["127.0.0.1:6789"]}]"#,
    );
    lab.world.memory.create_filesystem("archive");
    lab
}

pub(crate) fn set(request: &mut CreateVolumeRequest, name: &str, value: &str) {
    request.parameters.insert(name.to_owned(), value.to_owned());
}

/// The same value under another name.
fn rename(parameters: &mut BTreeMap<String, String>, from: &str, to: &str) {
    let value = parameters.remove(from).unwrap();
    parameters.insert(to.to_owned(), value);
}

pub(crate) fn resize(request: &mut CreateVolumeRequest, required_bytes: i64, limit_bytes: i64) {
    request.capacity_range = Some(CapacityRange {
        required_bytes,
        limit_bytes,
    });
}

pub(crate) fn mode(request: &mut CreateVolumeRequest, mode: i32) {
    request.volume_capabilities[0].access_mode = Some(AccessMode { mode });
}

pub(crate) fn source(request: &mut CreateVolumeRequest, r#type: Option<Type>) {
    request.volume_content_source = Some(VolumeContentSource { r#type });
}

const FIELDS: &[Case<CreateVolumeRequest>] = &[
    case(
        "no name",
        |r| r.name.clear(),
        InvalidArgument,
        "`name` is missing in the request",
    ),
    case(
        "long name",
        |r| r.name = "n".repeat(129),
        InvalidArgument,
        "`name`: has 129 bytes, a volume name has at most 128",
    ),
    case(
        "control character in the name",
        |r| r.name = "pvc\u{7}".to_owned(),
        InvalidArgument,
        "`name`: contains the control character '\\u{7}'",
    ),
    case(
        "no capabilities",
        |r| r.volume_capabilities.clear(),
        InvalidArgument,
        "`volume_capabilities` is missing in the request",
    ),
    case(
        "no access type",
        |r| r.volume_capabilities[0].access_type = None,
        InvalidArgument,
        "`volume_capability.access_type` is missing in the request",
    ),
    case(
        "no access mode",
        |r| r.volume_capabilities[0].access_mode = None,
        InvalidArgument,
        "`volume_capability.access_mode` is missing in the request",
    ),
    case(
        "unset access mode",
        |r| mode(r, Mode::Unknown.into()),
        InvalidArgument,
        "`volume_capability.access_mode` is missing in the request",
    ),
    case(
        "access mode of the future",
        |r| mode(r, 99),
        InvalidArgument,
        "`volume_capability.access_mode`: 99 is no access mode of CSI 1.13",
    ),
    case(
        "negative access mode",
        |r| mode(r, -1),
        InvalidArgument,
        "`volume_capability.access_mode`: -1 is no access mode of CSI 1.13",
    ),
    case(
        "block",
        |r| r.volume_capabilities[0].access_type = Some(AccessType::Block(BlockVolume {})),
        InvalidArgument,
        "`volume_capability.block`: CephFS has no block volumes; use volumeMode: Filesystem",
    ),
    case(
        "block besides mount",
        |r| {
            let access_type = Some(AccessType::Block(BlockVolume {}));
            let mount = r.volume_capabilities[0].clone();
            r.volume_capabilities.push(VolumeCapability {
                access_type,
                ..mount
            });
        },
        InvalidArgument,
        "`volume_capability.block`: CephFS has no block volumes; use volumeMode: Filesystem",
    ),
    case(
        "one reader",
        |r| mode(r, Mode::SingleNodeReaderOnly.into()),
        InvalidArgument,
        "`volume_capabilities.access_mode`: a new volume without a source would stay empty for ever; \
         use ReadWriteOnce, ReadWriteOncePod or ReadWriteMany",
    ),
    case(
        "many readers",
        |r| mode(r, Mode::MultiNodeReaderOnly.into()),
        InvalidArgument,
        "`volume_capabilities.access_mode`: a new volume without a source would stay empty for ever; \
         use ReadWriteOnce, ReadWriteOncePod or ReadWriteMany",
    ),
    case(
        "readers besides writers",
        |r| {
            let readers = mount_capability(Mode::MultiNodeReaderOnly);
            r.volume_capabilities.push(readers);
        },
        InvalidArgument,
        "`volume_capabilities.access_mode`: a new volume without a source would stay empty for ever; \
         use ReadWriteOnce, ReadWriteOncePod or ReadWriteMany",
    ),
    case(
        "from a snapshot",
        |r| {
            let snapshot_id = "some".to_owned();
            source(r, Some(Type::Snapshot(SnapshotSource { snapshot_id })));
        },
        NotFound,
        "snapshot `some` does not exist: snapshot id `some` has 4 bytes, a dynamic one has at least 64",
    ),
    case(
        "from a volume",
        |r| {
            let volume_id = "some".to_owned();
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        NotFound,
        "volume `some` does not exist: volume id `some` has 4 bytes, a dynamic one has at least 64",
    ),
    case(
        "from nothing in particular",
        |r| source(r, None),
        InvalidArgument,
        "`volume_content_source.type` is missing in the request",
    ),
    case(
        "from a snapshot without id",
        |r| {
            let snapshot_id = String::new();
            source(r, Some(Type::Snapshot(SnapshotSource { snapshot_id })));
        },
        InvalidArgument,
        "`volume_content_source.snapshot.snapshot_id` is missing in the request",
    ),
    case(
        "from a volume without id",
        |r| {
            let volume_id = String::new();
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        InvalidArgument,
        "`volume_content_source.volume.volume_id` is missing in the request",
    ),
    case(
        "from a volume with too long an id",
        |r| {
            let volume_id = "v".repeat(129);
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        InvalidArgument,
        "`volume_content_source.volume.volume_id`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "mutable parameters",
        |r| r.mutable_parameters = [("iops".to_owned(), "1".to_owned())].into(),
        InvalidArgument,
        "`mutable_parameters`: CephFS volumes have none; remove the VolumeAttributesClass",
    ),
];

/// The id of the source.
pub(crate) fn source_id(request: &CreateVolumeRequest) -> String {
    let source = request.volume_content_source.clone().unwrap();
    match source.r#type.unwrap() {
        Type::Volume(volume) => volume.volume_id,
        Type::Snapshot(snapshot) => snapshot.snapshot_id,
    }
}

const COPIES: &[Case<CreateVolumeRequest>] = &[
    case(
        "smaller than its source",
        |r| resize(r, 1 << 30, 0),
        OutOfRange,
        "a volume made of volume `0001-0002-c1-0000000000000001-<uuid>` has to have at least its \
         2147483648 bytes, and 1073741824 are asked for; ask for as much or more",
    ),
    case(
        "a limit below the source",
        |r| resize(r, 1 << 30, 1 << 30),
        OutOfRange,
        "a volume made of volume `0001-0002-c1-0000000000000001-<uuid>` has to have at least its \
         2147483648 bytes, and 1073741824 are asked for; ask for as much or more",
    ),
    case(
        "the id of a volume as that of a snapshot",
        |r| {
            let snapshot_id = source_id(r);
            source(r, Some(Type::Snapshot(SnapshotSource { snapshot_id })));
        },
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: it is the id of a volume; use \
         it as `volume_content_source.volume`",
    ),
    case(
        "an unknown volume",
        |r| {
            let id = source_id(r);
            let uuid = "11111111-2222-4333-8444-555555555555";
            let volume_id = format!("{}{uuid}", id.split_at(id.len() - 36).0);
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: \
         not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
    ),
    case(
        "an unknown snapshot",
        |r| {
            let id = source_id(r);
            let uuid = "11111111-2222-4333-8444-555555555555";
            let snapshot_id = format!("{}{uuid}", id.split_at(id.len() - 36).0);
            source(r, Some(Type::Snapshot(SnapshotSource { snapshot_id })));
        },
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal of file system \
         `cephfs` has no snapshot of this id",
    ),
    case(
        "from another file system",
        |r| {
            let volume_id = source_id(r).replace("-0000000000000001-", "-0000000000000002-");
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        InvalidArgument,
        "`volume_content_source`: volume `0001-0002-c1-0000000000000002-<uuid>` is in the file system \
         with id 2, and what is made of it has to be there as well; use a StorageClass with the source's \
         fsName instead of `cephfs`",
    ),
    case(
        "from another cluster",
        |r| {
            let volume_id = source_id(r).replace("-c1-", "-c2-");
            source(r, Some(Type::Volume(VolumeSource { volume_id })));
        },
        InvalidArgument,
        "`volume_content_source`: volume `0001-0002-c2-0000000000000001-<uuid>` is in the cluster `c2`, \
         and what is made of it has to be there as well; use a StorageClass with the source's clusterID \
         instead of `c1`",
    ),
];

const SIZES: &[Case<CreateVolumeRequest>] = &[
    case(
        "negative size",
        |r| resize(r, -1, 0),
        OutOfRange,
        "`capacity_range.required_bytes` is -1, but a size cannot be negative",
    ),
    case(
        "negative limit",
        |r| resize(r, 0, -1),
        OutOfRange,
        "`capacity_range.limit_bytes` is -1, but a size cannot be negative",
    ),
    case(
        "the least of all sizes",
        |r| resize(r, i64::MIN, i64::MIN),
        OutOfRange,
        "`capacity_range.required_bytes` is -9223372036854775808, but a size cannot be negative",
    ),
    case(
        "limit below the size",
        |r| resize(r, 1 << 30, (1 << 30) - 1),
        OutOfRange,
        "`capacity_range.limit_bytes` 1073741823 is less than `capacity_range.required_bytes` \
         1073741824: no size satisfies both",
    ),
    case(
        "too large",
        |r| resize(r, i64::MAX, 0),
        OutOfRange,
        "`capacity_range.required_bytes` 9223372036854775807 is more than a volume can have: sizes \
         are rounded up to whole GiB and end at 8 EiB",
    ),
];

const PARAMETERS: &[Case<CreateVolumeRequest>] = &[
    case(
        "none",
        |r| r.parameters.clear(),
        InvalidArgument,
        "`parameters.clusterID`: missing required field clusterID; set it in the StorageClass",
    ),
    case(
        "no clusterID",
        |r| drop(r.parameters.remove("clusterID")),
        InvalidArgument,
        "`parameters.clusterID`: missing required field clusterID; set it in the StorageClass",
    ),
    case(
        "empty clusterID",
        |r| set(r, "clusterID", ""),
        InvalidArgument,
        "`parameters.clusterID`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "clusterId",
        |r| rename(&mut r.parameters, "clusterID", "clusterId"),
        InvalidArgument,
        "`parameters.clusterID`: missing required field clusterID; the StorageClass has `clusterId`",
    ),
    case(
        "clutserID",
        |r| rename(&mut r.parameters, "clusterID", "clutserID"),
        InvalidArgument,
        "`parameters.clusterID`: missing required field clusterID; the StorageClass has `clutserID`",
    ),
    case(
        "unknown cluster",
        |r| set(r, "clusterID", "c2"),
        InvalidArgument,
        "clusterID `c2` is not in config.json; it has: c1, no-monitors, no-group, bad-group, \
         a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.",
    ),
    case(
        "clusterID in another case",
        |r| set(r, "clusterID", "C1"),
        InvalidArgument,
        "clusterID `C1` is not in config.json; it has: c1, no-monitors, no-group, bad-group, \
         a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.",
    ),
    case(
        "cluster without monitors",
        |r| set(r, "clusterID", "no-monitors"),
        FailedPrecondition,
        "clusterID `no-monitors` has no monitors in config.json; list at least one in `monitors`",
    ),
    case(
        "cluster without the group",
        |r| set(r, "clusterID", "no-group"),
        FailedPrecondition,
        "subvolume group `gone` of file system `cephfs` does not exist; create it once with \
         `ceph fs subvolumegroup create cephfs gone`, or set cephFS.subvolumeGroup in config.json",
    ),
    case(
        "group that no directory can have",
        |r| set(r, "clusterID", "bad-group"),
        InvalidArgument,
        "subvolume group `a/b`: refused: must name one directory, without `/` and `%`",
    ),
    case(
        "group that no directory can have, with a pool",
        |r| {
            set(r, "clusterID", "bad-group");
            set(r, "pool", "cephfs-data");
        },
        InvalidArgument,
        "subvolume group `a/b`: refused: must name one directory, without `/` and `%`",
    ),
    case(
        "clusterID that no id can hold",
        |r| {
            let id = "a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.";
            set(r, "clusterID", id);
        },
        InvalidArgument,
        "clusterID `a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.` has 65 \
         bytes, a volume id has room for 64",
    ),
    case(
        "no fsName",
        |r| drop(r.parameters.remove("fsName")),
        InvalidArgument,
        "`parameters.fsName`: missing required field fsName; set it in the StorageClass",
    ),
    case(
        "empty fsName",
        |r| set(r, "fsName", ""),
        InvalidArgument,
        "`parameters.fsName`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "fsname",
        |r| rename(&mut r.parameters, "fsName", "fsname"),
        InvalidArgument,
        "`parameters.fsName`: missing required field fsName; the StorageClass has `fsname`",
    ),
    case(
        "filesystem, not fsName",
        |r| rename(&mut r.parameters, "fsName", "filesystem"),
        InvalidArgument,
        "`parameters.fsName`: missing required field fsName; set it in the StorageClass",
    ),
    case(
        "unknown file system",
        |r| set(r, "fsName", "myfs"),
        InvalidArgument,
        "`parameters.fsName`: file system `myfs`: not found: this user sees: cephfs, archive",
    ),
    case(
        "file system without the group",
        |r| set(r, "fsName", "archive"),
        FailedPrecondition,
        "subvolume group `csi` of file system `archive` does not exist; create it once with \
         `ceph fs subvolumegroup create archive csi`, or set cephFS.subvolumeGroup in config.json",
    ),
    case(
        "empty pool",
        |r| set(r, "pool", ""),
        InvalidArgument,
        "`parameters.pool`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "unknown pool",
        |r| set(r, "pool", "fast"),
        InvalidArgument,
        "`parameters.pool`: Ceph does not take `fast`: invalid pool layout 'fast' -- need a valid data \
         pool",
    ),
    case(
        "metadata pool",
        |r| set(r, "pool", "cephfs-metadata"),
        InvalidArgument,
        "`parameters.pool`: Ceph does not take `cephfs-metadata`: invalid pool layout \
         'cephfs-metadata' -- need a valid data pool",
    ),
    case(
        "pool of another file system",
        |r| set(r, "pool", "archive-data"),
        InvalidArgument,
        "`parameters.pool`: Ceph does not take `archive-data`: invalid pool layout 'archive-data' -- \
         need a valid data pool",
    ),
    case(
        "empty mounter",
        |r| set(r, "mounter", ""),
        InvalidArgument,
        "`parameters.mounter`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "unknown mounter",
        |r| set(r, "mounter", "ceph-fuse"),
        InvalidArgument,
        "`parameters.mounter`: `ceph-fuse` is no mounter; use `kernel` or `fuse`, or leave it out",
    ),
    case(
        "mounter in another case",
        |r| set(r, "mounter", "Kernel"),
        InvalidArgument,
        "`parameters.mounter`: `Kernel` is no mounter; use `kernel` or `fuse`, or leave it out",
    ),
    case(
        "empty kernelMountOptions",
        |r| set(r, "kernelMountOptions", ""),
        InvalidArgument,
        "`parameters.kernelMountOptions`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "empty fuseMountOptions",
        |r| set(r, "fuseMountOptions", ""),
        InvalidArgument,
        "`parameters.fuseMountOptions`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "empty volumeNamePrefix",
        |r| set(r, "volumeNamePrefix", ""),
        InvalidArgument,
        "`parameters.volumeNamePrefix`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "volumeNamePrefix with a slash",
        |r| set(r, "volumeNamePrefix", "team/a-"),
        InvalidArgument,
        "`parameters.volumeNamePrefix`: `team/a-` contains `/`, which no name of a subvolume or snapshot can",
    ),
    case(
        "volumeNamePrefix with a percent sign",
        |r| set(r, "volumeNamePrefix", "100%-"),
        InvalidArgument,
        "`parameters.volumeNamePrefix`: `100%-` contains `%`, which no name of a subvolume or snapshot can",
    ),
    case(
        "volumeNamePrefix with a control character",
        |r| set(r, "volumeNamePrefix", "a\nb"),
        InvalidArgument,
        "`parameters.volumeNamePrefix`: `a\\nb` contains `\\n`, which no name of a subvolume or snapshot can",
    ),
    case(
        "long volumeNamePrefix",
        |r| set(r, "volumeNamePrefix", &"p".repeat(220)),
        InvalidArgument,
        "`parameters.volumeNamePrefix`: has 220 bytes; with the uuid behind it, the name of a directory \
         has room for 219",
    ),
    case(
        "empty encrypted",
        |r| set(r, "encrypted", ""),
        InvalidArgument,
        "`parameters.encrypted`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "encrypted: yes",
        |r| set(r, "encrypted", "yes"),
        InvalidArgument,
        "`parameters.encrypted`: `yes` is neither `true` nor `false`",
    ),
    case(
        "encrypted: true",
        |r| set(r, "encrypted", "true"),
        InvalidArgument,
        "`parameters.encrypted`: encrypted volumes are not served by this release of spirula; use \
         another class",
    ),
    case(
        "encrypted: 1",
        |r| set(r, "encrypted", "1"),
        InvalidArgument,
        "`parameters.encrypted`: encrypted volumes are not served by this release of spirula; use \
         another class",
    ),
    case(
        "empty backingSnapshot",
        |r| set(r, "backingSnapshot", ""),
        InvalidArgument,
        "`parameters.backingSnapshot`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "backingSnapshot: maybe",
        |r| set(r, "backingSnapshot", "maybe"),
        InvalidArgument,
        "`parameters.backingSnapshot`: `maybe` is neither `true` nor `false`",
    ),
    case(
        "topologyConstrainedPools",
        |r| set(r, "topologyConstrainedPools", "[]"),
        InvalidArgument,
        "`parameters.topologyConstrainedPools`: CephFS volumes cannot be constrained to pools by \
         topology; leave it out",
    ),
];

const AGAIN: &[Case<CreateVolumeRequest>] = &[
    case("the same", |_| {}, Served, ""),
    case("no size", |r| r.capacity_range = None, Served, ""),
    case("a smaller size", |r| resize(r, 1 << 30, 0), Served, ""),
    case(
        "a size that rounds to the same",
        |r| resize(r, (2 << 30) - 7, 0),
        Served,
        "",
    ),
    case(
        "a larger size",
        |r| resize(r, (2 << 30) + 1, 0),
        AlreadyExists,
        "volume `pvc-1` exists already and has 2147483648 bytes, which the capacity range does not \
         admit; delete it or ask by another name",
    ),
    case(
        "a limit below its size",
        |r| resize(r, 1 << 30, (2 << 30) - 1),
        AlreadyExists,
        "volume `pvc-1` exists already and has 2147483648 bytes, which the capacity range does not \
         admit; delete it or ask by another name",
    ),
    case(
        "another pool",
        |r| set(r, "pool", "cephfs-data"),
        AlreadyExists,
        "volume `pvc-1` exists already and is in the default pool, not in pool `cephfs-data`; delete \
         it or ask by another name",
    ),
    case(
        "another prefix",
        |r| set(r, "volumeNamePrefix", "shop-"),
        AlreadyExists,
        "volume `pvc-1` exists already and its subvolume is `csi-vol-<uuid>`, not `shop-...`; delete \
         it or ask by another name",
    ),
    case(
        "its prefix",
        |r| set(r, "volumeNamePrefix", "csi-vol-"),
        Served,
        "",
    ),
    case(
        "a parameter that nobody knows",
        |r| set(r, "compression", "zstd"),
        Served,
        "",
    ),
    case(
        "the fuse mounter",
        |r| set(r, "mounter", "fuse"),
        Served,
        "",
    ),
    case(
        "encrypted: false",
        |r| set(r, "encrypted", "false"),
        Served,
        "",
    ),
    case(
        "backingSnapshot: true",
        |r| set(r, "backingSnapshot", "true"),
        Served,
        "",
    ),
    case(
        "mount flags and a file system type",
        |r| {
            let mount = MountVolume {
                fs_type: "ext4".to_owned(),
                mount_flags: vec!["noatime".to_owned()],
                ..MountVolume::default()
            };
            r.volume_capabilities[0].access_type = Some(AccessType::Mount(mount));
        },
        Served,
        "",
    ),
    case(
        "one writer",
        |r| mode(r, Mode::SingleNodeSingleWriter.into()),
        Served,
        "",
    ),
];

const UNLIMITED: &[Case<CreateVolumeRequest>] = &[
    case("a size", |_| {}, Served, ""),
    case(
        "a limit",
        |r| resize(r, 0, 1 << 30),
        AlreadyExists,
        "volume `pvc-1` exists already and has no quota, which the capacity range does not admit; \
         delete it or ask by another name",
    ),
];

const PREFIXED: &[Case<CreateVolumeRequest>] = &[case(
    "no prefix",
    |_| {},
    AlreadyExists,
    "volume `pvc-1` exists already and its subvolume is `shop-<uuid>`, not `csi-vol-...`; delete \
         it or ask by another name",
)];
