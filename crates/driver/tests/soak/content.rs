//! What is in a volume: files whose bytes follow from a number, so that they can be compared without
//! being kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::random::Random;

/// Files by their names, with the number that their bytes follow from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content(BTreeMap<String, u64>);

impl Content {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes one more file, or another one in place of an old one, and syncs it.
    pub(crate) fn write(&mut self, root: &Path, seed: u64) {
        let name = format!("file-{}", seed % 12);
        let mut file = File::create(root.join(&name)).unwrap();
        file.write_all(&bytes(seed)).unwrap();
        file.sync_all().unwrap();
        self.0.insert(name, seed);
    }

    /// Compares with what is in a directory.
    pub(crate) fn check(&self, root: &Path, whose: &str) {
        let names = std::fs::read_dir(root).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected: Vec<_> = self.0.keys().cloned().collect();
        assert_eq!(names, expected, "files of {whose}");
        for (name, seed) in &self.0 {
            let found = std::fs::read(root.join(name)).unwrap();
            assert!(found == bytes(*seed), "{name} of {whose} has other bytes");
        }
    }
}

/// Between nothing and 200 kB.
fn bytes(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let words = random.below(25_000);
    (0..words)
        .flat_map(|_| random.next().to_le_bytes())
        .collect()
}
