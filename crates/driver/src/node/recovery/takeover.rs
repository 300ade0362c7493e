//! What ceph-csi's node plugin leaves behind: records of its FUSE mounts, with secrets in clear text.
//!
//! They hold what is needed to mount a volume again. It is taken over to where this driver keeps the
//! same, and the file is removed; none is ever written. Volumes whose place the cluster does not know
//! (static ones) keep their file until they are staged or unstaged.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::VolumeCapability;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use serde::Deserialize;

use super::super::Node;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::mount::{Mount, MounterKind};
use crate::request::{Capability, ClientOptions, Source, StageVolume};

#[cfg(test)]
mod tests;

/// Asking the cluster where one volume is.
const ASK: Duration = Duration::from_secs(20);

/// The file of a volume is this, its id, and [`SUFFIX`].
const PREFIX: &str = "nodestage-";
const SUFFIX: &str = ".json";

/// A record as the original writes it.
#[derive(Deserialize)]
struct Original {
    /// The volume capability, in the JSON of protocol buffers, as text.
    #[serde(rename = "VolumeCapabilityProtoJSON", default)]
    capability: String,
    #[serde(rename = "Secrets", default)]
    secrets: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct OriginalCapability {
    mount: OriginalMount,
    access_mode: OriginalMode,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct OriginalMount {
    mount_flags: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OriginalMode {
    mode: String,
}

/// Beside each staging path, by the kubelet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeData {
    volume_handle: String,
}

/// Takes all records over that are there.
pub(in super::super) async fn run(node: &Node) {
    let Some(directory) = node.settings.mountinfo_dir.clone() else {
        return;
    };
    let files = match list(&directory).await {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let directory = directory.display();
            return tracing::warn!("cannot list the records in `{directory}`: {error}");
        }
    };
    for (volume, file) in files {
        let file = file.display();
        match take(node, &volume, &directory).await {
            Ok(what) => {
                tracing::info!("record `{file}` of ceph-csi: {what}");
                discard(node, &volume).await;
            }
            Err(error) => tracing::warn!(
                "record `{file}` of ceph-csi stays until its volume is staged or unstaged: {error}"
            ),
        }
    }
}

/// Removes the original's record of a volume, if there is one.
pub(in super::super) async fn discard(node: &Node, volume: &str) {
    let Some(directory) = &node.settings.mountinfo_dir else {
        return;
    };
    // Nearly always there is none, which the driver's own directory tells at once, without another thread.
    if let Some(file) = file(directory, volume)
        && !matches!(std::fs::exists(&file), Ok(false))
        && let Err(error) = tokio::fs::remove_file(&file).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(
            "cannot remove `{}`, which has a secret in it: {error}",
            file.display()
        );
    }
}

/// Where the original puts the record of `volume`; `None` for ids that are no part of a file name.
fn file(directory: &Path, volume: &str) -> Option<PathBuf> {
    let is_name = !volume.contains(['/', '\0']);
    is_name.then(|| directory.join(format!("{PREFIX}{volume}{SUFFIX}")))
}

async fn list(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = tokio::fs::read_dir(directory).await?;
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let volume = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if let Some(volume) = volume.and_then(|name| name.strip_suffix(SUFFIX)) {
            files.push((volume.to_owned(), entry.path()));
        }
    }
    Ok(files)
}

/// Takes one record over, and says what has become of it.
async fn take(node: &Node, volume: &str, directory: &Path) -> Result<&'static str, Error> {
    let cx = Context::with_timeout(ASK);
    let table = node.mounts.table(&cx).await?;
    let mut staged = None;
    for mount in table.mounts().iter().filter(|mount| mount.is_fuse()) {
        if is_staging_path_of(volume, mount).await {
            staged = Some(mount);
        }
    }
    let Some(staged) = staged else {
        return Ok("its volume is not mounted here, so it is removed");
    };
    let unreadable = |why: String| Error::NoVolume {
        id: volume.to_owned(),
        why,
    };
    let text = match file(directory, volume) {
        Some(file) => tokio::fs::read(file).await,
        None => Err(io::ErrorKind::InvalidFilename.into()),
    };
    let text = text.map_err(|error| unreadable(format!("its record cannot be read: {error}")))?;
    let request = parse(volume, &text, staged.mount_point.clone())?;
    let mut fs = node.ceph_fs(&cx, &request).await?;
    fs.mounter = MounterKind::Fuse;
    node.recovery
        .staged(volume, &staged.mount_point, &fs, &staged.device);
    Ok("what is needed to mount its volume again is taken over, and it is removed")
}

/// What the kubelet asked the original for, as far as it can be told from its record.
fn parse(volume: &str, text: &[u8], staging: PathBuf) -> Result<StageVolume, Error> {
    let malformed = |error: serde_json::Error| Error::NoVolume {
        id: volume.to_owned(),
        // What serde shows of a text may be a part of a secret.
        why: format!(
            "its record is malformed, in line {} column {}",
            error.line(),
            error.column()
        ),
    };
    let Original {
        capability,
        secrets,
    } = serde_json::from_slice(text).map_err(malformed)?;
    let original: OriginalCapability = serde_json::from_str(&capability).map_err(malformed)?;
    let mode = Mode::from_str_name(&original.access_mode.mode);
    let capability = Capability::parse(&VolumeCapability {
        access_mode: Some(AccessMode {
            mode: mode.unwrap_or(Mode::MultiNodeMultiWriter).into(),
        }),
        access_type: Some(AccessType::Mount(MountVolume {
            mount_flags: original.mount.mount_flags,
            ..MountVolume::default()
        })),
    })?;
    let context = BTreeMap::new();
    Ok(StageVolume {
        volume: volume.to_owned(),
        staging,
        source: Source::parse(volume, &context, &secrets)?,
        client: ClientOptions::parse(&context)?,
        capability,
        credentials: Credentials::from_secrets(&secrets)?,
    })
}

/// Whether the kubelet has noted down that `mount` is at the staging path of `volume`. What it notes it
/// down in is beside the mount, and never in it.
async fn is_staging_path_of(volume: &str, mount: &Mount) -> bool {
    let Some(parent) = mount.mount_point.parent() else {
        return false;
    };
    let is_staging = mount.mount_point.ends_with("globalmount");
    let Ok(text) = tokio::fs::read(parent.join("vol_data.json")).await else {
        return false;
    };
    let data = serde_json::from_slice::<VolumeData>(&text);
    is_staging && data.is_ok_and(|data| data.volume_handle == volume)
}
