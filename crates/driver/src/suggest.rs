//! "Did you mean ...?": the known name that a mistyped one is closest to.

/// The one of `known` that `name` was probably meant to be, or `None` if none is close.
///
/// Close means: the same letters in another case, or at most a third of them wrong (a letter added,
/// left out, replaced, or swapped with its neighbour). Of equally close names the first wins.
pub fn suggest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    // A long name cannot be near to anything known, and the cost grows with its length.
    if wanted.chars().count() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= allowed(&wanted, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many slips still make `candidate` a likely reading of `name`.
fn allowed(name: &str, candidate: &str) -> usize {
    name.chars().count().max(candidate.chars().count()) / 3
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        let mut left = i + 1;
        row.push(left);
        let mut before = None;
        for (j, (&y, pair)) in b.iter().zip(last.windows(2)).enumerate() {
            let [diagonal, above] = *pair else { continue };
            let mut cost = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            let swapped = previous == Some(y) && before == Some(x);
            if let Some(two_back) = j.checked_sub(1).and_then(|j| before_last.get(j))
                && swapped
            {
                cost = cost.min(two_back + 1);
            }
            row.push(cost);
            left = cost;
            before = Some(y);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(x);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: &[&str] = &["clusterID", "fsName", "pool", "mounter", "setmetadata"];

    #[test]
    fn near_misses_are_recognised() {
        for (name, expected) in [
            ("fsname", Some("fsName")),
            ("clusterId", Some("clusterID")),
            ("clutserID", Some("clusterID")),
            ("set-metadata", Some("setmetadata")),
            ("setmetadat", Some("setmetadata")),
            ("poool", Some("pool")),
            ("moutner", Some("mounter")),
            ("reclaimPolicy", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(suggest(name, KNOWN), expected, "{name}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_a_symmetric_measure(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            let d = distance(&a, &b);
            prop_assert_eq!(d, distance(&b, &a));
            prop_assert_eq!(d == 0, a == b);
            prop_assert!(d <= a.len().max(b.len()));
            prop_assert!(d >= a.len().abs_diff(b.len()));
        }

        #[test]
        fn a_known_name_suggests_itself(index in 0..KNOWN.len()) {
            prop_assert_eq!(suggest(KNOWN[index], KNOWN), Some(KNOWN[index]));
        }
    }
}
