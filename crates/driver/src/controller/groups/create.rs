//! CreateVolumeGroupSnapshot: a name becomes one snapshot of each volume, all of the same moment.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | INVALID_ARGUMENT | a field, parameter or secret is wrong; the volumes are not all of one file system; one shows a snapshot itself | final |
//! | NOT_FOUND | no such volume | final |
//! | ALREADY_EXISTS | the name has a group snapshot of other volumes | final |
//! | RESOURCE_EXHAUSTED | a volume has as many snapshots as Ceph allows | asks again |
//! | FAILED_PRECONDITION | this Ceph cannot hold writes back; snapshots of the group were deleted; config.json lacks the cluster | final; asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on; clients did not hold their writes back in time | asks again with the same name |
//!
//! All names are reserved first, so that the writes are held back for the snapshots alone. Only then the
//! group gets its members: until that moment a repeat takes all snapshots anew, as those that are there may
//! be of another moment. A failure whose effect is known is undone before the answer.

use std::collections::BTreeMap;

use ceph::Context;
use csi_proto::v1::{
    CreateVolumeGroupSnapshotRequest, CreateVolumeGroupSnapshotResponse, VolumeGroupSnapshot,
};
use futures::future::join_all;

use super::super::{Controller, create_snapshot, is_undone, snapshot};
use super::members::{self, Member, all};
use super::{message, quiet};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::Group;
use crate::journal::{self, Attempt, GroupRecord, NewGroup, Reservation, SnapshotRecord, Taken};
use crate::operations::Held;
use crate::request::CreateGroupSnapshot;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &CreateVolumeGroupSnapshotRequest,
) -> Result<CreateVolumeGroupSnapshotResponse, Error> {
    let request = CreateGroupSnapshot::parse(request)?;
    let (session, members) = members::open(controller, cx, held, &request).await?;
    let _foreground = controller.trail.foreground(&session);
    let group = find_or_make(controller, cx, held, &session, &request, &members).await;
    let group = group.map_err(|error| session.explain(error))?;
    Ok(CreateVolumeGroupSnapshotResponse {
        group_snapshot: Some(group),
    })
}

async fn find_or_make(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    session: &Session,
    request: &CreateGroupSnapshot,
    members: &[Member],
) -> Result<VolumeGroupSnapshot, Error> {
    let journal = &session.group_journal;
    if let Some(group) = journal.find(cx, &request.name).await?
        && members::are_complete(cx, session, &group, members).await?
    {
        return found(cx, session, &group).await;
    }
    let set = quiet::set(session, &request.name);
    quiet::end_earlier(cx, session, &set).await?;
    let new = NewGroup {
        name_prefix: request.name_prefix.clone(),
        attempt: Attempt::now(),
    };
    let group = match journal.reserve(cx, &request.name, &new).await? {
        Reservation::New(group) => group,
        Reservation::Found(group) => {
            if members::are_complete(cx, session, &group, members).await? {
                return found(cx, session, &group).await;
            }
            let again = begin_again(cx, session, &group).await;
            again.map_err(|error| Error::begun::<Group>(&request.name, error))?
        }
    };
    let _names = members::hold(held, &group, members)?;
    let mut reserved = Vec::new();
    let attempt = Try {
        controller,
        cx,
        session,
        group: &group,
        members,
    };
    match attempt.make(&set, &mut reserved).await {
        Ok((group, made)) => {
            for (record, _) in &made {
                controller.trail.push_snapshot(session, record);
            }
            message::made(session, &group, &made)
        }
        Err(error) => {
            let is_undone = give_back(cx, session, &group, &reserved, &error).await;
            Err(if is_undone {
                error
            } else {
                Error::begun::<Group>(&request.name, error)
            })
        }
    }
}

/// Tells of a group that was complete before this call.
async fn found(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
) -> Result<VolumeGroupSnapshot, Error> {
    let told = message::look(cx, session, group).await;
    let name = group.request_name.as_deref().unwrap_or_default();
    let told = told.map_err(|error| Error::begun::<Group>(name, error))?;
    let gone = told.snapshots.iter().filter(|one| !one.ready_to_use);
    let missing: Vec<_> = gone.map(|one| one.snapshot_id.clone()).collect();
    if missing.is_empty() {
        return Ok(told);
    }
    Err(Error::GroupIncomplete {
        id: told.group_snapshot_id,
        missing,
    })
}

/// Takes over a group that was cut short. What there is of it was there before this call took over, so it
/// is nobody's who still goes on.
async fn begin_again(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
) -> Result<GroupRecord, Error> {
    let prefix = group.member_prefix();
    let left = session.snapshot_journal.named_under(cx, &prefix).await?;
    let group = session.group_journal.begin(cx, group).await?;
    let discards = left
        .iter()
        .map(|entry| members::discard(cx, session, entry));
    all(join_all(discards).await)?;
    Ok(group)
}

