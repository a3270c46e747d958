//! Takes the two files of Swagger UI that the page needs out of the crate that carries them. Its router
//! serves their source maps as well; linked into the function, these would be a tenth of its size.

use std::error::Error;
use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use swagger_ui_dist::{ApiDefinition, OpenApiSource};
use tower::ServiceExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[expect(
        clippy::disallowed_methods,
        reason = "how cargo talks to a build script"
    )]
    let out = std::env::var("OUT_DIR")?;
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
            Path::new(&out).join(file),
            to_bytes(answer.into_body(), usize::MAX).await?,
        )?;
    }
    Ok(())
}
