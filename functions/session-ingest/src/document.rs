//! `GET /openapi.json` and `GET /docs`.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use shoptrail_edge::ApiError;

/// The OpenAPI document of all functions. A function knows only its own routes, so the whole is
/// generated from the handlers by a test of the local gateway, which knows all, and committed.
const OPENAPI_JSON: &str = include_str!("../../../docs/openapi.json");

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "Service", security(()), responses((status = 200, description = "This document", body = Object, content_type = "application/json", example = json!({ "openapi": "3.1.0" }))))]
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON)
}

/// The document as a page to read and to try.
#[utoipa::path(get, path = "/docs", tag = "Service", security(()), responses((status = 200, description = "A page", body = String, content_type = "text/html", example = "<!DOCTYPE html>…")))]
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
    params(("file" = String, Path, description = "A file of the page", example = "start.js")),
    security(()),
    responses((status = 200, description = "The file", content((String = "text/javascript", example = json!("SwaggerUIBundle({ … });")), (String = "text/css", example = json!("body { … }")))), (status = 404, description = "There is no such file", body = shoptrail_edge::error::ErrorBody)),
)]
pub(crate) async fn docs_file(
    path: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let file = path.as_ref().map_or("", |Path(file)| file.as_str());
    let (content_type, content) = match file {
        "start.js" => ("text/javascript", START_JS),
        "swagger-ui-bundle.js" => ("text/javascript", SWAGGER_UI_JS),
        "swagger-ui.css" => ("text/css", SWAGGER_UI_CSS),
        _ => return Err(ApiError::NotFound("There is no such file")),
    };
    Ok((
        [
            (CONTENT_TYPE, content_type),
            (CACHE_CONTROL, "public, max-age=3600"),
        ],
        content,
    ))
}

const START_JS: &str = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";
const SWAGGER_UI_JS: &str = include_str!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"));
const SWAGGER_UI_CSS: &str = include_str!(concat!(env!("OUT_DIR"), "/swagger-ui.css"));
