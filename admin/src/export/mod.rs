//! `export`: the cart events of a store, as a file. It writes what `GET /api/cart-tracking/export` answers, but whole.

mod output;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cart_tracking::export::{
    CartEventShown, EventsWorkbook, SHEET_ROWS, WriteError, append_csv_header, append_csv_row,
    append_ndjson_line,
};
use clap::Args;
use shoptrail_domain::access::Stores;
use shoptrail_domain::event_filter::{Direction, EventFilter, EventFilterQuery, EventOwnerQuery};
use shoptrail_domain::export::ExportFormat;
use shoptrail_domain::query::given;
use shoptrail_domain::{ParseError, ParseErrors, Reason, Timestamp};
use shoptrail_edge::Clock;
use shoptrail_local::command_line::say;
use shoptrail_storage::{EventsPage, Position, Store, StoreError};
use thiserror::Error;
use tokio::time::Instant;

use self::output::{Output, OutputError};
use crate::progress::Progress;

/// Events that are read at once: a second's work.
const PAGE_EVENTS: usize = 500;
/// As few are read at once where the database does not answer in time, as when few events are like the filter.
const LEAST_PAGE_EVENTS: usize = 10;
/// Reads that may fail one after the other: half a minute of a database that does not answer.
const FAILURES: u32 = 10;
/// The pause after a read that failed.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) const HELP: &str = "\
The file is written beside its place under another name, and takes its name when it is whole: whatever ends the command \
before its time, Ctrl-C included, leaves what was there. You alone may read it, since it names customers.

An XLSX file has as many sheets as it takes, each of 1,048,576 rows at the most.";

/// Which events, and where to.
#[derive(Clone, Args)]
pub(crate) struct ExportCommand {
    /// The store, as my-store or my-store.myshopify.com
    #[arg(long)]
    store: String,
    /// The file, or - for the standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// csv, xlsx or ndjson [default: what the file's name ends with, else csv]
    #[arg(long)]
    format: Option<String>,
    /// The first day, as 2026-01-31, or the first moment, in ISO 8601
    #[arg(long, value_name = "DAY")]
    start_date: Option<String>,
    /// The last day, or the last moment; both included
    #[arg(long, value_name = "DAY")]
    end_date: Option<String>,
    /// The IANA time zone of the days, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// What shoppers did, as add_to_cart or buy_now
    #[arg(long)]
    action: Option<String>,
    /// The product's id
    #[arg(long, value_name = "ID")]
    product: Option<String>,
    /// The variant's id
    #[arg(long, value_name = "ID")]
    variant: Option<String>,
    /// The customer's id
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// The customer's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// The session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The oldest event first, instead of the newest
    #[arg(long)]
    oldest_first: bool,
    /// Replace the file where there is one
    #[arg(long)]
    force: bool,
}

/// It does not print, because it may name somebody.
impl fmt::Debug for ExportCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportCommand(…)")
    }
}

/// What is exported, and how.
#[derive(Debug)]
struct Asked {
    filter: EventFilter,
    format: ExportFormat,
    direction: Direction,
}

impl ExportCommand {
    /// Whether the options are what they must be, by the rules of `GET /api/cart-tracking/export`.
    pub(crate) fn check(&self) -> Result<(), ExportError> {
        self.parse().map(|_| ())
    }

    fn parse(&self) -> Result<Asked, ExportError> {
        let unfit = |errors| ExportError::Unfit(Unfit(errors));
        let store = given(Some(&self.store));
        let owner = EventOwnerQuery {
            store_name: store.map(str::to_owned),
            customer_id: self.customer.clone(),
        };
        let query = EventFilterQuery {
            product_id: self.product.clone(),
            variant_id: self.variant.clone(),
            customer_email: self.email.clone(),
            session_id: self.session.clone(),
            action_type: self.action.clone(),
            start_date: self.start_date.clone(),
            end_date: self.end_date.clone(),
            timezone: self.timezone.clone(),
        };
        let named = store
            .map(|_| ())
            .ok_or_else(|| ParseError::new("storeName", Reason::Required).into());
        let filter = EventFilter::parse(&owner, &query, &Stores::All);
        let ((), filter) = ParseErrors::both(named, filter).map_err(unfit)?;
        let format = match given(self.format.as_deref()) {
            Some(text) => ExportFormat::parse(text)
                .map_err(|reason| unfit(ParseError::new("format", reason).into()))?,
            None => self.format_of_name().unwrap_or_default(),
        };
        let direction = match self.oldest_first {
            true => Direction::Ascending,
            false => Direction::Descending,
        };
        Ok(Asked {
            filter,
            format,
            direction,
        })
    }

    fn format_of_name(&self) -> Option<ExportFormat> {
        let ending = self.output.extension()?.to_str()?;
        ExportFormat::parse(ending).ok()
    }
}

/// What is wrong with the options, without what they are.
#[derive(Debug)]
pub(crate) struct Unfit(ParseErrors);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            let option = match error.field.as_ref() {
                "storeName" => "--store",
                "productId" => "--product",
                "variantId" => "--variant",
                "customerId" => "--customer",
                "customerEmail" => "--email",
                "sessionId" => "--session",
                "actionType" => "--action",
                "startDate" => "--start-date",
                "endDate" => "--end-date",
                "timezone" => "--timezone",
                _ => "--format",
            };
            match error.reason {
                Reason::EndBeforeStart => {
                    write!(f, "{between}{option}: Must not lie before --start-date")?;
                }
                reason => write!(f, "{between}{option}: {reason}")?,
            }
        }
        Ok(())
    }
}

