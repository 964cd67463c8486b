//! Checks of the path, the head and the body together, so that a response lists all errors at once.
//!
//! Must never show an error to a caller without permission for the action.

use axum::http::StatusCode;
use metricd_application::{authorize, context::Context};
use metricd_core::{actor::Action, audit::AuditedObject};

use crate::{
    caller::Caller, head_rules::RejectedHead, problem::Problem, validation::ValidationErrors,
};

/// A part of a request, or why it is rejected. Extractors return this instead of failing, so that
/// permission is checked first and all errors are reported together.
pub(crate) struct Checked<T> {
    part: Result<T, RejectedPart>,
    /// What the request is about, as far as its path tells.
    object: AuditedObject,
}

enum RejectedPart {
    /// It was read and has errors.
    Invalid(ValidationErrors),
    /// It could not be read at all.
    Unreadable(Problem),
}

impl<T> From<Result<T, ValidationErrors>> for Checked<T> {
    fn from(read: Result<T, ValidationErrors>) -> Self {
        Self { part: read.map_err(RejectedPart::Invalid), object: AuditedObject::Catalog }
    }
}

impl From<&RejectedHead> for Checked<()> {
    fn from(head: &RejectedHead) -> Self {
        match head {
            RejectedHead::Invalid(errors) => Err(errors.clone()).into(),
            RejectedHead::NotAcceptable(media_types) => {
                let detail =
                    format!("The answer is not in an accepted format: it is {media_types}");
                Self::unreadable(Problem::new(StatusCode::NOT_ACCEPTABLE, detail))
            }
        }
    }
}

impl<T> Checked<T> {
    /// Returns `part`, or its errors if there are any.
    pub(crate) fn new(part: T, errors: ValidationErrors) -> Self {
        if errors.0.is_empty() { Ok(part) } else { Err(errors) }.into()
    }

    /// Returns a part that could not be read.
    pub(crate) fn unreadable(problem: Problem) -> Self {
        Self { part: Err(RejectedPart::Unreadable(problem)), object: AuditedObject::Catalog }
    }

    /// Names the object that the request is about.
    pub(crate) fn about(self, object: AuditedObject) -> Self {
        Self { object, ..self }
    }

    /// Joins two parts, or the errors of both. The object is this part's.
    pub(crate) fn and<U>(self, other: Checked<U>) -> Checked<(T, U)> {
        use RejectedPart::{Invalid, Unreadable};
        let part = match (self.part, other.part) {
            (Ok(left), Ok(right)) => Ok((left, right)),
            (Err(Invalid(mut left)), Err(Invalid(right))) => {
                left.0.extend(right.0);
                Err(Invalid(left))
            }
            (Err(unreadable @ Unreadable(_)), _) | (_, Err(unreadable @ Unreadable(_))) => {
                Err(unreadable)
            }
            (Err(invalid), Ok(_)) | (Ok(_), Err(invalid)) => Err(invalid),
        };
        Checked { part, object: self.object }
    }

    /// Returns the part, for a use case that authorizes before it does anything else. Its errors, and those
    /// of the request's head, are returned only to a caller with permission for `action`.
    pub(crate) async fn accept(
        self,
        caller: &Caller,
        context: &Context,
        action: Action,
    ) -> Result<T, Problem> {
        let Self { part, object } = match &caller.rejected_head {
            None => self,
            Some(head) => {
                let Checked { part, object } = self.and(head.into());
                Self { part: part.map(|(part, ())| part), object }
            }
        };
        let rejected = match part {
            Ok(part) => return Ok(part),
            Err(rejected) => rejected,
        };
        Box::pin(authorize(&caller.actor, context, action, object)).await?;
        Err(match rejected {
            RejectedPart::Invalid(errors) => Problem::invalid(errors),
            RejectedPart::Unreadable(problem) => problem,
        })
    }
}
