//! How far a command is, in one line of the terminal that is rewritten. Where the error output is no terminal, nothing
//! is shown: a log has no use for it.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The share, what there is to say, and how long it may still take.
const BAR: &str = "[{bar:30}] {percent:>3}% {msg} ({eta} left)";
const TEXT: &str = "{spinner} {msg}";

/// The line. It is wiped out when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Where nobody knows how much there is to do: a text alone.
    pub(crate) fn of_unknown_length() -> Self {
        Self::new(ProgressBar::no_length(), TEXT)
    }

    /// A bar that is full at `length`, with a text.
    pub(crate) fn of_length(length: u64) -> Self {
        Self::new(ProgressBar::new(length), BAR)
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        // To standard error, and there to a terminal alone.
        bar.set_draw_target(ProgressDrawTarget::stderr());
        // A template that is none would be a mistake of ours, and leaves the bar as it comes.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// Shows `text`, which is short enough for a terminal's width, in the place of what was shown before.
    pub(crate) fn show(&self, text: impl Into<Cow<'static, str>>) {
        self.0.set_message(text);
        self.0.tick();
    }

    /// The same, with the bar at `position`.
    pub(crate) fn reach(&self, position: u64, text: impl Into<Cow<'static, str>>) {
        self.0.set_position(position);
        self.show(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
