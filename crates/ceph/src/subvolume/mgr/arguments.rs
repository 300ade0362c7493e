//! Arguments of the commands, with their exact names and types.

use serde::Serialize;

use super::super::Subvolume;
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
    pub(super) retain_snapshots: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct SetMetadata<'a> {
    #[serde(flatten)]
    pub(super) at: Target<'a>,
    pub(super) key_name: &'a str,
    pub(super) value: String,
}

impl<'a> SetMetadata<'a> {
    /// The manager keeps metadata in an INI file without minding its syntax: it takes keys that cannot
    /// be read back, or that damage their neighbours, and refuses a single `%`, which starts a reference.
    pub(super) fn new(at: &'a Subvolume, key: &'a str, value: &str) -> Result<Self> {
        let odd_start = key.starts_with(|c: char| c.is_whitespace() || "#;[".contains(c));
        if key.is_empty() || odd_start || key.contains(['=', ':', '\n', '\r']) {
            let call = format!("metadata key `{}`", key.escape_debug());
            let detail =
                "a key has no `=`, `:` or line break and starts with none of `#`, `;`, `[`, space";
            return Err(Error::new(ErrorKind::Invalid, call, detail));
        }
        Ok(Self {
            at: Target::new(at)?,
            key_name: key,
            value: value.replace('%', "%%"),
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
