//! What the client of a service says went wrong, in the words of [`ShareError`].

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::share::ShareError;

/// How services say that there is no bucket at all: of an object that is missing they say the same status.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"];

/// Whether an object is not there, though the bucket is.
pub(super) fn is_absence(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !has_no_bucket(error)
}

/// Whether an object was there already, or somebody else was just writing it.
pub(super) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. })
}

/// Whether the service knows no conditional writes (501).
pub(super) fn knows_no_conditions(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || error.to_string().contains("NotImplemented")
}

/// What an error means.
pub(super) fn share_error(error: Error) -> ShareError {
    let denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
    match kind(&error) {
        _ if denied => ShareError::Denied(error.into()),
        Some(HttpErrorKind::Connect) => ShareError::Unreachable(error.into()),
        _ => ShareError::Failed(error.into()),
    }
}

fn has_no_bucket(error: &Error) -> bool {
    let text = error.to_string();
    NO_BUCKET.iter().any(|words| text.contains(words))
}

/// What happened to the request, where it got no answer.
fn kind(error: &Error) -> Option<HttpErrorKind> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(known) = cause {
        if let Some(http) = known.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = known.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        let missing = |said: &str| Error::NotFound { path: "a".into(), source: said.into() };
        assert!(is_absence(&missing("<Code>NoSuchKey</Code>")));
        assert!(!is_absence(&missing("<Code>NoSuchBucket</Code>")));
        assert!(matches!(share_error(missing("NoSuchBucket")), ShareError::Failed(_)));
    }

    #[test]
    fn refusals_are_told_apart() {
        let denied = Error::PermissionDenied { path: "a".into(), source: "403".into() };
        assert!(matches!(share_error(denied), ShareError::Denied(_)));
        assert!(is_conflict(&Error::AlreadyExists { path: "a".into(), source: "409".into() }));
    }
}
