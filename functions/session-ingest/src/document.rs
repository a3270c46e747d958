//! `GET /openapi.json` and `GET /docs`.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use shoptrail_edge::ApiError;
use swagger_ui_dist::{ApiDefinition, OpenApiSource};
use tower::ServiceExt as _;

/// The OpenAPI document of all functions. A function knows only its own routes, so the whole is
/// generated from the handlers by a test of the local gateway, which knows all, and committed.
const OPENAPI_JSON: &str = include_str!("../../../docs/openapi.json");

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "Service", security(()), responses((status = 200, description = "This document", content_type = "application/json")))]
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON)
}

/// The document as a page to read and to try.
#[utoipa::path(get, path = "/docs", tag = "Service", security(()), responses((status = 200, description = "A page", content_type = "text/html")))]
pub(crate) async fn docs() -> Html<&'static str> {
    Html(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shoptrail API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"#,
    )
}

/// What the page consists of.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "Service",
    params(("file" = String, Path, description = "A file of the page")),
    security(()),
    responses((status = 200, description = "The file"), (status = 404, description = "There is no such file", body = shoptrail_edge::error::ErrorBody)),
)]
pub(crate) async fn docs_file(Path(file): Path<String>, request: Request) -> Result<Response, ApiError> {
    match file.as_str() {
        "start.js" => {
            let start = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";
            Ok(([(CONTENT_TYPE, "text/javascript")], start).into_response())
        }
        "swagger-ui.css" | "swagger-ui-bundle.js" => {
            let swagger: Router = swagger_ui_dist::generate_routes(ApiDefinition {
                uri_prefix: "/docs",
                api_definition: OpenApiSource::Uri("/openapi.json"),
                title: None,
            });
            swagger.oneshot(request).await.map_err(|never| match never {})
        }
        _ => Err(ApiError::NotFound("There is no such file")),
    }
}
