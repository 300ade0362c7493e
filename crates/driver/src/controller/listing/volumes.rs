//! From the journal's entries to volumes: which of them exist, and how they are.

use std::collections::BTreeMap;
use std::time::Duration;

use ceph::{Context, ErrorKind};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::position::Position;
use super::presence::Names;
use super::walk::{Batch, Stop};
use super::{LOOKUPS, QUESTIONS};
use crate::ailment::Ailment;
use crate::backend::Session;
use crate::controller::{Controller, health};
use crate::error::Error;
use crate::ids::{Volume, VolumeId};
use crate::journal::{self, Entry, Record};

/// A volume.
pub(in crate::controller) struct ListedVolume {
    /// Its id.
    pub(in crate::controller) id: VolumeId,
    /// What the journal knows.
    pub(in crate::controller) record: Record,
    /// What is wrong with it.
    pub(in crate::controller) ailments: Vec<Ailment>,
}

/// The volumes behind the entries. With `patience` the manager gets no longer to tell which subvolumes
/// there are; what it has not told by then is taken as being there.
///
/// # Errors
/// [`Error::Listing`].
pub(in crate::controller) async fn volumes(
    controller: &Controller,
    cx: &Context,
    batch: Batch<Volume>,
    patience: Option<Duration>,
) -> Result<Vec<(Position, Option<ListedVolume>)>, Error> {
    let Batch { at, entries } = batch;
    let of = Of {
        controller,
        cx,
        at: &at,
        patience,
    };
    let found = of.all(entries).await;
    found.map_err(|error| Error::Listing {
        cluster: at.session.cluster.cluster_id.clone(),
        source: Box::new(at.session.explain(error)),
    })
}

/// The file system that entries are of.
struct Of<'a> {
    controller: &'a Controller,
    cx: &'a Context,
    at: &'a Stop,
    patience: Option<Duration>,
}

/// Names of subvolumes by group, of the groups whose names are known.
type NamesOfGroups = BTreeMap<String, Names>;

/// An entry with its record.
struct Found {
    entry: Entry<Volume>,
    /// What is to be taken as the record.
    record: Record,
    /// Whether there is one.
    recorded: bool,
    unreadable: Option<Ailment>,
}

