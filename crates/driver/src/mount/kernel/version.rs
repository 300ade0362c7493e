//! Which kernels are recent enough: the rule of the original.

/// The first one whose client knows the quotas of Ceph since Mimic.
const FIRST: [u64; 2] = [4, 17];

/// The release of RHEL 7 that they were ported back to: of its kernel 3.10.0, the build 1062.
const PORTED_BACK: (&str, u64, &str) = ("3.10.0-", 1062, ".el7");

/// Whether the kernel of this release (`uname -r`) holds volumes to their size.
pub(super) fn knows_quotas(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse::<u64>().ok());
    let version = [numbers.next(), numbers.next()].map(|number| number.unwrap_or(0));
    version >= FIRST || is_ported_back(release)
}

fn is_ported_back(release: &str) -> bool {
    let (kernel, first, distribution) = PORTED_BACK;
    let build = release.strip_prefix(kernel).and_then(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest.get(..end)?.parse::<u64>().ok()
    });
    release.contains(distribution) && build.is_some_and(|build| build >= first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_4_17_on_and_late_ones_of_rhel_7_know_quotas() {
        for recent in [
            "4.17.0",
            "4.18.0-305.el8.x86_64",
            "5.14.0-427.el9",
            "6.1.0-56-amd64",
            "10.0",
            "3.10.0-1062.el7.x86_64",
            "3.10.0-1160.15.2.el7.x86_64",
        ] {
            assert!(knows_quotas(recent), "{recent}");
        }
        for old in [
            "4.16.9",
            "4.4.0-210-generic",
            "3.10.0-957.el7.x86_64",
            "3.10.0-1062.fc20",
            "3.10.0",
            "",
            "unknown",
        ] {
            assert!(!knows_quotas(old), "{old}");
        }
    }
}
