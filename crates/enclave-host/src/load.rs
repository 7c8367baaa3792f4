//! Loading: a page stream becomes a running enclave on a platform.

use std::sync::Arc;

use sgx_types::{Secs, Sigstruct};

use crate::Error;
use crate::identity::mrenclave;
use crate::platform::{Enclave, Platform};
use crate::stream::PageStream;

/// Creates the enclave, adds every page in order and initialises it.
///
/// # Errors
/// [`Error::OtherEnclave`] when the SIGSTRUCT is for another measurement, else what the platform
/// says.
pub fn load(
    platform: &dyn Platform,
    stream: &PageStream<'_>,
    secs: &Secs,
    sigstruct: &Sigstruct,
) -> Result<Arc<dyn Enclave>, Error> {
    let mut building = platform.create(secs)?;
    for run in stream.runs() {
        building.add_pages(&run)?;
    }
    building.init(sigstruct).map_err(|error| explain(error, stream, sigstruct))
}

/// A refused EINIT most often means that image or manifest changed after signing. The measurement is
/// computed only then, since it costs as much as loading.
fn explain(error: Error, stream: &PageStream<'_>, sigstruct: &Sigstruct) -> Error {
    let (signed, measured) = (sigstruct.enclavehash, mrenclave(stream));
    if signed == measured { error } else { Error::OtherEnclave { signed, measured } }
}
