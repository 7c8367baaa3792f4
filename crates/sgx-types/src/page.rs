//! SECINFO and PAGEINFO: how a page is described to the leaves that add or change it.

use crate::Malformed;
use crate::bits::bitset;
use crate::layout::{Place, structure};

/// The type of an EPC page ("PAGE_TYPE Field Definition" in "Security Information (SECINFO)").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PageType {
    /// The page holds an SECS.
    Secs = 0,
    /// The page is a TCS.
    Tcs = 1,
    /// A regular page.
    Reg = 2,
    /// A version array.
    Va = 3,
    /// The page is about to be removed.
    Trim = 4,
    /// The first page of a shadow stack.
    SsFirst = 5,
    /// Another page of a shadow stack.
    SsRest = 6,
}

impl PageType {
    /// Returns the type with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => PageType::Secs,
            1 => PageType::Tcs,
            2 => PageType::Reg,
            3 => PageType::Va,
            4 => PageType::Trim,
            5 => PageType::SsFirst,
            6 => PageType::SsRest,
            _ => return None,
        })
    }
}

bitset! {
    /// SECINFO.FLAGS ("SECINFO.FLAGS"). The page type sits in bits 15:8.
    pub struct SecInfoFlags: u64 {
        /// The page can be read from inside.
        R = 1,
        /// The page can be written from inside.
        W = 1 << 1,
        /// The page can be executed.
        X = 1 << 2,
        /// The page waits for EACCEPT after EAUG.
        PENDING = 1 << 3,
        /// The page waits for EACCEPT after EMODT.
        MODIFIED = 1 << 4,
        /// The page waits for EACCEPT after EMODPR.
        PR = 1 << 5,
    }
}

impl SecInfoFlags {
    /// The permission bits.
    pub const RWX: Self = Self(7);
    const PAGE_TYPE: u64 = 0xff00;
    const RESERVED: u64 = !(Self::NAMED.bits() | Self::PAGE_TYPE);

    /// Returns the flags with the page type replaced.
    pub const fn with_page_type(self, page_type: PageType) -> Self {
        Self(self.0 & !Self::PAGE_TYPE | (page_type as u64) << 8)
    }

    /// Returns the page type, unless the number has no meaning.
    pub const fn page_type(self) -> Option<PageType> {
        let [_, number, ..] = self.0.to_le_bytes();
        PageType::from_number(number)
    }

    /// Returns the permission bits alone.
    pub const fn permissions(self) -> Self {
        self.intersection(Self::RWX)
    }

    fn check(self, place: Place) -> Result<(), Malformed> {
        if self.0 & Self::RESERVED == 0 {
            return Ok(());
        }
        Err(place.refuse("reserved bits 7:6 and 63:16 clear", self.0))
    }
}

structure! {
    /// SECINFO ("Security Information (SECINFO)"). In memory it is aligned to 64 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct SecInfo = "SECINFO", 64 bytes;
    fields {
        /// Permissions, state and page type.
        0 FLAGS: flags: SecInfoFlags,
    }
    reserved { 8..64, }
}

impl SecInfo {
    /// Describes a page with this type and these permissions.
    pub const fn new(page_type: PageType, permissions: SecInfoFlags) -> Self {
        SecInfo { flags: permissions.with_page_type(page_type) }
    }

    /// Describes a TCS; it has no permissions.
    pub const fn tcs() -> Self {
        SecInfo::new(PageType::Tcs, SecInfoFlags::empty())
    }

    /// Describes a regular page with these permissions.
    pub const fn reg(permissions: SecInfoFlags) -> Self {
        SecInfo::new(PageType::Reg, permissions)
    }
}

structure! {
    /// PAGEINFO ("Page Information (PAGEINFO)"). In memory it is aligned to 32 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct PageInfo = "PAGEINFO", 32 bytes;
    fields {
        /// Linear address of the enclave page.
        0 LINADDR: linaddr: u64,
        /// Effective address of the source page.
        8 SRCPGE: srcpge: u64,
        /// Effective address of the SECINFO (or PCMD) of the page.
        16 SECINFO: secinfo: u64,
        /// Effective address of the EPC page that holds the SECS.
        24 SECS: secs: u64,
    }
}
