//! The path table: what an engine declares once, and all that is generated from it.
//!
//! ```
//! use vault_sdk::table::{Call, Field, Path, PathTable};
//! use vault_sdk::{Error, Operation, Response};
//!
//! struct Greeter;
//!
//! async fn greet(_: &Greeter, call: &Call<'_>) -> Result<Response, Error> {
//!     let text = format!("hello, {}", call.text("name"));
//!     Ok(Response::json(serde_json::json!({ "text": text })))
//! }
//!
//! let table: PathTable<Greeter> = PathTable::new("Says hello.", vec![
//!     Path::new("greet/{name}")
//!         .help("Greets somebody.", "")
//!         .field(Field::string("name", "Whom to greet."))
//!         .on(Operation::Read, |engine, call| Box::pin(greet(engine, call))),
//! ]);
//! # use vault_sdk::table::Paths;
//! assert!(table.find("greet/ann").is_some());
//! assert!(table.find("greet").is_none());
//! ```

mod call;
mod field;
mod help;
mod openapi;
mod path;
mod pattern;

pub use call::Call;
pub use field::{Field, FieldKind};
pub use path::{Path, PathInfo, PathTable, Paths};
pub use pattern::{Captures, Pattern};
