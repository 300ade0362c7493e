//! What has ended, in which way, and how long it took.

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The values of `N` labels that say what it is.
pub(super) type Labels<const N: usize> = [(&'static str, &'static str); N];

/// How many of each kind ended in which way, an error being an `E`, and how long they took.
#[derive(Clone, Debug)]
pub(super) struct Ended<const N: usize, E: Clone + Debug + Eq + Hash> {
    /// The label that tells in which way.
    way: &'static str,
    count: Family<Way<N, E>, Counter>,
    seconds: Family<Labels<N>, Histogram>,
}

/// What it is, and the label that tells in which way it ended, with its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way<const N: usize, E>(Labels<N>, &'static str, Result<(), E>);

impl<const N: usize, E: Clone + Debug + Eq + Hash + Send + Sync + 'static> Ended<N, E> {
    pub(super) fn by(way: &'static str) -> Self {
        Self {
            way,
            count: Family::default(),
            seconds: Family::new_with_constructor(super::seconds),
        }
    }

    pub(super) fn add(&self, of: Labels<N>, took: Duration, outcome: Result<(), E>) {
        let way = Way(of, self.way, outcome);
        self.count.get_or_create(&way).inc();
        let seconds = self.seconds.get_or_create(&of);
        seconds.observe(took.as_secs_f64());
    }

    /// Under these names, each with its help.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        count: [&'static str; 2],
        seconds: [&'static str; 2],
    ) {
        let [name, help] = count;
        registry.register(name, help, self.count.clone());
        let [name, help] = seconds;
        registry.register(name, help, self.seconds.clone());
    }
}

impl<const N: usize, E: Debug> EncodeLabelSet for Way<N, E> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)?;
        // `OK`, or the name of what went wrong.
        let outcome = match &self.2 {
            Ok(()) => "OK".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        [(self.1, outcome)].encode(encoder)
    }
}
