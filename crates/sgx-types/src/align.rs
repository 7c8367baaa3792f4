//! Storage with the alignment that a leaf demands of its operand.

macro_rules! aligned {
    ($($name:ident = $align:literal),*) => {$(
        #[doc = concat!("A value at an address that is a multiple of ", $align, ".")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(C, align($align))]
        pub struct $name<T>(pub T);
    )*};
}
aligned!(Align16 = 16, Align64 = 64, Align128 = 128, Align512 = 512, Align4096 = 4096);
