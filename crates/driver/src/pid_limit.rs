//! `--pidlimit`: how many processes and threads the container may have. Each ceph-fuse has dozens of
//! threads, so the limit that a container runtime sets is soon reached on a node with many volumes.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::cli::PidLimit;

const PROC_CGROUP: &str = "/proc/self/cgroup";
const CGROUPS: &str = "/sys/fs/cgroup";

/// Why the limit is what it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not known which cgroup this process is in.
    #[error("cannot read `{PROC_CGROUP}`")]
    Unknown(#[source] io::Error),
    /// That cgroup has no limit of processes.
    #[error("found no pids.max for this process in `{CGROUPS}`")]
    Absent,
    /// It cannot be changed.
    #[error("cannot write `{value}` to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        value: String,
        /// Why.
        source: io::Error,
    },
}

/// Sets the limit of the cgroup that this process is in, and returns the file that says so. Limits of the
/// cgroups around it stay.
pub fn apply(limit: PidLimit) -> Result<PathBuf, Error> {
    let membership = fs::read_to_string(PROC_CGROUP).map_err(Error::Unknown)?;
    set(limit, &membership, Path::new(CGROUPS))
}

fn set(limit: PidLimit, membership: &str, cgroups: &Path) -> Result<PathBuf, Error> {
    let mut files = candidates(membership, cgroups).into_iter();
    let path = files
        .find(|path| path.try_exists().unwrap_or(false))
        .ok_or(Error::Absent)?;
    let value = match limit {
        PidLimit::Max => "max".to_owned(),
        PidLimit::At(number) => number.to_string(),
    };
    match fs::write(&path, &value) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::Write {
            path,
            value,
            source,
        }),
    }
}

/// Where the limit may be. Each line is `number:controllers:/path`, in version 2 with no controllers. The
/// path may be the host's while only the container's own cgroup is mounted, at the root.
fn candidates(membership: &str, cgroups: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let mount = match controllers {
            "" => cgroups.to_owned(),
            _ if controllers.split(',').any(|name| name == "pids") => cgroups.join("pids"),
            _ => continue,
        };
        files.push(mount.join(path.trim_start_matches('/')).join("pids.max"));
        files.push(mount.join("pids.max"));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "12:pids:/kubepods/pod1/c1\n11:cpu,cpuacct:/kubepods/pod1/c1\n";
    const V2: &str = "0::/kubepods.slice/pod1/c1\n";

    /// Sets the limit with `file` being the one that exists, and returns what is in it then.
    fn set_with(file: &str, limit: PidLimit, membership: &str) -> Result<String, Error> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "1024\n").unwrap();
        let found = set(limit, membership, root.path())?;
        assert_eq!(found, path);
        Ok(fs::read_to_string(path).unwrap())
    }

    #[test]
    fn the_limit_is_written_where_this_process_is() {
        for (file, membership) in [
            ("pids/kubepods/pod1/c1/pids.max", V1),
            ("pids/pids.max", V1),
            ("kubepods.slice/pod1/c1/pids.max", V2),
            ("pids.max", V2),
            ("pids.max", "0::/\n"),
            ("pids/pids.max", "3:cpu,pids:/\n"),
        ] {
            let set = |limit| set_with(file, limit, membership).unwrap();
            assert_eq!(set(PidLimit::Max), "max", "{file}");
            assert_eq!(set(PidLimit::At(4096)), "4096", "{file}");
        }
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_set() {
        for membership in ["", "nonsense", "11:cpu:/x\n", V2] {
            let found = set_with("elsewhere/pids.max", PidLimit::Max, membership);
            assert!(matches!(found, Err(Error::Absent)), "{membership}");
        }
    }

    #[test]
    fn a_refusal_names_file_and_value() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("pids.max")).unwrap();
        let error = set(PidLimit::At(7), "0::/", root.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cannot write `7` to") && error.contains("pids.max"),
            "{error}"
        );
    }
}
