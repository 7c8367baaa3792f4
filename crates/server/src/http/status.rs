//! The one place where errors become status codes.

use hyper::StatusCode;
use vault::Error;
use vault_sdk::Error as EngineError;

use super::answer::Answer;

/// The answer to a refused request.
pub(super) fn answer(error: &Error) -> Answer {
    match error {
        Error::Sealed => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "Vault is sealed"),
        Error::Clock(_) => Answer::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Error::NotInitialized | Error::Invalid(_) | Error::Seal(_) => {
            Answer::error(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Error::Denied => Answer::error(StatusCode::FORBIDDEN, "permission denied"),
        Error::RateLimited { retry_after_s, .. } => {
            let mut answer = Answer::error(StatusCode::TOO_MANY_REQUESTS, &error.to_string());
            answer.headers.push(("Retry-After".to_owned(), retry_after_s.to_string()));
            answer
        }
        Error::Audit | Error::Barrier(_) => {
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
        }
        Error::Engine(error) => engine(error),
    }
}

/// Go's form of a list of errors, which clients show as it is.
fn listed(text: &str) -> String {
    format!("1 error occurred:\n\t* {text}\n\n")
}

fn engine(error: &EngineError) -> Answer {
    let text = error.to_string();
    match error {
        EngineError::Invalid(_) | EngineError::BadCredentials(_) => {
            Answer::error(StatusCode::BAD_REQUEST, &text)
        }
        EngineError::Denied => Answer::error(StatusCode::FORBIDDEN, &listed(&text)),
        EngineError::Forbidden(_) => Answer::error(StatusCode::FORBIDDEN, &text),
        EngineError::NotFound => Answer::not_found(),
        EngineError::UnsupportedPath => Answer::error(StatusCode::NOT_FOUND, &listed(&text)),
        EngineError::UnsupportedOperation => {
            Answer::error(StatusCode::METHOD_NOT_ALLOWED, &listed(&text))
        }
        EngineError::Precondition(_) => Answer::error(StatusCode::PRECONDITION_FAILED, &text),
        EngineError::Status { status, .. } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Answer::error(status, &text)
        }
        EngineError::Upstream(_) => Answer::error(StatusCode::BAD_GATEWAY, &text),
        // A variant that this server does not know yet is its own fault.
        EngineError::Storage(_) | EngineError::Bug(_) | _ => {
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &listed(&text))
        }
    }
}
