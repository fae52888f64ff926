//! The files that pages load.

use axum::response::{IntoResponse, Response};

use crate::{assets, refusal::Refusal, visit::Visit};

pub(crate) async fn asset(visit: Visit) -> Result<Response, Refusal> {
    let asset = assets::find(visit.segment("name"));
    asset.map(IntoResponse::into_response).ok_or_else(|| Refusal::not_found("The dashboard has no file of this name."))
}
