//! Values that must not be printed, compared in variable time, or left behind in memory.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

/// A secret: wiped when dropped, redacted in `Debug`, without `Display` and without `==`.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes charge of `value`. Copies the caller still has stay the caller's.
    pub const fn new(value: T) -> Self {
        Secret(value)
    }

    /// Lends the value. Keep the loan as short as the use.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Lends the value for writing.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Secret(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> core::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Returns whether both slices are equal. The time depends on the lengths alone.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
