//! Everything that tracing and metrics are told, kept for a look at it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Fields by name, as they are written out.
pub(crate) type Fields = BTreeMap<&'static str, String>;

/// A span with what was recorded in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeenSpan {
    pub(crate) name: &'static str,
    pub(crate) fields: Fields,
    /// The name of the span around it.
    pub(crate) parent: Option<&'static str>,
    pub(crate) is_closed: bool,
}

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct SeenEvent {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    /// The name of the unit of work in whose span it happened.
    pub(crate) unit_of_work: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    spans: Vec<SeenSpan>,
    by_id: HashMap<u64, usize>,
    events: Vec<SeenEvent>,
}

/// Counts by name and labels.
type Metrics = BTreeMap<(String, Vec<(String, String)>), u64>;

/// What happened on this thread since it was made.
pub(crate) struct Capture {
    seen: Arc<Mutex<Seen>>,
    snapshotter: Snapshotter,
    metrics: Mutex<Metrics>,
    _recorder: metrics::LocalRecorderGuard<'static>,
    _subscriber: DefaultGuard,
}

impl Capture {
    pub(crate) fn begin() -> Self {
        crate::support::listen_everywhere();
        let seen = Arc::<Mutex<Seen>>::default();
        let subscriber = tracing_subscriber::registry().with(Watch(Arc::clone(&seen)));
        // The guard borrows it; a test's recorder may live as long as the test's process.
        let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
        Capture {
            seen,
            snapshotter: recorder.snapshotter(),
            metrics: Mutex::default(),
            _recorder: metrics::set_default_local_recorder(recorder),
            _subscriber: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The spans of units of work, in the order in which they began.
    pub(crate) fn units_of_work(&self) -> Vec<SeenSpan> {
        self.spans("spakky.unit_of_work")
    }

    /// The spans of a name, in the order in which they began.
    pub(crate) fn spans(&self, name: &str) -> Vec<SeenSpan> {
        let seen = self.seen.lock().unwrap();
        seen.spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The events of a target, in order.
    pub(crate) fn events(&self, target: &str) -> Vec<SeenEvent> {
        let seen = self.seen.lock().unwrap();
        seen.events.iter().filter(|event| event.target == target).cloned().collect()
    }

    /// The value of a counter with these labels, or how many values a histogram has; 0 if there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let mut labels: Vec<_> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        self.read_metrics().get(&(name.to_owned(), labels)).copied().unwrap_or(0)
    }

    /// All of it as text.
    pub(crate) fn all(&self) -> String {
        let metrics = self.read_metrics();
        format!("{:?}\n{metrics:?}", self.seen.lock().unwrap())
    }

    /// A snapshot empties what it is taken of.
    fn read_metrics(&self) -> MutexGuard<'_, Metrics> {
        let mut metrics = self.metrics.lock().unwrap();
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned()));
            let mut labels: Vec<_> = labels.collect();
            labels.sort();
            *metrics.entry((key.name().to_owned(), labels)).or_default() += match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(values) => values.len() as u64,
                DebugValue::Gauge(_) => panic!("`{}` is neither a counter nor a histogram", key.name()),
            };
        }
        metrics
    }
}

struct Watch(Arc<Mutex<Seen>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watch {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut span = SeenSpan { name: attributes.metadata().name(), ..SeenSpan::default() };
        attributes.record(&mut Written(&mut span.fields));
        span.parent = context.span(id).and_then(|span| span.parent().map(|parent| parent.name()));
        let mut seen = self.0.lock().unwrap();
        let position = seen.spans.len();
        seen.by_id.insert(id.into_u64(), position);
        seen.spans.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut seen = self.0.lock().unwrap();
        let position = seen.by_id[&id.into_u64()];
        values.record(&mut Written(&mut seen.spans[position].fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Written(&mut fields));
        let mut seen = self.0.lock().unwrap();
        let units = context.event_scope(event).into_iter().flatten();
        let unit =
            units.filter(|span| span.name() == "spakky.unit_of_work").map(|span| seen.by_id[&span.id().into_u64()]);
        let unit_of_work = unit.map(|position| seen.spans[position].fields["name"].clone()).next();
        let metadata = event.metadata();
        seen.events.push(SeenEvent { target: metadata.target(), level: *metadata.level(), fields, unit_of_work });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut seen = self.0.lock().unwrap();
        // The number may be given again.
        if let Some(position) = seen.by_id.remove(&id.into_u64()) {
            seen.spans[position].is_closed = true;
        }
    }
}

struct Written<'a>(&'a mut Fields);

impl Visit for Written<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
