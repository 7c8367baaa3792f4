//! Hints to the kernel about memory of this process.

/// Has the kernel bring the memory of `bytes` in now, in one go, where touching it page by page would fault for
/// each. Only a hint: what the kernel does not know or cannot do (before Linux 5.14) it leaves.
pub(crate) fn populate<T>(bytes: &mut [T]) {
    const MADV_POPULATE_WRITE: libc::c_int = 23;
    const PAGE: usize = 4096;
    let start = bytes.as_mut_ptr().cast::<libc::c_void>();
    let skip = start.align_offset(PAGE);
    let len = size_of_val(bytes).saturating_sub(skip) / PAGE * PAGE;
    if len > 0 {
        // SAFETY: whole pages within the slice; their contents do not change.
        unsafe { libc::madvise(start.wrapping_byte_add(skip), len, MADV_POPULATE_WRITE) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn contents_stay() {
        let mut bytes = vec![7_u8; 100_000];
        super::populate(&mut bytes);
        super::populate(&mut bytes[..10]);
        super::populate::<u8>(&mut []);
        assert!(bytes.iter().all(|byte| *byte == 7));
    }
}
