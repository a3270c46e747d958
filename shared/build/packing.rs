//! For build scripts: a file in the form in which a binary holds it. Compressed there, once and well, because API Gateway's
//! HTTP APIs compress nothing. Scripts include this file by its path.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// Bytes of a file's hash in its ETag: 64 bits tell all versions apart that there will ever be.
const TAG_BYTES: usize = 8;

/// What tells this version of a file from any other one, in hex.
pub(crate) fn tag(content: &[u8]) -> String {
    hex::encode(&Sha256::digest(content)[..TAG_BYTES])
}

/// The content, compressed. Without a time, so that the same content is the same bytes.
pub(crate) fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    gzip.finish()
}
