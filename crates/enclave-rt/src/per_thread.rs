//! A value for each thread block that only the thread on it reaches: no lock, no atomic operation.

#[cfg(casemate_image)]
mod slots {
    use core::cell::UnsafeCell;

    use enclave_abi::layout::THREADS_MAX;

    /// One place per thread block.
    #[derive(Debug)]
    pub struct PerThread<T>([UnsafeCell<Option<T>>; THREADS_MAX as usize]);

    // SAFETY: a place is reached only by the thread that runs on its block, of which there is one at a time; a value
    // that a thread leaves behind is moved to the next one, hence `Send`.
    unsafe impl<T: Send> Sync for PerThread<T> {}

    impl<T> PerThread<T> {
        /// Empty places.
        #[must_use]
        pub const fn new() -> Self {
            Self([const { UnsafeCell::new(None) }; THREADS_MAX as usize])
        }

        /// Moves the calling thread's value out.
        pub fn take(&self) -> Option<T> {
            self.exchange(None)
        }

        /// Keeps a value for the calling thread and drops the one before.
        pub fn put(&self, value: T) {
            drop(self.exchange(Some(value)));
        }

        fn exchange(&self, value: Option<T>) -> Option<T> {
            let place = self.0.get(crate::thread::index() as usize)?;
            // SAFETY: only the calling thread reaches its place, and no reference to it outlives this call;
            // nothing is dropped meanwhile, so no other code runs.
            unsafe { core::mem::replace(&mut *place.get(), value) }
        }
    }
}

#[cfg(not(casemate_image))]
mod slots {
    use core::marker::PhantomData;

    /// Outside an enclave block indices do not tell threads apart: keeps nothing.
    #[derive(Debug)]
    pub struct PerThread<T>(PhantomData<fn(T)>);

    impl<T> PerThread<T> {
        /// Empty places.
        #[must_use]
        pub const fn new() -> Self {
            Self(PhantomData)
        }

        /// Moves the calling thread's value out.
        pub fn take(&self) -> Option<T> {
            None
        }

        /// Keeps a value for the calling thread and drops the one before.
        pub fn put(&self, value: T) {
            drop(value);
        }
    }
}

pub use slots::PerThread;

impl<T> Default for PerThread<T> {
    fn default() -> Self {
        Self::new()
    }
}