/// Why there is no file.
#[derive(Debug, Error)]
pub(crate) enum ExportError {
    #[error("{0}")]
    Unfit(Unfit),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the cart events cannot be read")]
    Read(#[source] StoreError),
    #[error("the cart events cannot be written")]
    Write(#[from] WriteError),
    #[error("broken off; there is no file")]
    BrokenOff,
}

/// Writes the events that there are.
pub(crate) async fn run(
    command: &ExportCommand,
    store: &Store,
    clock: &Clock,
) -> Result<(), ExportError> {
    let asked = command.parse()?;
    let output = Output::open(&command.output, command.force)?;
    let (is_file, stop) = (output.is_file(), output.stop());
    let export = export(&asked, output, store, clock);
    let count = if is_file {
        tokio::select! {
            // What is whole by then stays.
            biased;
            count = export => count?,
            () = broken_off() => {
                stop.stop();
                return Err(ExportError::BrokenOff);
            }
        }
    } else {
        // What was written is on its way; there is nothing to be tidied up.
        export.await?
    };
    if is_file {
        say(&format!("Exported {count} events\n"));
    }
    Ok(())
}

/// Ends when somebody wants the command to end.
async fn broken_off() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| async move {
            match signal(kind) {
                Ok(mut signal) => signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = listen(SignalKind::interrupt()) => {}
            _ = listen(SignalKind::terminate()) => {}
            _ = listen(SignalKind::hangup()) => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Writes the events into the output, and tells how many they are.
async fn export(
    asked: &Asked,
    mut output: Output,
    store: &Store,
    clock: &Clock,
) -> Result<u64, ExportError> {
    let mut reading = Reading::begin(asked, store, clock).await?;
    if asked.format == ExportFormat::Xlsx {
        let mut workbook = EventsWorkbook::in_files(output.folder(), SHEET_ROWS, clock.now())?;
        while let Some(events) = reading.next().await? {
            for event in &events {
                workbook.append(event)?;
            }
        }
        output.write_workbook(workbook).await?;
        return Ok(reading.count);
    }
    let mut text = Vec::new();
    if asked.format == ExportFormat::Csv {
        append_csv_header(&mut text)?;
    }
    while let Some(events) = reading.next().await? {
        for event in &events {
            match asked.format {
                ExportFormat::Csv => append_csv_row(&mut text, event)?,
                ExportFormat::Ndjson | ExportFormat::Xlsx => append_ndjson_line(&mut text, event)?,
            }
        }
        output.write(&text)?;
        text.clear();
    }
    output.write(&text)?;
    output.finish()?;
    Ok(reading.count)
}

/// Reads the events page by page, and shows how far it is.
struct Reading<'a> {
    asked: &'a Asked,
    store: &'a Store,
    clock: &'a Clock,
    after: Option<Position>,
    is_at_end: bool,
    page_events: usize,
    count: u64,
    began: Instant,
    progress: Progress,
    /// The moment of the first event in the order of the export.
    first: Option<Timestamp>,
}

impl<'a> Reading<'a> {
    async fn begin(
        asked: &'a Asked,
        store: &'a Store,
        clock: &'a Clock,
    ) -> Result<Self, ExportError> {
        let mut reading = Self {
            asked,
            store,
            clock,
            after: None,
            is_at_end: false,
            page_events: PAGE_EVENTS,
            count: 0,
            began: Instant::now(),
            progress: Progress::of_unknown_length(),
            first: None,
        };
        reading.progress.show("Looking for events");
        // How many there are is not known before they are read, but from when to when they go.
        let opposite = match asked.direction {
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        };
        let first = reading.end(asked.direction).await;
        let last = reading.end(opposite).await;
        if let (Some(first), Some(last)) = (first, last) {
            reading.progress = Progress::of_length(first.millis_since(last).unsigned_abs());
            reading.first = Some(first);
        }
        Ok(reading)
    }

    /// The moment of the first event in this order. Where it is not to be had, the export goes on without it.
    async fn end(&self, direction: Direction) -> Option<Timestamp> {
        let (filter, now) = (&self.asked.filter, self.clock.now());
        let page = self
            .store
            .list_cart_events(filter, direction, 1, None, now)
            .await;
        let first = page.ok()?.records.into_iter().next()?;
        Timestamp::parse_iso(&first.created_at).ok()
    }

    /// The next events; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Vec<CartEventShown>>, ExportError> {
        if self.is_at_end {
            return Ok(None);
        }
        let page = self.read().await.map_err(ExportError::Read)?;
        self.count += page.records.len() as u64;
        self.show_progress(&page);
        self.is_at_end = page.next.is_none();
        self.after = page.next;
        let events = page.records.into_iter().map(CartEventShown::from);
        Ok(Some(events.collect()))
    }

    async fn read(&mut self) -> Result<EventsPage, StoreError> {
        let mut failures = 0;
        loop {
            let (filter, direction) = (&self.asked.filter, self.asked.direction);
            let now = self.clock.now();
            let after = self.after.as_ref();
            let page = self
                .store
                .list_cart_events(filter, direction, self.page_events, after, now)
                .await;
            match page {
                Ok(page) => {
                    self.page_events = (self.page_events * 2).min(PAGE_EVENTS);
                    return Ok(page);
                }
                Err(error) if error.is_unavailable() && failures < FAILURES => failures += 1,
                Err(error) => return Err(error),
            }
            self.page_events = (self.page_events / 2).max(LEAST_PAGE_EVENTS);
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn show_progress(&self, page: &EventsPage) {
        let seconds = self.began.elapsed().as_secs().max(1);
        let text = format!("{} events, {} a second", self.count, self.count / seconds);
        let last = page.records.last();
        let at = last.and_then(|last| Timestamp::parse_iso(&last.created_at).ok());
        match (self.first, at) {
            (Some(first), Some(at)) => {
                self.progress
                    .reach(first.millis_since(at).unsigned_abs(), text);
            }
            _ => self.progress.show(text),
        }
    }
}
