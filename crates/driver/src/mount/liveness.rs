//! Whether the client of a mount lives, found out without asking the mount.

/// How the client of a mount is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It runs. Whether it answers is another question.
    Alive,
    /// It is gone for good, or was shut out by its cluster, for this reason: the mount will never answer.
    Dead(String),
    /// It cannot be told from here.
    Unknown,
}
