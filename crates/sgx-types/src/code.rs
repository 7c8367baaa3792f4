//! Error and information codes that leaves return in RAX.

macro_rules! codes {
    ($( $(#[$meta:meta])* $name:ident = $number:literal, $sdm:literal; )*) => {
        /// A code that a leaf returns in RAX ("Error or Information Codes for Intel SGX
        /// Instructions"). Zero, success, is none of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        #[repr(u32)]
        pub enum SgxError {
            $( $(#[$meta])* #[error($sdm)] $name = $number, )*
        }

        impl SgxError {
            /// Every code.
            pub const ALL: &'static [SgxError] = &[$( SgxError::$name ),*];

            /// Returns the code with this number; nothing for success and for unknown numbers.
            pub const fn from_number(number: u32) -> Option<Self> {
                Some(match number {
                    $( $number => SgxError::$name, )*
                    _ => return None,
                })
            }

            /// Returns the number, as RAX holds it.
            pub const fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

codes! {
    /// SIGSTRUCT: header, vendor, exponent or reserved bytes are wrong.
    InvalidSigStruct = 1, "SGX_INVALID_SIG_STRUCT";
    /// An attribute is not allowed, or does not match under the mask.
    InvalidAttribute = 2, "SGX_INVALID_ATTRIBUTE";
    /// The page is already blocked.
    Blkstate = 3, "SGX_BLKSTATE";
    /// MRENCLAVE differs from SIGSTRUCT.ENCLAVEHASH.
    InvalidMeasurement = 4, "SGX_INVALID_MEASUREMENT";
    /// The page type cannot be blocked.
    NotBlockable = 5, "SGX_NOTBLOCKABLE";
    /// The EPC page is not valid.
    PgInvld = 6, "SGX_PG_INVLD";
    /// Another leaf is working on the page.
    EpcPageConflict = 7, "SGX_EPC_PAGE_CONFLICT";
    /// The signature does not verify.
    InvalidSignature = 8, "SGX_INVALID_SIGNATURE";
    /// The MAC of a loaded page does not verify.
    MacCompareFail = 9, "SGX_MAC_COMPARE_FAIL";
    /// The page is not blocked.
    PageNotBlocked = 10, "SGX_PAGE_NOT_BLOCKED";
    /// The tracking cycle of the page is not finished.
    NotTracked = 11, "SGX_NOT_TRACKED";
    /// The version slot is in use.
    VaSlotOccupied = 12, "SGX_VA_SLOT_OCCUPIED";
    /// The SECS still has pages.
    ChildPresent = 13, "SGX_CHILD_PRESENT";
    /// A thread is inside.
    EnclaveAct = 14, "SGX_ENCLAVE_ACT";
    /// The entry epoch is being changed.
    EntryepochLocked = 15, "SGX_ENTRYEPOCH_LOCKED";
    /// The EINIT token is wrong, and the signer is not the platform's launch signer.
    InvalidEinitToken = 16, "SGX_INVALID_EINITTOKEN";
    /// The previous tracking cycle is not finished.
    PrevTrkIncmpl = 17, "SGX_PREV_TRK_INCMPL";
    /// The page is an SECS.
    PgIsSecs = 18, "SGX_PG_IS_SECS";
    /// The attributes of the page differ from those that were accepted.
    PageAttributesMismatch = 19, "SGX_PAGE_ATTRIBUTES_MISMATCH";
    /// The page is pending or modified and cannot be changed again.
    PageNotModifiable = 20, "SGX_PAGE_NOT_MODIFIABLE";
    /// The page is pending or modified and cannot be debugged.
    PageNotDebuggable = 21, "SGX_PAGE_NOT_DEBUGGABLE";
    /// A counter would overflow.
    InvalidCounter = 25, "SGX_INVALID_COUNTER";
    /// The page is not in the EPC.
    PgNonepc = 26, "SGX_PG_NONEPC";
    /// The page type needs no tracking.
    TrackNotRequired = 27, "SGX_TRACK_NOT_REQUIRED";
    /// The MAC structure of a TDX report is wrong.
    InvalidReportMacStruct = 28, "SGX_INVALID_REPORTMACSTRUCT";
    /// The random number generator had nothing to give.
    InsufficientEntropy = 29, "SGX_INSUFFICIENT_ENTROPY";
    /// The EPC is in use.
    EpcNotReady = 30, "SGX_EPC_NOT_READY";
    /// CPUSVN is already up to date.
    NoUpdate = 31, "SGX_NO_UPDATE";
    /// KEYREQUEST.CPUSVN is newer than the processor's, or otherwise not allowed.
    InvalidCpusvn = 32, "SGX_INVALID_CPUSVN";
    /// KEYREQUEST.ISVSVN or CONFIGSVN is newer than the enclave's.
    InvalidIsvsvn = 64, "SGX_INVALID_ISVSVN";
    /// An event arrived during a long leaf; try again.
    UnmaskedEvent = 128, "SGX_UNMASKED_EVENT";
    /// KEYREQUEST.KEYNAME has no meaning.
    InvalidKeyname = 256, "SGX_INVALID_KEYNAME";
}
