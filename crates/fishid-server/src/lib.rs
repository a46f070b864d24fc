//! The HTTP front: routes, problem documents, `OpenAPI`, the embedded page.
//!
//! Owns what a client sees: statuses, bodies, headers, limits of the connection. Does not know training,
//! registries or `MLflow`: whoever starts it brings a [`fishid_serving::Service`] of [`FishModel`]s.
//! Start at [`serve`]; the routes stand in `app`.

mod admin;
mod app;
mod asked;
mod batch;
mod config;
mod connections;
mod cors;
mod description;
mod error;
mod in_flight;
mod metrics;
mod model;
mod observe;
mod openapi;
mod page;
mod patience;
mod problem;
mod routes;
mod secret;
mod security;
mod serve;
mod signals;
mod upload;

pub use app::router;
pub use config::{AdminConfig, ServerConfig};
pub use cors::{NoOrigin, Origin};
pub use description::{Lineage, ModelDescription, ModelState};
pub use error::ServerError;
pub use fishid_serving::metrics::Registry;
pub use model::{Answer, FishModel};
pub use openapi::openapi_json;
pub use problem::{Kind, Problem};
pub use secret::{Secret, TooShort};
pub use serve::{Drained, Running, serve};
pub use signals::stop_signal;
