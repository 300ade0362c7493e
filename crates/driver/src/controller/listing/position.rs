//! Where a listing goes on, and the token that says it.

use crate::backend::Session;
use crate::error::Error;

/// A place in the order of all that can be listed. The derived order is that order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller) struct Position {
    /// clusterID.
    pub(super) cluster: String,
    /// File system id.
    pub(super) fs: i64,
    /// Request name.
    pub(super) name: String,
}

/// Starts every token, so that those of other releases are told apart.
const VERSION: &str = "1:";

impl Position {
    /// Where what was asked for by `name` is in the file system of `session`.
    pub(super) fn of(session: &Session, name: &str) -> Self {
        Self {
            cluster: session.cluster.cluster_id.clone(),
            fs: session.filesystem.id,
            name: name.to_owned(),
        }
    }

    /// Where `token` says; the start if there is none.
    ///
    /// # Errors
    /// [`Error::Token`].
    pub(in crate::controller) fn from_token(token: &str) -> Result<Self, Error> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let json = token.strip_prefix(VERSION).ok_or(Error::Token)?;
        let (cluster, fs, name) = serde_json::from_str(json).map_err(|_| Error::Token)?;
        Ok(Self { cluster, fs, name })
    }

    /// The token for a page that begins after this place.
    pub(super) fn token(&self) -> String {
        let json = serde_json::json!([self.cluster, self.fs, self.name]);
        format!("{VERSION}{json}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for name in ["pvc-1", "", "\"[,]\\ \n", "ü"] {
            let position = Position {
                cluster: "rook-ceph".to_owned(),
                fs: 7,
                name: name.to_owned(),
            };
            assert_eq!(Position::from_token(&position.token()).unwrap(), position);
        }
        assert_eq!(Position::from_token("").unwrap(), Position::default());
    }

    #[test]
    fn anything_else_is_refused() {
        let tokens = [
            "1",
            "1:",
            "1:[]",
            "2:[\"c\",1,\"p\"]",
            "[\"c\",1,\"p\"]",
            "1:[\"c\",1]",
            "1:[\"c\",1,\"p\"",
            "1:[\"c\",1,\"p\",1]",
            "1:[\"c\",\"1\",\"p\"]",
            "1:[\"c\",1.5,\"p\"]",
            "1:{\"cluster\":\"c\"}",
            "1:null",
            "invalid-token",
            " ",
        ];
        for token in tokens {
            let refused = Position::from_token(token);
            assert!(matches!(refused, Err(Error::Token)), "{token}: {refused:?}");
        }
    }
}
