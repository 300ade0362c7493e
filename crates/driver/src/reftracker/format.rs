//! The bytes, which are shared with ceph-csi and can never change.

use ceph::{Object, ReadAnswer, WriteStep};

use super::{Error, State, malformed};

/// The attribute with the version of the format.
pub(super) const VERSION: &str = "csi.ceph.com/rt-version";

/// The only version there is, big-endian.
const VERSION_1: [u8; 4] = [0, 0, 0, 1];

/// Bytes of the object's data: a big-endian count of the references that are not masked.
pub(super) const COUNT_LEN: usize = 4;

/// A reference: the value of an omap key, one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// Holds the snapshot.
    Normal = 1,
    /// Remembers one that does not hold it any more.
    Mask = 2,
}

/// The object of a snapshot.
pub(super) fn object(snapshot: &str) -> String {
    format!("rt-backingsnapshot-{snapshot}")
}

/// Writes the version of the format.
pub(super) fn version() -> WriteStep {
    WriteStep::SetXattr {
        name: VERSION.to_owned(),
        value: VERSION_1.to_vec(),
    }
}

/// Writes the count.
pub(super) fn count(count: u32) -> WriteStep {
    WriteStep::WriteFull(count.to_be_bytes().to_vec())
}

impl Reference {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        vec![self as u8]
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1] => Some(Self::Normal),
            [2] => Some(Self::Mask),
            _ => None,
        }
    }
}

impl State {
    pub(super) fn parse(object: &Object, answer: &ReadAnswer) -> Result<Self, Error> {
        match answer.xattrs.get(VERSION) {
            Some(version) if *version == VERSION_1 => {}
            Some(_) => return Err(malformed(object, "it has a version that is not known")),
            None => return Err(malformed(object, "it has no version")),
        }
        let count = <[u8; COUNT_LEN]>::try_from(answer.data.as_slice());
        let count =
            count.map_err(|_| malformed(object, "its data is not a count of four bytes"))?;
        let found = answer.omap.iter().map(|(key, value)| {
            let reference = Reference::parse(value);
            let reference =
                reference.ok_or_else(|| malformed(object, "a reference is not known"))?;
            Ok((key.clone(), reference))
        });
        Ok(Self {
            version: answer.version,
            count: u32::from_be_bytes(count),
            found: found.collect::<Result<_, Error>>()?,
        })
    }
}
