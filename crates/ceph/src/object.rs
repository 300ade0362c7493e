//! RADOS objects and the atomic operations on one of them, as plain data.

use std::collections::BTreeMap;

/// Where an object is. RADOS creates a namespace by its use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Pool id.
    pub pool: i64,
    /// RADOS namespace, `""` for the default one.
    pub namespace: String,
    /// Object name.
    pub name: String,
}

/// A write operation: all steps take effect, or none. Steps run in the given order, but comparisons see
/// the omap and the version from before the first step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOp {
    /// The steps.
    pub steps: Vec<WriteStep>,
}

/// One step of a [`WriteOp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteStep {
    /// Create the object; fails with `AlreadyExists` if it is there.
    CreateExclusive,
    /// Create the object if it is not there.
    Create,
    /// Fail with `NotFound` if the object is not there.
    AssertExists,
    /// Fail with `VersionChanged` unless the object has this version; 0 is `Invalid`.
    AssertVersion(u64),
    /// Fail with `CompareFailed` unless the omap value of `key` equals `value`; an absent key compares
    /// as the empty value. The object must exist (put [`WriteStep::Create`] before it).
    OmapEquals {
        /// Omap key.
        key: String,
        /// The value that must be there.
        value: Vec<u8>,
    },
    /// Set omap keys.
    OmapSet(BTreeMap<String, Vec<u8>>),
    /// Remove omap keys; absent ones are no error. `NotFound` if the object is not there.
    OmapRemove(Vec<String>),
    /// Set an extended attribute.
    SetXattr {
        /// Attribute name.
        name: String,
        /// Attribute value.
        value: Vec<u8>,
    },
    /// Replace the whole data of the object.
    WriteFull(Vec<u8>),
    /// Remove the object; `NotFound` if it is not there.
    Remove,
}

impl WriteOp {
    /// An operation without steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it does, without the object's name: `omap write`, `write` or `removal`.
    pub fn kind(&self) -> &'static str {
        let has = |wanted: fn(&WriteStep) -> bool| self.steps.iter().any(wanted);
        if has(|step| matches!(step, WriteStep::Remove)) {
            "removal"
        } else if has(|step| matches!(step, WriteStep::OmapSet(_) | WriteStep::OmapRemove(_))) {
            "omap write"
        } else {
            "write"
        }
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: WriteStep) -> Self {
        self.steps.push(step);
        self
    }
}

/// A read operation on one object: a consistent view of everything asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOp {
    /// Fail with `VersionChanged` unless the object has this version.
    pub assert_version: Option<u64>,
    /// Omap keys whose values are wanted; absent ones are left out of the answer.
    pub omap_keys: Vec<String>,
    /// A page of the omap.
    pub omap_page: Option<OmapPage>,
    /// Names of wanted extended attributes; absent ones are left out of the answer.
    pub xattrs: Vec<String>,
    /// Read the data, at most this many bytes from the start.
    pub data: Option<usize>,
}

impl ReadOp {
    /// What it does, without the object's name: `omap read` or `read`.
    pub fn kind(&self) -> &'static str {
        if self.omap_page.is_some() || !self.omap_keys.is_empty() {
            "omap read"
        } else {
            "read"
        }
    }
}

/// A page of an omap listing, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmapPage {
    /// Start after this key; `""` for the start. So a key that is empty itself is in no page.
    pub after: String,
    /// Only keys with this prefix.
    pub prefix: String,
    /// At most this many entries (the OSD may return fewer and set [`ReadAnswer::more`]).
    pub max: u64,
}

/// What a [`ReadOp`] found. `NotFound` is an error, not an empty answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadAnswer {
    /// The version of the object, for [`WriteStep::AssertVersion`].
    pub version: u64,
    /// Values of the asked keys and the entries of the asked page.
    pub omap: BTreeMap<String, Vec<u8>>,
    /// Whether the page has a successor.
    pub more: bool,
    /// The attributes found.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The data read.
    pub data: Vec<u8>,
}
