//! How far a command is, in one line of the terminal that is rewritten. Where the error output is no terminal, nothing
//! is shown: a log has no use for it.

use std::io::{self, IsTerminal as _, Write as _};

/// Back to the line's beginning, and the line away.
const CLEAR: &str = "\r\x1b[2K";

/// The line. It is wiped out when dropped.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    is_shown: bool,
}

impl ProgressLine {
    pub(crate) fn start() -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
        }
    }

    /// Shows `text`, which is short enough for a terminal's width, in the place of what was shown before.
    pub(crate) fn show(&self, text: &str) {
        if self.is_shown {
            write(&format!("{CLEAR}{text}"));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.show("");
    }
}

/// The terminal may have been closed.
fn write(text: &str) {
    let mut output = io::stderr().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}
