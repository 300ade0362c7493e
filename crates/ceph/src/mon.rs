//! Asking the monitors.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Cluster, Command, Context, Error, ErrorKind, Result};

/// The arguments of a command that has none.
#[derive(Serialize)]
pub(crate) struct NoArguments {}

/// `detail` as an argument, which makes some commands tell more.
#[derive(Serialize)]
pub(crate) struct Detail {
    detail: &'static str,
}

/// The only [`Detail`].
pub(crate) const DETAIL: Detail = Detail { detail: "detail" };

/// Runs the monitor command `prefix` and reads its answer.
pub(crate) async fn ask<T: DeserializeOwned>(
    cluster: &dyn Cluster,
    cx: &Context,
    prefix: &'static str,
    arguments: &(impl Serialize + Sync),
) -> Result<T> {
    let command = Command::new(prefix, arguments)?;
    parse(prefix, &cluster.mon_command(cx, &command).await?)
}

/// Reads an answer.
pub(crate) fn parse<T: DeserializeOwned>(prefix: &str, answer: &[u8]) -> Result<T> {
    serde_json::from_slice(answer).map_err(|error| {
        let call = format!("mon command `{prefix}`");
        Error::new(ErrorKind::BadAnswer, call, error.to_string())
    })
}
