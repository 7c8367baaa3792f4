//! Error numbers of Linux.

/// An error number, 1 to 4095.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// Interrupted.
    pub const EINTR: Self = Self(libc::EINTR);
    /// Input or output failed.
    pub const EIO: Self = Self(libc::EIO);
    /// Try again.
    pub const EAGAIN: Self = Self(libc::EAGAIN);
    /// Busy.
    pub const EBUSY: Self = Self(libc::EBUSY);
    /// Bad address.
    pub const EFAULT: Self = Self(libc::EFAULT);
    /// Invalid argument.
    pub const EINVAL: Self = Self(libc::EINVAL);
    /// Not permitted.
    pub const EPERM: Self = Self(libc::EPERM);
    /// Access denied.
    pub const EACCES: Self = Self(libc::EACCES);
    /// No such device.
    pub const ENODEV: Self = Self(libc::ENODEV);
    /// Not implemented.
    pub const ENOSYS: Self = Self(libc::ENOSYS);
    /// Timed out.
    pub const ETIMEDOUT: Self = Self(libc::ETIMEDOUT);
    /// Out of memory.
    pub const ENOMEM: Self = Self(libc::ENOMEM);
    /// Argument list too long.
    pub const ENOBUFS: Self = Self(libc::ENOBUFS);

    /// An error number; what is out of range becomes EIO.
    #[must_use]
    pub fn new(number: i32) -> Self {
        if (1..=4095).contains(&number) { Self(number) } else { Self::EIO }
    }

    /// The calling thread's `errno`.
    #[must_use]
    pub fn last() -> Self {
        Self::of(&std::io::Error::last_os_error())
    }

    /// The number inside an I/O error, EIO if it has none.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        Self::new(error.raw_os_error().unwrap_or(libc::EIO))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The result word of an ocall that failed with this.
    #[must_use]
    pub fn result(self) -> i64 {
        -i64::from(self.0)
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}
