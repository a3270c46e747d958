//! Makes the files that the function serves: the tracker's script in both of its forms, and Swagger UI.

#[path = "../../shared/build/packing.rs"]
mod packing;

use std::error::Error;
use std::path::{Path, PathBuf};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use swagger_ui_dist::{ApiDefinition, OpenApiSource};
use tower::ServiceExt as _;

/// The tracker's script, as it is built and committed.
const TRACKER: &str = "../../web/tracker.js";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../shared/build");
    #[expect(
        clippy::disallowed_methods,
        reason = "how cargo talks to a build script"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    compress_tracker(&out)?;
    extract_swagger_ui(&out).await
}

/// Compresses the script and names its version.
fn compress_tracker(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={TRACKER}");
    let script = std::fs::read(TRACKER).map_err(|error| format!("{TRACKER}: {error}"))?;
    println!("cargo::rustc-env=TRACKER_HASH={}", packing::tag(&script));
    std::fs::write(out.join("tracker.js.gz"), packing::gzip(&script)?)?;
    Ok(())
}

/// Takes the two files of Swagger UI that the page needs out of the crate that carries them. Its router
/// serves their source maps as well; linked into the function, these would be a tenth of its size.
async fn extract_swagger_ui(out: &Path) -> Result<(), Box<dyn Error>> {
    let definition = ApiDefinition {
        uri_prefix: "/docs",
        api_definition: OpenApiSource::Uri("/openapi.json"),
        title: None,
    };
    let swagger: axum::Router = swagger_ui_dist::generate_routes(definition);
    for file in ["swagger-ui.css", "swagger-ui-bundle.js"] {
        let request = Request::get(format!("/docs/{file}")).body(Body::empty())?;
        let answer = swagger.clone().oneshot(request).await?;
        if !answer.status().is_success() {
            return Err(format!("swagger-ui-dist has no {file}").into());
        }
        std::fs::write(
            out.join(file),
            to_bytes(answer.into_body(), usize::MAX).await?,
        )?;
    }
    Ok(())
}
