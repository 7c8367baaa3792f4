//! Fuzzes the reader of the enclave image and its note: no input may panic, and what is accepted is
//! whole pages in order, with every ENCLU site inside executable ones.

use enclave_host::image::Image;
use sgx_types::SecInfoFlags;

/// See the module's description.
pub fn run(bytes: &[u8]) {
    let Ok(image) = Image::parse(bytes) else { return };
    let mut end = 0;
    for segment in image.segments() {
        assert!(segment.offset >= end && segment.offset % 4096 == 0);
        end = segment.offset + 4096 * segment.pages().len() as u64;
    }
    assert_eq!(end, image.size());
    let executable = |address: u64| {
        image.segments().iter().any(|segment| {
            let pages = 4096 * segment.pages().len() as u64;
            segment.secinfo.flags.contains(SecInfoFlags::X)
                && (segment.offset..segment.offset + pages).contains(&address)
        })
    };
    assert!(executable(image.entry()));
    assert!(image.enclu_sites().iter().all(|site| executable(*site)));
}
