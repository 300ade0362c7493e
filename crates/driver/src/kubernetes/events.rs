//! Events, and the objects that they are about.

use ceph::Context;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Api, Error, escaped};

/// Names of Events end at 253 characters.
const LONGEST_NAME: usize = 200;

/// The kinds of objects that are asked for.
const CLAIM: &str = "PersistentVolumeClaim";
const VOLUME: &str = "PersistentVolume";
const CONTENT: &str = "VolumeSnapshotContent";

/// An object, as an Event refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectRef {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    named: Named,
}

/// The part of a reference, and of an object's metadata, that is used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    namespace: String,
    name: String,
    uid: String,
}

/// An Event that is to be kept.
#[derive(Debug)]
pub(crate) struct NewEvent<'a> {
    pub(crate) about: ObjectRef,
    /// One word.
    pub(crate) reason: String,
    /// `Normal` or `Warning`.
    pub(crate) severity: String,
    /// At most 1024 characters.
    pub(crate) message: String,
    pub(crate) at: Timestamp,
    /// Who tells it.
    pub(crate) driver: &'a str,
    /// Where.
    pub(crate) node: &'a str,
}

/// The part of a PersistentVolumeClaim that is used here.
#[derive(Deserialize)]
struct Claim {
    metadata: Named,
}

/// The part of a PersistentVolume that is used here.
#[derive(Deserialize)]
struct Volume {
    spec: VolumeSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeSpec {
    claim_ref: Option<Named>,
}

/// The part of a VolumeSnapshotContent that is used here.
#[derive(Deserialize)]
struct Content {
    spec: ContentSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentSpec {
    volume_snapshot_ref: Option<Named>,
}

impl Api {
    /// A claim by its name.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn claim(
        &self,
        cx: &Context,
        namespace: &str,
        name: &str,
    ) -> Result<ObjectRef, Error> {
        let (in_namespace, name) = (escaped(namespace), escaped(name));
        let path = format!("/api/v1/namespaces/{in_namespace}/persistentvolumeclaims/{name}");
        let claim: Claim = self.object(cx, CLAIM, &path).await?;
        Ok(ObjectRef::claim(claim.metadata))
    }

    /// The claim that a PersistentVolume is bound to, `None` if it is to none.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn claim_of(
        &self,
        cx: &Context,
        volume: &str,
    ) -> Result<Option<ObjectRef>, Error> {
        let path = format!("/api/v1/persistentvolumes/{}", escaped(volume));
        let volume: Volume = self.object(cx, VOLUME, &path).await?;
        Ok(volume.spec.claim_ref.map(ObjectRef::claim))
    }

    /// The snapshot that a VolumeSnapshotContent is bound to.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn snapshot_of(
        &self,
        cx: &Context,
        content: &str,
    ) -> Result<Option<ObjectRef>, Error> {
        let content = escaped(content);
        let path = format!("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/{content}");
        let content: Content = self.object(cx, CONTENT, &path).await?;
        Ok(content.spec.volume_snapshot_ref.map(ObjectRef::snapshot))
    }

    /// Keeps an Event.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn create_event(
        &self,
        cx: &Context,
        event: &NewEvent<'_>,
    ) -> Result<(), Error> {
        let namespace = escaped(&event.about.named.namespace);
        let path = format!("/api/v1/namespaces/{namespace}/events");
        let body = event.json().to_string().into_bytes();
        self.post(cx, "Event", &path, body).await
    }

    async fn object<T: DeserializeOwned>(
        &self,
        cx: &Context,
        expected: &'static str,
        path: &str,
    ) -> Result<T, Error> {
        let body = self.get(cx, expected, path).await?;
        serde_json::from_slice(&body).map_err(|_| Error::BadAnswer { expected })
    }
}

impl ObjectRef {
    fn claim(named: Named) -> Self {
        Self {
            api_version: "v1",
            kind: CLAIM,
            named,
        }
    }

    fn snapshot(named: Named) -> Self {
        Self {
            api_version: "snapshot.storage.k8s.io/v1",
            kind: "VolumeSnapshot",
            named,
        }
    }
}

impl NewEvent<'_> {
    /// What the API takes. The name is made as Kubernetes' own clients make it.
    fn json(&self) -> serde_json::Value {
        let (named, at) = (&self.about.named, format!("{:.0}", self.at));
        let short: String = named.name.chars().take(LONGEST_NAME).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{short}.{:x}", self.at.as_nanosecond()),
                "namespace": named.namespace,
            },
            "involvedObject": self.about,
            "type": self.severity,
            "reason": self.reason,
            "message": self.message,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": self.driver, "host": self.node},
            "reportingComponent": self.driver,
            "reportingInstance": self.node,
        })
    }
}
