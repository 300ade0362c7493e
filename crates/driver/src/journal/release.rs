//! Releasing a name.

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::{Error, Journal, Record, keys};
use crate::ids::VolumeUuid;

impl Journal {
    /// Removes what leads to a volume whose subvolume is gone: the directory key, then the record.
    /// Whatever of it is gone already is no error.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn release(&self, cx: &Context, record: &Record) -> Result<(), Error> {
        match &record.request_name {
            Some(name) => {
                self.drop_key(cx, name, &record.uuid, record.uuid.as_str().as_bytes())
                    .await?;
            }
            None => self.drop_keys_to(cx, &record.uuid).await?,
        }
        let remove = WriteOp::new().then(WriteStep::Remove);
        match self
            .cluster
            .write(cx, &self.record(&record.uuid), remove)
            .await
        {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes directory keys that lead to `uuid`, for a volume that has no record to tell its name.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn drop_keys_to(&self, cx: &Context, uuid: &VolumeUuid) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let (entries, more) = self.page(cx, &after).await?;
            for entry in entries.iter().filter(|entry| entry.uuid == *uuid) {
                self.drop_key(cx, &entry.request_name, uuid, &entry.raw)
                    .await?;
            }
            match entries.last().filter(|_| more) {
                Some(last) => after.clone_from(&last.request_name),
                None => return Ok(()),
            }
        }
    }

    /// Removes the key of `name` if it still leads to `uuid`: the name may be somebody else's by now.
    /// `raw` is the value that it most likely has.
    async fn drop_key(
        &self,
        cx: &Context,
        name: &str,
        uuid: &VolumeUuid,
        raw: &[u8],
    ) -> Result<(), Error> {
        match self.drop_key_if(cx, name, raw).await {
            Err(error) if error.kind == ErrorKind::CompareFailed => {}
            other => return Ok(other?),
        }
        match self.entry(cx, name).await? {
            Some(entry) if entry.uuid == *uuid && entry.raw != raw => {
                Ok(self.drop_key_if(cx, name, &entry.raw).await?)
            }
            _ => Ok(()),
        }
    }

    async fn drop_key_if(&self, cx: &Context, name: &str, raw: &[u8]) -> ceph::Result<()> {
        let key = keys::directory_key(name);
        let write = WriteOp::new()
            .then(WriteStep::OmapEquals {
                key: key.clone(),
                value: raw.to_owned(),
            })
            .then(WriteStep::OmapRemove(vec![key]));
        match self.cluster.write(cx, &self.directory(), write).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}
