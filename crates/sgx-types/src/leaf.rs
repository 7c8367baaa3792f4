//! Leaf numbers, what EAX holds at ENCLS and ENCLU ("SGX Instruction References").

macro_rules! leaves {
    ($(#[$meta:meta])* $name:ident { $( $(#[$lmeta:meta])* $leaf:ident = $number:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name {
            $( $(#[$lmeta])* $leaf = $number, )*
        }

        impl $name {
            /// Returns the leaf with this number, if there is one.
            pub const fn from_number(number: u32) -> Option<Self> {
                Some(match number {
                    $( $number => $name::$leaf, )*
                    _ => return None,
                })
            }
        }
    };
}

leaves! {
    /// Leaves of ENCLS, for the operating system.
    Encls {
        /// Makes an SECS.
        Ecreate = 0x00,
        /// Adds a page before EINIT.
        Eadd = 0x01,
        /// Makes the enclave ready to run.
        Einit = 0x02,
        /// Takes a page out of the EPC.
        Eremove = 0x03,
        /// Reads from a debug enclave.
        Edbgrd = 0x04,
        /// Writes to a debug enclave.
        Edbgwr = 0x05,
        /// Measures 256 bytes.
        Eextend = 0x06,
        /// Loads a page as blocked.
        Eldb = 0x07,
        /// Loads a page as unblocked.
        Eldu = 0x08,
        /// Blocks a page.
        Eblock = 0x09,
        /// Adds a version array.
        Epa = 0x0a,
        /// Writes a page out.
        Ewb = 0x0b,
        /// Starts a tracking cycle.
        Etrack = 0x0c,
        /// Adds a page after EINIT.
        Eaug = 0x0d,
        /// Restricts permissions.
        Emodpr = 0x0e,
        /// Changes the page type.
        Emodt = 0x0f,
        /// Reads information about a page.
        Erdinfo = 0x10,
        /// Starts a tracking cycle, with conflict codes.
        Etrackc = 0x11,
        /// Loads a page as blocked, with conflict codes.
        Eldbc = 0x12,
        /// Loads a page as unblocked, with conflict codes.
        Elduc = 0x13,
        /// Updates CPUSVN after a microcode update.
        Eupdatesvn = 0x18,
    }
}

leaves! {
    /// Leaves of ENCLU, for applications and enclaves.
    Enclu {
        /// Makes a REPORT.
        Ereport = 0,
        /// Derives a key.
        Egetkey = 1,
        /// Enters an enclave.
        Eenter = 2,
        /// Goes back in after an AEX.
        Eresume = 3,
        /// Leaves the enclave.
        Eexit = 4,
        /// Accepts a change to a page.
        Eaccept = 5,
        /// Extends permissions.
        Emodpe = 6,
        /// Fills a pending page from another.
        Eacceptcopy = 7,
        /// Checks the MAC of a TDX report.
        Everifyreport2 = 8,
        /// Lowers CSSA by one.
        Edeccssa = 9,
    }
}
