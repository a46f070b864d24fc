//! A form, read field by field: never more of it is held back by its parser than a limit allows.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use bytes::Bytes;

use super::body::Backlog;

/// The media type of a form.
pub(super) const FORM: &str = "multipart/form-data";

/// The next field, looked for in what the parser has before it is given more.
pub(super) async fn next_field<'a>(
    form: &'a mut Multipart,
    backlog: &Backlog,
) -> Result<Option<Field<'a>>, MultipartError> {
    backlog.go_on();
    let field = form.next_field().await;
    backlog.go_on();
    field
}

/// The next bytes of a field; none at its end.
pub(super) async fn next_chunk(
    field: &mut Field<'_>,
    backlog: &Backlog,
) -> Result<Option<Bytes>, MultipartError> {
    // A field without content may have one chunk of no bytes.
    while let Some(chunk) = field.chunk().await? {
        backlog.shrink(chunk.len());
        if !chunk.is_empty() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Reads a field to its end and throws it away.
pub(super) async fn skip(field: &mut Field<'_>, backlog: &Backlog) -> Result<(), MultipartError> {
    while next_chunk(field, backlog).await?.is_some() {}
    Ok(())
}
