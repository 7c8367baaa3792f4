//! Points in time and durations, as the API writes them.

mod duration;
mod rfc3339;

pub use duration::{DurationError, Seconds};
pub use rfc3339::{Instant, TimeError};