impl Of<'_> {
    async fn all(
        &self,
        entries: Vec<Entry<Volume>>,
    ) -> Result<Vec<(Position, Option<ListedVolume>)>, Error> {
        let found: Vec<Found> = stream::iter(entries.into_iter().map(|entry| self.read(entry)))
            .buffered(LOOKUPS)
            .try_collect()
            .await?;
        let names = self.names(&found).await?;
        let resolved = found.into_iter().map(|found| self.resolve(&names, found));
        stream::iter(resolved)
            .buffered(QUESTIONS)
            .try_collect()
            .await
    }

    async fn read(&self, entry: Entry<Volume>) -> Result<Found, Error> {
        let looked_up = self.at.session.journal.lookup(self.cx, &entry.uuid).await;
        let (record, unreadable) = match looked_up {
            Ok(record) => (record, None),
            Err(error @ journal::Error::Ceph(_)) => return Err(error.into()),
            Err(error) => (None, Some(health::unreadable(&error))),
        };
        Ok(Found {
            recorded: record.is_some() || unreadable.is_some(),
            record: record.unwrap_or_else(|| Record::without_journal(&entry.uuid)),
            entry,
            unreadable,
        })
    }

    async fn resolve(
        &self,
        names: &NamesOfGroups,
        found: Found,
    ) -> Result<(Position, Option<ListedVolume>), Error> {
        let position = self.at.position(&found.entry.request_name);
        let missing = match self.presence(names, &found).await? {
            Presence::None => return Ok((position, None)),
            Presence::Missing(ailment) => Some(ailment),
            Presence::Present => None,
        };
        let Session {
            filesystem,
            cluster,
            ..
        } = &self.at.session;
        let details = found.record.details.as_ref();
        let pool = details.and_then(|details| details.pool.as_deref());
        let mut ailments = health::ailments(&self.at.report, filesystem, pool);
        ailments.extend(found.unreadable.into_iter().chain(missing));
        let uuid = found.record.uuid.clone();
        let volume = ListedVolume {
            id: VolumeId::new(&cluster.cluster_id, filesystem.id, uuid)?,
            record: found.record,
            ailments,
        };
        Ok((position, Some(volume)))
    }

    async fn presence(&self, names: &NamesOfGroups, found: &Found) -> Result<Presence, Error> {
        let session = &self.at.session;
        let subvolume = session.subvolume(&found.record);
        if found.is_noted() && self.at.siblings.contains(&subvolume.group) {
            return Ok(Presence::None); // listed under the clusterID of that group
        }
        // A volume that shows a snapshot has no subvolume; and without metadata servers nobody can tell.
        if found.record.backing_snapshot.is_some() {
            let begun = found.record.unfinished().is_some();
            return Ok(if begun {
                Presence::None
            } else {
                Presence::Present
            });
        }
        if self.is_offline() {
            return Ok(Presence::Present);
        }
        let doubtful = found.is_doubtful(self.at);
        match names.get(&subvolume.group) {
            Some(names) if names.contains(&subvolume.name) => return Ok(Presence::Present),
            None if !doubtful => return Ok(Presence::Present),
            _ => {}
        }
        // Newer than the names, or gone.
        match session.subvolumes.path(self.cx, &subvolume).await {
            Ok(_) => Ok(Presence::Present),
            // A clone that is being filled.
            Err(error) if matches!(error.kind, ErrorKind::NotReady | ErrorKind::Busy) => {
                Ok(Presence::Present)
            }
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::GroupNotFound) => {
                // Being deleted, or another's: then it is none, and its name leads nowhere by now.
                let is_none = doubtful
                    || !session
                        .journal
                        .is_reserved(self.cx, &found.entry.request_name, &found.entry.uuid)
                        .await?;
                Ok(if is_none {
                    Presence::None
                } else {
                    Presence::Missing(health::missing(&error))
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of the groups that the entries are in.
    async fn names(&self, found: &[Found]) -> Result<NamesOfGroups, Error> {
        let (directories, session) = (&self.controller.directories, &self.at.session);
        let mut names = NamesOfGroups::new();
        if self.is_offline() {
            return Ok(names);
        }
        let mut groups: BTreeMap<String, bool> = BTreeMap::new();
        for found in found {
            let group = session.subvolume(&found.record).group;
            *groups.entry(group).or_default() |= found.is_doubtful(self.at);
        }
        for (group, doubtful) in groups {
            let patience = self.patience.filter(|_| !doubtful);
            let of_group = match patience {
                Some(patience) => {
                    directories
                        .get_soon(self.cx, session, &group, patience)
                        .await
                }
                None => directories.get(self.cx, session, &group).await.map(Some),
            };
            let of_group = match of_group {
                // Every one of its volumes is missing then.
                Err(Error::Ceph(error)) if error.kind == ErrorKind::GroupNotFound => {
                    Some(Names::default())
                }
                other => other?,
            };
            names.extend(of_group.map(|of_group| (group, of_group)));
        }
        Ok(names)
    }

    fn is_offline(&self) -> bool {
        health::is_offline(&self.at.report, &self.at.session.filesystem)
    }
}

impl Found {
    /// Whether the record names the volume's group.
    fn is_noted(&self) -> bool {
        self.record.details.is_some()
    }

    /// Whether only the subvolume can tell that this is a volume of `at`.
    fn is_doubtful(&self, at: &Stop) -> bool {
        !self.recorded || (!self.is_noted() && !at.siblings.is_empty())
    }
}

/// Whether an entry stands for a volume.
enum Presence {
    /// It does.
    Present,
    /// It does, and the volume has no subvolume.
    Missing(Ailment),
    /// It does not.
    None,
}
