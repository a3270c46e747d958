//! `keys`: API keys are made, listed and revoked. A key is printed once, when it is made; what is stored is a hash.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::str::FromStr;

use clap::{Args, Subcommand};
use shoptrail_domain::access::{ApiKey, NotAScope, Scope, Stores};
use shoptrail_domain::{Reason, StoreName};
use shoptrail_edge::Clock;
use shoptrail_local::command_line::say;
use shoptrail_storage::{ApiKeyRecord, Store, StoreError};
use thiserror::Error;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// A name is for a line of a table.
const NAME_CHARS: usize = 100;
const ID_CHARS: usize = 16;

const CREATE_HELP: &str = "\
The key is the last line of the output, and is shown this once:
  KEY=$(shoptrail-admin keys create --name Dashboard --stores '*' --scopes read | tail -n 1)
  curl http://127.0.0.1:8000/sessions/ID -H \"x-api-key: $KEY\"

To replace a key without a pause, create the new one, put it to use, and only then revoke the old one.";

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, this once
    #[command(after_help = CREATE_HELP)]
    Create(CreateKey),
    /// List all keys, the revoked ones included
    List,
    /// Revoke a key for good; requests with it are refused within some seconds
    Revoke {
        /// The key's id, as `keys list` shows it
        id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CreateKey {
    /// What to call it, such as who will use it
    #[arg(long, value_parser = KeyName::from_str)]
    name: KeyName,
    /// The stores that it may touch, comma separated; '*' (in quotes) for all
    #[arg(long, value_name = "LIST", value_parser = parse_stores)]
    stores: Stores,
    /// What it may do, comma separated: read (see what is stored), write (send events), erase (erase customers)
    #[arg(long, value_name = "LIST", value_parser = Scopes::from_str)]
    scopes: Scopes,
}

/// Why a command on keys came to nothing.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    #[error("an id is {ID_CHARS} characters of 0-9 and a-f, as `keys list` shows it")]
    NotAnId,
    #[error("there is no key {id}; `keys list` shows them all")]
    Unknown { id: String },
    #[error("the key cannot be made without a pepper")]
    NoPepper,
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    #[error("the key {id} was made and cannot be shown; revoke it, and make another one")]
    Unshown {
        id: String,
        #[source]
        source: io::Error,
    },
    #[error("the key cannot be stored")]
    Record(#[source] StoreError),
    #[error("the keys cannot be read")]
    Read(#[source] StoreError),
    #[error("the key cannot be revoked")]
    Revoke(#[source] StoreError),
}

pub(crate) async fn run(
    command: KeysCommand,
    store: &Store,
    clock: &Clock,
) -> Result<(), KeysError> {
    match command {
        KeysCommand::Create(key) => create(key, store, clock).await,
        KeysCommand::List => {
            let keys = store.list_api_keys().await.map_err(KeysError::Read)?;
            say(&list(&keys));
            Ok(())
        }
        KeysCommand::Revoke { id } => {
            let id = parse_id(&id)?;
            let said = revoke(&id, store, clock).await?;
            say(&said);
            Ok(())
        }
    }
}

async fn create(options: CreateKey, store: &Store, clock: &Clock) -> Result<(), KeysError> {
    let pepper = store.pepper().ok_or(KeysError::NoPepper)?;
    let key = draw_key()?;
    let CreateKey {
        name: KeyName(name),
        stores,
        scopes: Scopes(scopes),
    } = options;
    let record = ApiKeyRecord::new(&key, pepper, name, scopes, &stores, clock.now());
    if let Err(error) = store.record_api_key(&record).await {
        // When the first answer gets lost, the repetition is refused because of what it has stored itself.
        let stored = store.find_api_key(key.id()).await;
        if !stored.is_ok_and(|stored| stored.as_ref() == Some(&record)) {
            return Err(KeysError::Record(error));
        }
    }
    let stores = if stores == Stores::All {
        "all stores".to_owned()
    } else {
        join(&record.stores, ", ")
    };
    let shown = show(&format!(
        "Created the key {id} ({name}): {scopes} for {stores}.\n\
         It is shown this once; requests carry it as x-api-key, or as Authorization: Bearer.\n\n\
         {key}\n",
        id = record.id,
        name = record.name,
        scopes = join(record.scopes.iter().map(|scope| scope.as_str()), ", "),
        key = key.expose(),
    ));
    shown.map_err(|source| KeysError::Unshown {
        id: record.id,
        source,
    })
}

/// A key that nobody can guess: its secret holds 256 bits of the system's randomness.
fn draw_key() -> Result<ApiKey, KeysError> {
    let (mut id, mut first, mut second) = ([0; 8], [0; 16], [0; 16]);
    for part in [&mut id[..], &mut first, &mut second] {
        getrandom::fill(part).map_err(KeysError::Random)?;
    }
    Ok(ApiKey::new(
        u64::from_ne_bytes(id),
        [u128::from_ne_bytes(first), u128::from_ne_bytes(second)],
    ))
}

/// Prints, and tells when nobody can have read it.
fn show(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn list(keys: &[ApiKeyRecord]) -> String {
    if keys.is_empty() {
        return "There are no keys yet; `shoptrail-admin keys create --help` tells how to make one.\n"
            .to_owned();
    }
    let head = ["ID", "NAME", "SCOPES", "STORES", "CREATED", "REVOKED"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(keys.iter().map(|key| {
            [
                key.id.clone(),
                printable(&key.name),
                join(key.scopes.iter().map(|scope| scope.as_str()), ","),
                join(&key.stores, ","),
                key.created_at.clone(),
                key.revoked_at.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    rows.iter().fold(String::new(), |mut table, row| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // A string takes every text.
            let _ = write!(line, "{cell:width$}  ");
        }
        table.push_str(line.trim_end());
        table.push('\n');
        table
    })
}

async fn revoke(id: &str, store: &Store, clock: &Clock) -> Result<String, KeysError> {
    let unknown = || KeysError::Unknown { id: id.to_owned() };
    let found = store.find_api_key(id).await.map_err(KeysError::Read)?;
    let key = found.ok_or_else(unknown)?;
    let name = printable(&key.name);
    if let Some(revoked_at) = key.revoked_at {
        return Ok(format!(
            "The key {id} ({name}) was revoked already, at {revoked_at}.\n"
        ));
    }
    let revoked = store.revoke_api_key(id, clock.now()).await;
    if !revoked.map_err(KeysError::Revoke)? {
        return Err(unknown());
    }
    Ok(format!(
        "Revoked the key {id} ({name}): requests with it are refused within some seconds.\n"
    ))
}

/// An id, or a whole key: whoever finds a leaked one has that. Whatever else it is, is not repeated, because it may
/// be a secret.
fn parse_id(text: &str) -> Result<String, KeysError> {
    let text = text.trim();
    if let Some(key) = ApiKey::parse(text) {
        return Ok(key.id().to_owned());
    }
    let is_id = text.len() == ID_CHARS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| text.to_owned()).ok_or(KeysError::NotAnId)
}

/// What a key is called: one line that shows as what it is.
#[derive(Debug, Clone)]
struct KeyName(String);

#[derive(Debug, Error)]
enum KeyNameError {
    #[error("a key needs a name")]
    Empty,
    #[error("a name has {NAME_CHARS} characters at most")]
    TooLong,
    #[error("a name holds no control characters and no invisible ones")]
    Invisible,
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        let text = text.trim();
        if text.is_empty() {
            Err(KeyNameError::Empty)
        } else if text.chars().count() > NAME_CHARS {
            Err(KeyNameError::TooLong)
        } else if text.chars().any(is_invisible) {
            Err(KeyNameError::Invisible)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// Line breaks, terminal sequences, direction overrides, zero-width spaces.
fn is_invisible(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

/// A name out of the table, which somebody else may have put there.
fn printable(name: &str) -> String {
    name.chars()
        .map(|c| if is_invisible(c) { '\u{fffd}' } else { c })
        .collect()
}

#[derive(Debug, Error)]
enum ListError<E> {
    #[error("the list has an empty entry")]
    EmptyEntry,
    #[error("* is all stores, and stands alone")]
    AllAndMore,
    #[error("{0}")]
    Entry(E),
}

fn entries<E>(list: &str) -> Result<Vec<&str>, ListError<E>> {
    let entries: Vec<&str> = list.split(',').map(str::trim).collect();
    if entries.contains(&"") {
        return Err(ListError::EmptyEntry);
    }
    Ok(entries)
}

fn parse_stores(list: &str) -> Result<Stores, ListError<Reason>> {
    let entries = entries(list)?;
    if entries == ["*"] {
        return Ok(Stores::All);
    }
    if entries.contains(&"*") {
        return Err(ListError::AllAndMore);
    }
    let stores = entries.into_iter().map(StoreName::parse);
    let stores = stores.collect::<Result<_, _>>().map_err(ListError::Entry)?;
    Ok(Stores::These(stores))
}

#[derive(Debug, Clone)]
struct Scopes(BTreeSet<Scope>);

impl FromStr for Scopes {
    type Err = ListError<NotAScope>;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let scopes = entries(list)?.into_iter().map(Scope::from_str);
        let scopes = scopes.collect::<Result<_, _>>().map_err(ListError::Entry)?;
        Ok(Self(scopes))
    }
}

fn join<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, between: &str) -> String {
    let mut joined = String::new();
    for text in texts {
        if !joined.is_empty() {
            joined.push_str(between);
        }
        joined.push_str(text.as_ref());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_line() {
        for name in [
            "Dashboard",
            "Käse & Söhne",
            "店舗 1",
            "a\"b'c",
            &"é".repeat(100),
        ] {
            assert!(name.parse::<KeyName>().is_ok(), "{name}");
        }
        for name in [
            "",
            "  ",
            "a\nb",
            "a\u{1b}[31mb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{2028}b",
            &"a".repeat(101),
        ] {
            assert!(name.parse::<KeyName>().is_err(), "{name:?}");
        }
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }

    #[test]
    fn an_id_may_come_as_a_whole_key() {
        let key = ApiKey::new(0x1234, [7, 8]);
        assert_eq!(parse_id(key.expose()).unwrap(), key.id());
        assert_eq!(parse_id(key.id()).unwrap(), key.id());
        for wrong in ["", "1234", "st_0000000000001234", "000000000000123G"] {
            assert!(
                matches!(parse_id(wrong), Err(KeysError::NotAnId)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn two_keys_share_nothing() {
        let (one, other) = (draw_key().unwrap(), draw_key().unwrap());
        assert_ne!(one.id(), other.id());
        assert_ne!(one.expose()[20..], other.expose()[20..]);
    }
}
