//! ControllerGetVolume: the size of a volume, and its condition.
//!
//! | code | when | what the caller does |
//! |---|---|---|
//! | OK, abnormal | the volume cannot be used as it is: see [`super::health`] | tells people |
//! | INVALID_ARGUMENT | no id | mends the request |
//! | NOT_FOUND | no such volume | takes it as gone |
//! | FAILED_PRECONDITION | the driver has no credentials of its own for the cluster | asks again later |
//! | ABORTED | the volume is being made | asks again later |

use ceph::{Context, ErrorKind};
use csi_proto::v1::controller_get_volume_response::VolumeStatus;
use csi_proto::v1::{ControllerGetVolumeRequest, ControllerGetVolumeResponse, Volume};

use super::{Controller, health};
use crate::ailment::{Ailment, condition};
use crate::credentials::Secrets;
use crate::error::Error;
use crate::request::volume_id;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ControllerGetVolumeRequest,
) -> Result<ControllerGetVolumeResponse, Error> {
    let id = volume_id(&request.volume_id)?;
    let known = controller.examine(cx, id, &Secrets::new()).await?;
    let status = VolumeStatus {
        volume_condition: Some(condition(&known.ailments)),
        ..VolumeStatus::default()
    };
    Ok(ControllerGetVolumeResponse {
        volume: Some(volume(id.to_owned(), known.size)),
        status: Some(status),
    })
}

/// A volume as listings tell it. Its context is not stored anywhere, so it is left out.
pub(super) fn volume(volume_id: String, size: Option<u64>) -> Volume {
    Volume {
        volume_id,
        capacity_bytes: size.map_or(0, u64::cast_signed),
        ..Volume::default()
    }
}

/// What is known about one volume.
pub(super) struct Known {
    /// Its quota.
    pub(super) size: Option<u64>,
    /// What is wrong with it.
    pub(super) ailments: Vec<Ailment>,
}

impl Controller {
    /// Finds out how the volume `id` is. Without `secrets` the driver's own credentials are used.
    ///
    /// # Errors
    /// [`Error::NotDynamic`], [`Error::NoVolume`] if neither the journal nor Ceph knows it.
    pub(super) async fn examine(
        &self,
        cx: &Context,
        id: &str,
        secrets: &Secrets,
    ) -> Result<Known, Error> {
        let credentials = self.credentials_for(cx, id, secrets).await?;
        let (session, record) = self.open_record(cx, id, &credentials).await?;
        let report = ceph::health::report(&**session.connection.cluster(), cx).await;
        let report = report.map_err(|error| session.explain(error.into()))?;
        let noted = record.details.clone().unwrap_or_default();
        let of_pool = |pool: Option<&str>| health::ailments(&report, &session.filesystem, pool);
        // A volume that shows a snapshot has no subvolume; and without metadata servers nobody can tell.
        if record.backing_snapshot.is_some() || health::is_offline(&report, &session.filesystem) {
            let ailments = of_pool(noted.pool.as_deref());
            let size = noted.size;
            return Ok(Known { size, ailments });
        }
        match session
            .subvolumes
            .existing(cx, &session.subvolume(&record))
            .await
        {
            Ok(info) => Ok(Known {
                size: info.quota,
                ailments: of_pool(Some(&info.data_pool)),
            }),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::GroupNotFound) => {
                let reserved = match &record.request_name {
                    Some(name) => session.journal.is_reserved(cx, name, &record.uuid).await,
                    None => Ok(false),
                };
                if !reserved.map_err(|error| session.explain(error.into()))? {
                    let why = error.to_string();
                    return Err(Error::NoVolume {
                        id: id.to_owned(),
                        why,
                    });
                }
                let mut ailments = of_pool(noted.pool.as_deref());
                ailments.push(health::missing(&error));
                let size = noted.size;
                Ok(Known { size, ailments })
            }
            Err(error) => Err(session.explain(error.into())),
        }
    }
}
