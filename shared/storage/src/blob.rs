//! Binary attributes: a format byte, then deflated postcard. A flush of 150 events is one such attribute.

use std::cell::RefCell;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use flate2::{Compress, CompressError, Compression, FlushCompress, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte of every blob; another layout gets another one.
const FORMAT: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    #[error("not encoded in a known format")]
    Format,
    #[error("cannot be compressed")]
    Compression(#[from] CompressError),
    #[error("not compressed as it should be")]
    Decompression(#[from] std::io::Error),
    #[error("not laid out as it should be")]
    Layout(#[from] postcard::Error),
}

thread_local! {
    /// Kept from blob to blob, because a new one clears 400 KB. At the fastest level: events repeat their
    /// field names, and that is what it finds as well.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, BlobError> {
    let plain = postcard::to_stdvec(value)?;
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut blob = Vec::with_capacity(plain.len() / 4 + 64);
        blob.push(FORMAT);
        loop {
            let rest = &plain[usize::try_from(compress.total_in()).unwrap_or(plain.len())..];
            if compress.compress_vec(rest, &mut blob, FlushCompress::Finish)? == Status::StreamEnd {
                return Ok(blob);
            }
            blob.reserve(blob.capacity());
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_whole() {
        let mut noise = 1_u32;
        for length in [0, 1, 1_000, 100_000] {
            let mut text = String::from("a text ");
            for _ in 0..length {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push(char::from(b' ' + (noise >> 24) as u8 % 90));
            }
            for text in [text.clone(), "the same again ".repeat(length)] {
                assert_eq!(decode::<String>(&encode(&text).unwrap()).unwrap(), text);
            }
        }
    }

    #[test]
    fn what_is_no_blob_is_refused() {
        let mut blob = encode(&"a text").unwrap();
        assert!(matches!(decode::<String>(&[]), Err(BlobError::Format)));
        assert!(matches!(decode::<String>(&[9, 9]), Err(BlobError::Format)));
        blob.truncate(blob.len() - 2);
        assert!(decode::<String>(&blob).is_err());
    }
}