/// One attempt at a group.
struct Try<'a> {
    controller: &'a Controller,
    cx: &'a Context,
    session: &'a Session,
    group: &'a GroupRecord,
    members: &'a [Member],
}

/// A failure while the writes were held back, with the volume that it is about.
struct Failure<'a>(Option<&'a Member>, ceph::Error);

impl From<ceph::Error> for Failure<'_> {
    fn from(error: ceph::Error) -> Self {
        Self(None, error)
    }
}

impl Try<'_> {
    /// Makes the group; `reserved` are the snapshots that a failure leaves, or their names.
    async fn make(
        &self,
        set: &ceph::QuiesceSet,
        reserved: &mut Vec<SnapshotRecord>,
    ) -> Result<(GroupRecord, Vec<(SnapshotRecord, Taken)>), Error> {
        let Self { cx, session, .. } = *self;
        let quotas = members::quotas(cx, session, self.members).await?;
        members::reserve(
            self.controller,
            cx,
            session,
            self.group,
            self.members.iter().zip(&quotas),
            reserved,
        )
        .await?;
        self.take(set, reserved).await?;
        let infos = reserved
            .iter()
            .zip(quotas)
            .map(|(record, quota)| async move {
                let at = session.snapshot(record);
                let info = session.snapshots.info(cx, &at).await;
                let info = info.map_err(|error| overtaken(self.group, error))?;
                let taken = Taken::new(info.created_at, quota);
                let taken = snapshot::note(cx, session, record, taken).await?;
                self.controller.snapshot_clocks.tell(session, taken);
                Ok((record.clone(), taken))
            });
        let made = all(join_all(infos).await)?;
        let mut ids = BTreeMap::new();
        for (member, (record, _)) in self.members.iter().zip(&made) {
            let snapshot = members::snapshot_id(session, record)?;
            ids.insert(member.id.to_string(), snapshot.to_string());
        }
        let at = made.iter().map(|(_, taken)| taken.at).min();
        let journal = &session.group_journal;
        let at = at.unwrap_or_default();
        let group = journal.complete(cx, self.group, ids, at).await?;
        Ok((group, made))
    }

    /// Takes all snapshots while nothing is written.
    async fn take(&self, set: &ceph::QuiesceSet, reserved: &[SnapshotRecord]) -> Result<(), Error> {
        let Self { cx, session, .. } = *self;
        let subvolumes: Vec<_> = self.members.iter().map(|one| one.at.clone()).collect();
        let pairs = self.members.iter().zip(reserved);
        let work = |cx: Context| async move {
            let create = pairs.map(|(member, record)| {
                let at = session.snapshot(record);
                let cx = &cx;
                async move {
                    let created = session.snapshots.create(cx, &at).await;
                    created.map_err(|error| Failure(Some(member), error))
                }
            });
            let results = join_all(create).await;
            let failed = results.into_iter().filter_map(Result::err);
            // That of unknown effect counts, as it forbids to undo the others.
            match failed.max_by_key(|Failure(_, error)| error.has_unknown_effect()) {
                Some(failure) => Err(failure),
                None => Ok(()),
            }
        };
        match quiet::during(cx, session, set, &subvolumes, work).await {
            Ok(()) => Ok(()),
            Err(Failure(Some(member), error)) => {
                let id = member.id.to_string();
                Err(create_snapshot::refusal(cx, session, &id, &member.at, error).await)
            }
            Err(Failure(None, error)) => Err(error.into()),
        }
    }
}

/// A snapshot that is gone was removed by somebody who makes the group as well.
fn overtaken(group: &GroupRecord, error: ceph::Error) -> Error {
    if error.is_snapshot_gone() {
        return journal::Error::Contended(group.name.clone()).into();
    }
    error.into()
}

/// Removes what was made, and gives the names back. `false` where the effect of the failure is unknown, or cannot
/// be undone: all stays for the repeat, which begins with removing it.
async fn give_back(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
    reserved: &[SnapshotRecord],
    error: &Error,
) -> bool {
    if error.has_unknown_effect() {
        return false;
    }
    let undone = match begin_again(cx, session, group).await {
        Ok(group) => session
            .group_journal
            .give_attempt_up(cx, &group)
            .await
            .map_err(Error::from),
        // Somebody else is at the group: theirs is what is not ours.
        Err(Error::Journal(journal::Error::Contended(_))) => {
            let undo = reserved
                .iter()
                .map(|record| members::undo(cx, session, record));
            all(join_all(undo).await).map(drop)
        }
        Err(error) => Err(error),
    };
    is_undone(error, &undone)
}
