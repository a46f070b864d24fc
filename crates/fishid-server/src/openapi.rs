//! The description of the interface for machines, and its viewer for people. Both are in the binary: the
//! viewer asks no other host.

use axum::Router;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{admin, routes};

/// Where the document is.
pub(crate) const DOCUMENT_PATH: &str = "/openapi.json";
const DOCS_PATH: &str = "/docs";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "fishid",
        description = "Names the species of a fish on a photograph.",
        license(name = "MIT", identifier = "MIT")
    ),
    paths(
        routes::predict,
        routes::health,
        routes::ready,
        routes::model,
        routes::metrics,
        admin::reload,
        admin::mlflow_webhook
    ),
    modifiers(&AdminToken)
)]
struct Document;

/// The token of the operators' routes.
struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin_token", SecurityScheme::Http(bearer));
    }
}

/// The `OpenAPI` document, pretty, ending in a newline.
pub fn openapi_json() -> String {
    let mut text = match Document::openapi().to_pretty_json() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document could not be written");
            String::from("{}")
        }
    };
    text.push('\n');
    text
}

/// The viewer and the path it is at.
pub(crate) fn docs<S: Clone + Send + Sync + 'static>() -> (&'static str, Router<S>) {
    let config = Config::from(DOCUMENT_PATH).try_it_out_enabled(true);
    (DOCS_PATH, SwaggerUi::new(DOCS_PATH).config(config).into())
}
