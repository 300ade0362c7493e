//! The layer: which events become lines, and to which call they belong.

use std::fmt;

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::format::{Formatter, Line};
use super::record::{Fields, Rpc};
use super::{EXTENDED, Severity, USEFUL};

/// Crates whose events below `warn!` are logged.
const OURS: &[&str] = &["spirula", "ceph", "librados"];

/// Turns events into lines and hands them to `sink`.
pub(super) struct Lines<S> {
    verbosity: u8,
    formatter: Formatter,
    sink: S,
}

impl<S> Lines<S> {
    pub(super) fn new(verbosity: u8, formatter: Formatter, sink: S) -> Self {
        Self {
            verbosity,
            formatter,
            sink,
        }
    }
}

impl<S> fmt::Debug for Lines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("verbosity", &self.verbosity)
            .finish_non_exhaustive()
    }
}

impl<S, F> Layer<S> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(Severity, &str) + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let crate_name = metadata.target().split("::").next().unwrap_or_default();
        let ours = OURS.contains(&crate_name);
        if metadata.is_span() {
            // Errors are logged at every verbosity, and should name their call at every verbosity.
            return ours;
        }
        let verbosity = verbosity(metadata);
        verbosity == 0 || (ours && verbosity <= self.verbosity)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.verbosity {
            0 | 1 => LevelFilter::INFO,
            2..=4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.name() == "rpc") else {
            return;
        };
        let mut rpc = Rpc::default();
        attributes.record(&mut rpc);
        span.extensions_mut().insert(rpc);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(rpc) = span.extensions_mut().get_mut::<Rpc>()
        {
            values.record(rpc);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut spans = context.event_scope(event).into_iter().flatten();
        let rpc = spans.find_map(|span| span.extensions().get::<Rpc>().cloned());
        let severity = severity(metadata);
        let line = self.formatter.format(&Line {
            time: Timestamp::now(),
            severity,
            verbosity: verbosity(metadata),
            source: metadata.file().zip(metadata.line()),
            rpc,
            fields,
        });
        (self.sink)(severity, &line);
    }
}

fn severity(metadata: &Metadata<'_>) -> Severity {
    match *metadata.level() {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warning,
        _ => Severity::Info,
    }
}

/// The least `--v` at which an event is logged.
fn verbosity(metadata: &Metadata<'_>) -> u8 {
    match *metadata.level() {
        Level::ERROR | Level::WARN => 0,
        Level::INFO => 1,
        Level::DEBUG => match metadata.target() {
            USEFUL => 2,
            EXTENDED => 3,
            _ => 4,
        },
        Level::TRACE => 5,
    }
}
