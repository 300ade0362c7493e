//! Arguments of the commands, with their exact names and types.

use serde::Serialize;

use crate::snapshot::Snapshot;
use crate::subvolume::Subvolume;
use crate::{Error, ErrorKind, Result};

/// The arguments that name a subvolume.
#[derive(Serialize)]
pub(super) struct Target<'a> {
    #[serde(rename = "vol_name")]
    pub(super) fs: &'a str,
    #[serde(rename = "sub_name")]
    pub(super) name: &'a str,
    #[serde(rename = "group_name", skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Refuses what the manager takes for a path: `fs subvolume rm` with an empty name moves the whole
    /// group, with every volume in it, to the trash, and `create` of `..` breaks all groups.
    pub(super) fn new(at: &'a Subvolume) -> Result<Self> {
        Ok(Self {
            fs: &at.fs,
            name: path_component("subvolume name", &at.name)?,
            group: group_name(&at.group)?,
        })
    }
}

fn group_name(group: &str) -> Result<Option<&str>> {
    if group.is_empty() {
        return Ok(None);
    }
    path_component("subvolume group", group).map(Some)
}

/// The arguments that name a snapshot.
#[derive(Serialize)]
pub(super) struct SnapshotTarget<'a> {
    #[serde(flatten)]
    pub(super) of: Target<'a>,
    #[serde(rename = "snap_name")]
    pub(super) name: &'a str,
}

impl<'a> SnapshotTarget<'a> {
    /// The mds keeps names that begin with `_` to itself.
    pub(super) fn new(at: &'a Snapshot) -> Result<Self> {
        let name = path_component("snapshot name", &at.name)?;
        if name.starts_with('_') {
            let call = format!("snapshot name `{}`", name.escape_debug());
            let detail = "must not begin with `_`";
            return Err(Error::new(ErrorKind::Invalid, call, detail));
        }
        let of = Target::new(&at.of)?;
        Ok(Self { of, name })
    }
}

/// `%` is in it because the manager leaves a subvolume that it can neither use nor remove.
fn path_component<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0', '%']) {
        let call = format!("{what} `{}`", name.escape_debug());
        return Err(Error::new(
            ErrorKind::Invalid,
            call,
            "must name one directory, without `/` and `%`",
        ));
    }
    Ok(name)
}

#[derive(Serialize)]
pub(super) struct Create<'a> {
    #[serde(flatten)]
    pub(super) at: Target<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool_layout: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Resize<'a> {
    #[serde(flatten)]
    pub(super) at: Target<'a>,
    /// Text, because `inf` is allowed too.
    pub(super) new_size: String,
    pub(super) no_shrink: bool,
}

#[derive(Serialize)]
pub(super) struct Remove<'a> {
    #[serde(flatten)]
    pub(super) at: Target<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) force: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retain_snapshots: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct SetMetadata<'a, T> {
    #[serde(flatten)]
    pub(super) at: T,
    pub(super) key_name: &'a str,
    pub(super) value: String,
}

impl<'a, T> SetMetadata<'a, T> {
    /// The manager keeps metadata in an INI file without minding its syntax: it takes keys that cannot
    /// be read back, or that damage their neighbours, and refuses a single `%`, which starts a reference.
    pub(super) fn new(at: T, key: &'a str, value: &str) -> Result<Self> {
        let odd_start = key.starts_with(|c: char| c.is_whitespace() || "#;[".contains(c));
        if key.is_empty() || odd_start || key.contains(['=', ':', '\n', '\r']) {
            let call = format!("metadata key `{}`", key.escape_debug());
            let detail =
                "a key has no `=`, `:` or line break and starts with none of `#`, `;`, `[`, space";
            return Err(Error::new(ErrorKind::Invalid, call, detail));
        }
        Ok(Self {
            at,
            key_name: key,
            value: value.replace('%', "%%"),
        })
    }
}

#[derive(Serialize)]
pub(super) struct Clone<'a> {
    #[serde(flatten)]
    pub(super) from: SnapshotTarget<'a>,
    pub(super) target_sub_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool_layout: Option<&'a str>,
}

impl<'a> Clone<'a> {
    /// The manager clones within one file system only.
    pub(super) fn new(
        from: &'a Snapshot,
        to: &'a Subvolume,
        pool: Option<&'a str>,
    ) -> Result<Self> {
        let target = Target::new(to)?;
        if from.of.fs != to.fs {
            let call = format!("clone of a snapshot of file system `{}`", from.of.fs);
            let detail = format!("cannot be in another file system, `{}`", to.fs);
            return Err(Error::new(ErrorKind::Invalid, call, detail));
        }
        Ok(Self {
            from: SnapshotTarget::new(from)?,
            target_sub_name: target.name,
            target_group_name: target.group,
            pool_layout: pool,
        })
    }
}

/// The arguments that name a clone, which are not those that name a subvolume.
#[derive(Serialize)]
pub(super) struct CloneTarget<'a> {
    #[serde(rename = "vol_name")]
    fs: &'a str,
    #[serde(rename = "clone_name")]
    name: &'a str,
    #[serde(rename = "group_name", skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

impl<'a> CloneTarget<'a> {
    pub(super) fn new(at: &'a Subvolume) -> Result<Self> {
        let target = Target::new(at)?;
        Ok(Self {
            fs: target.fs,
            name: target.name,
            group: target.group,
        })
    }
}

#[derive(Serialize)]
pub(super) struct List<'a> {
    pub(super) vol_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group_name: Option<&'a str>,
}

impl<'a> List<'a> {
    pub(super) fn new(fs: &'a str, group: &'a str) -> Result<Self> {
        Ok(Self {
            vol_name: fs,
            group_name: group_name(group)?,
        })
    }
}
