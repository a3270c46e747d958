//! Log lines: JSON, or readable ones on a terminal.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Our own crates; all others are held at warnings, because what the SDK and the HTTP clients say below
/// that holds whole requests.
const OURS: [&str; 8] = [
    "shoptrail_domain",
    "shoptrail_storage",
    "shoptrail_edge",
    "shoptrail_local",
    "cart_tracking",
    "session_ingest",
    "ask_ai",
    "privacy",
];

/// How log lines look.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// One JSON object a line, on standard output, where Lambda takes them from.
    Json,
    /// The same, but readable where standard error is a terminal.
    Terminal,
    /// The same, each line handed over: for tests that look at it. Panics go on saying what they say.
    To(fn(&str)),
}

/// Gathers what is written of one line, and hands it over at its end.
struct Line {
    text: Vec<u8>,
    hand_over: fn(&str),
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        (self.hand_over)(&String::from_utf8_lossy(&self.text));
    }
}

/// Starts logging; a second start changes nothing.
pub fn start(level: LevelFilter, format: Format) {
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(others)
        .with_targets(OURS.map(|target| (target, level)));
    let layer = match format {
        Format::Terminal if std::io::stderr().is_terminal() => tracing_subscriber::fmt::layer()
            .compact()
            .with_target(false)
            .with_writer(std::io::stderr)
            .boxed(),
        Format::Terminal => json().with_writer(std::io::stderr).boxed(),
        Format::Json => json().boxed(),
        Format::To(hand_over) => json()
            .with_writer(move || Line {
                text: Vec::new(),
                hand_over,
            })
            .boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    if matches!(format, Format::To(_)) {
        return;
    }
    // What a panic says may hold what a client sent; where it happened does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, "a panic");
    }));
}

fn json<S>() -> tracing_subscriber::fmt::Layer<
    S,
    tracing_subscriber::fmt::format::JsonFields,
    tracing_subscriber::fmt::format::Format<tracing_subscriber::fmt::format::Json>,
>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
}
