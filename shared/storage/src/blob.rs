//! Binary attributes: a format byte, then deflated postcard. A flush of 150 events is one such attribute.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte of every blob; another layout gets another one.
const FORMAT: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    #[error("not encoded in a known format")]
    Format,
    #[error("not compressed as it should be")]
    Compression(#[from] std::io::Error),
    #[error("not laid out as it should be")]
    Layout(#[from] postcard::Error),
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, BlobError> {
    let plain = postcard::to_stdvec(value)?;
    // The fastest level: events repeat their field names, and that is what it finds as well.
    let mut encoder = DeflateEncoder::new(vec![FORMAT], Compression::fast());
    encoder.write_all(&plain)?;
    Ok(encoder.finish()?)
}

pub(crate) fn decode<T: DeserializeOwned>(blob: &[u8]) -> Result<T, BlobError> {
    let (FORMAT, packed) = blob
        .split_first()
        .map(|(format, rest)| (*format, rest))
        .ok_or(BlobError::Format)?
    else {
        return Err(BlobError::Format);
    };
    let mut plain = Vec::with_capacity(packed.len() * 8);
    DeflateDecoder::new(packed).read_to_end(&mut plain)?;
    Ok(postcard::from_bytes(&plain)?)
}
