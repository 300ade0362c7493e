//! Reading metrics back, as strictly as Prometheus and its linter do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Metrics at one moment.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// Type by the name of the family.
    pub(crate) families: BTreeMap<String, String>,
    samples: BTreeMap<Series, f64>,
}

type Series = (String, BTreeMap<String, String>);

/// The address in the line of `log` that tells where metrics are shown.
pub(crate) fn address(log: impl Fn() -> String) -> String {
    let started = Instant::now();
    loop {
        let log = log();
        if let Some((_, rest)) = log.split_once("metrics on http://") {
            return rest.split_once("/metrics").unwrap().0.to_owned();
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks once; no answer may take long, whatever is wrong with Ceph.
pub(crate) fn scrape(address: &str) -> Scrape {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    Scrape::read(body)
}

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        let (mut families, mut helped) = (BTreeMap::new(), BTreeSet::new());
        let mut samples = BTreeMap::new();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(helped.contains(name), "no help before {line}");
                let before = families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{line}");
            } else {
                let (series, value) = sample(line);
                assert!(samples.insert(series, value).is_none(), "twice: {line}");
            }
        }
        let scrape = Self { families, samples };
        scrape.check();
        scrape
    }

    fn check(&self) {
        for (name, kind) in &self.families {
            assert!(is_name(name), "{name}");
            assert!(name.starts_with("spirula_") || name.starts_with("process_"));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} {kind}");
            if kind == "histogram" {
                assert!(name.ends_with("_seconds"), "{name}");
                self.check_histogram(name);
            }
        }
        for ((name, labels), value) in &self.samples {
            let of_histogram = ["_bucket", "_sum", "_count"].iter().any(|suffix| {
                let family = name.strip_suffix(suffix);
                family.is_some_and(|name| self.families.get(name).is_some_and(|k| k == "histogram"))
            });
            assert!(of_histogram || self.families.contains_key(name), "{name}");
            assert!(value.is_finite() && *value >= 0.0, "{name} {value}");
            assert!(labels.keys().all(|label| is_name(label)), "{labels:?}");
            assert!(labels.values().all(|value| !value.is_empty()), "{labels:?}");
        }
    }

    /// Each has growing buckets, and as many in the last one as it counts.
    fn check_histogram(&self, family: &str) {
        let mut buckets = BTreeMap::<_, Vec<(f64, f64)>>::new();
        for ((name, labels), value) in &self.samples {
            if *name == format!("{family}_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap().parse().unwrap();
                buckets.entry(labels).or_default().push((bound, *value));
            }
        }
        for (labels, mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1));
            let (bound, all) = buckets.last().unwrap();
            assert!(bound.is_infinite());
            let count = self.samples.get(&(format!("{family}_count"), labels));
            assert_eq!(count, Some(all));
        }
    }

    /// The sum of the series of this name that have these labels among theirs; `None` if there are none.
    pub(crate) fn sum(&self, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
        let has = |labels: &BTreeMap<String, String>| {
            let mut wanted = wanted.iter();
            wanted.all(|(label, value)| labels.get(*label).is_some_and(|found| found == value))
        };
        let found: Vec<_> = (self.samples.iter())
            .filter(|((of, labels), _)| of == name && has(labels))
            .map(|(_, value)| *value)
            .collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// All names that a query can have.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<_> = self.samples.keys().map(|(name, _)| name.clone()).collect();
        names.extend(self.families.keys().cloned());
        names
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain)
}

/// `name{label="value",...} number`.
fn sample(line: &str) -> (Series, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix("\"}").unwrap()),
        None => (series, ""),
    };
    let mut found = BTreeMap::new();
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once("=\"").unwrap();
        let before = found.insert(label.to_owned(), value.to_owned());
        assert_eq!(before, None, "{line}");
    }
    ((name.to_owned(), found), value.parse().unwrap())
}
