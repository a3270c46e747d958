//! What a generated picture is known by.

use sha2::{Digest as _, Sha256};
use shoptrail_domain::StoreName;
use shoptrail_domain::web_url::WebUrl;

/// Bytes of the hash that are kept: two pictures of one key do not happen, and an index holds few of them.
const BYTES: usize = 16;

/// The key under which a picture of a store is found: an address may be longer than a key of DynamoDB's, and it is a
/// person's. Lower-case hex of the first 16 bytes of SHA-256 over the store's name, a line feed (which no store's name has)
/// and the address as it was sent.
#[must_use]
pub fn image_key(store_name: &StoreName, generated_image_url: &WebUrl) -> String {
    let mut hash = Sha256::new();
    hash.update(store_name.as_str());
    hash.update("\n");
    hash.update(generated_image_url.as_str());
    hex::encode(&hash.finalize()[..BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_one_key_in_each_store() {
        let key = |store: &str, url: &str| {
            let url = WebUrl::parse(url).unwrap();
            image_key(&StoreName::parse(store).unwrap(), &url)
        };
        let url = "https://img.example/1.png";
        // printf 'alpha.myshopify.com\nhttps://img.example/1.png' | sha256sum | cut -c -32
        assert_eq!(key("alpha", url), "180cf7d8679279236031da1ed51b523c");
        assert_ne!(key("beta", url), key("alpha", url));
        assert_ne!(key("alpha", "https://img.example/2.png"), key("alpha", url));
    }
}
