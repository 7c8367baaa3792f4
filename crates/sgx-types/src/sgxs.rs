//! The SGX stream format (SGXS): an enclave written down as the very bytes that are hashed into
//! MRENCLAVE, in the order a loader performs ECREATE, EADD and EEXTEND.
//!
//! The format is Fortanix's ("SGX stream format", SGXS.md in fortanix/rust-sgx). This reader takes
//! canonical streams only: one ECREATE first, pages in rising order and inside the enclave, chunks
//! inside the page just added, none twice. It also takes the UNMEASRD records of the enhanced format
//! (content that is loaded and not measured), but not UNSIZED, since such a stream has no
//! measurement yet.
//!
//! The reader borrows the stream and needs constant memory. A writer puts out [`Record::header`] and
//! [`Record::chunk`] of each record.

use crate::layout::{Field, Place, check_reserved, part};
use crate::measurement::{
    EADD, ECREATE, EEXTEND, RECORD_SIZE, chunk_record, eadd_record, ecreate_record,
};
use crate::{EEXTEND_SIZE, Malformed, Measurement, Mrenclave, PAGE_SIZE, SecInfo};

const UNMEASRD: [u8; 8] = *b"UNMEASRD";
const UNSIZED: [u8; 8] = *b"UNSIZED\0";
const PAGE: u64 = PAGE_SIZE as u64;
const CHUNK: u64 = EEXTEND_SIZE as u64;

/// One record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// The enclave is created.
    Ecreate {
        /// Size of an SSA frame in pages.
        ssaframesize: u32,
        /// Size of ELRANGE in bytes.
        size: u64,
    },
    /// A page is added.
    Eadd {
        /// Bytes from the base of ELRANGE.
        offset: u64,
        /// Type and permissions.
        secinfo: SecInfo,
    },
    /// Content of the page just added is measured.
    Eextend {
        /// Bytes from the base of ELRANGE.
        offset: u64,
        /// The content.
        chunk: &'a [u8; EEXTEND_SIZE],
    },
    /// Content of the page just added is loaded, but not measured.
    Unmeasured {
        /// Bytes from the base of ELRANGE.
        offset: u64,
        /// The content.
        chunk: &'a [u8; EEXTEND_SIZE],
    },
}

impl<'a> Record<'a> {
    /// Returns the 64 bytes with which the record starts in a stream.
    pub fn header(&self) -> [u8; RECORD_SIZE] {
        match self {
            Record::Ecreate { ssaframesize, size } => ecreate_record(*ssaframesize, *size),
            Record::Eadd { offset, secinfo } => eadd_record(*offset, secinfo),
            Record::Eextend { offset, .. } => chunk_record(EEXTEND, *offset),
            Record::Unmeasured { offset, .. } => chunk_record(UNMEASRD, *offset),
        }
    }

    /// Returns the content that follows the header in a stream, if any does.
    pub fn chunk(&self) -> Option<&'a [u8; EEXTEND_SIZE]> {
        match self {
            Record::Ecreate { .. } | Record::Eadd { .. } => None,
            Record::Eextend { chunk, .. } | Record::Unmeasured { chunk, .. } => Some(chunk),
        }
    }
}

/// Why a stream is refused. Positions are in bytes from the start of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SgxsError {
    /// The stream ends inside a record.
    #[error("SGXS stream ends inside the record at byte {position}")]
    Truncated {
        /// Where the record starts.
        position: u64,
    },
    /// A record starts with an unknown tag.
    #[error(
        "SGXS record at byte {position}: expected tag ECREATE, EADD, EEXTEND or UNMEASRD, \
         found {found:02x?}"
    )]
    UnknownTag {
        /// Where the record starts.
        position: u64,
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The size of the enclave is still to be decided.
    #[error("SGXS stream starts with UNSIZED, so it has no measurement yet; give it a size first")]
    Unsized,
    /// The stream does not start with ECREATE, or has a second one.
    #[error("SGXS record at byte {position}: the first record, and no other, must be ECREATE")]
    Ecreate {
        /// Where the record starts.
        position: u64,
    },
    /// SIZE is not one that ECREATE takes.
    #[error("SGXS ECREATE: size must be a power of two of at least 8192 bytes, found {size:#x}")]
    Size {
        /// The size found, in bytes.
        size: u64,
    },
    /// A page is misplaced.
    #[error(
        "SGXS EADD at byte {position}: offset {offset:#x} must be a multiple of 4096, above the \
         page before and inside the enclave"
    )]
    PageOffset {
        /// Where the record starts.
        position: u64,
        /// The offset found.
        offset: u64,
    },
    /// A chunk is misplaced.
    #[error(
        "SGXS chunk at byte {position}: offset {offset:#x} must be a multiple of 256, in the page \
         just added and not given before"
    )]
    ChunkOffset {
        /// Where the record starts.
        position: u64,
        /// The offset found.
        offset: u64,
    },
    /// A record's fields are malformed.
    #[error("SGXS record at byte {position}")]
    Record {
        /// Where the record starts.
        position: u64,
        /// What is wrong with it.
        source: Malformed,
    },
}

/// Reads the records of a canonical stream. After an error it yields nothing more.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    position: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Open(Progress),
    Failed,
}

/// How far the enclave is built.
#[derive(Debug, Clone, Copy)]
struct Progress {
    size: u64,
    page: Option<Page>,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    offset: u64,
    /// One bit for each chunk that was given.
    chunks: u16,
}

impl<'a> Records<'a> {
    /// Starts at the beginning of `stream`.
    pub const fn new(stream: &'a [u8]) -> Self {
        Records { rest: stream, position: 0, state: State::Start }
    }

    fn read(&mut self) -> Result<Record<'a>, SgxsError> {
        let position = self.position;
        let header: &[u8; RECORD_SIZE] = self.take(position)?;
        let record = self.decode(header, position)?;
        self.state = State::Open(self.advance(&record, position)?);
        Ok(record)
    }

    fn take<const N: usize>(&mut self, position: u64) -> Result<&'a [u8; N], SgxsError> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(SgxsError::Truncated { position })?;
        self.rest = rest;
        self.position = self.position.saturating_add(N as u64);
        Ok(taken)
    }

    fn decode(
        &mut self,
        header: &[u8; RECORD_SIZE],
        position: u64,
    ) -> Result<Record<'a>, SgxsError> {
        let malformed = |source| SgxsError::Record { position, source };
        let tag: [u8; 8] = field(header, 0, "tag").map_err(malformed)?;
        match tag {
            ECREATE => ecreate(header).map_err(malformed),
            EADD => eadd(header).map_err(malformed),
            EEXTEND => {
                let offset = chunk_offset(header).map_err(malformed)?;
                Ok(Record::Eextend { offset, chunk: self.take(position)? })
            }
            UNMEASRD => {
                let offset = chunk_offset(header).map_err(malformed)?;
                Ok(Record::Unmeasured { offset, chunk: self.take(position)? })
            }
            UNSIZED => Err(SgxsError::Unsized),
            found => Err(SgxsError::UnknownTag { position, found }),
        }
    }

    /// Checks that `record` may follow, and returns how far the enclave is built after it.
    fn advance(&self, record: &Record<'_>, position: u64) -> Result<Progress, SgxsError> {
        match (self.state, record) {
            (State::Start, Record::Ecreate { size, .. }) if valid_size(*size) => {
                Ok(Progress { size: *size, page: None })
            }
            (State::Start, Record::Ecreate { size, .. }) => Err(SgxsError::Size { size: *size }),
            (State::Open(progress), Record::Eadd { offset, .. }) => progress
                .with_page(*offset)
                .ok_or(SgxsError::PageOffset { position, offset: *offset }),
            (
                State::Open(progress),
                Record::Eextend { offset, .. } | Record::Unmeasured { offset, .. },
            ) => progress
                .with_chunk(*offset)
                .ok_or(SgxsError::ChunkOffset { position, offset: *offset }),
            (State::Start | State::Failed, _) | (State::Open(_), Record::Ecreate { .. }) => {
                Err(SgxsError::Ecreate { position })
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, SgxsError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.state {
            State::Failed => return None,
            State::Open(_) if self.rest.is_empty() => return None,
            State::Start | State::Open(_) => {}
        }
        let record = self.read();
        if record.is_err() {
            self.state = State::Failed;
        }
        Some(record)
    }
}

impl Progress {
    fn with_page(self, offset: u64) -> Option<Self> {
        let rising = self.page.is_none_or(|page| page.offset < offset);
        let valid = offset.is_multiple_of(PAGE) && offset < self.size && rising;
        valid.then_some(Progress { page: Some(Page { offset, chunks: 0 }), ..self })
    }

    fn with_chunk(self, offset: u64) -> Option<Self> {
        let page = self.page?;
        let within = offset.checked_sub(page.offset).filter(|within| *within < PAGE)?;
        let bit = 1u16.checked_shl(u32::try_from(within / CHUNK).ok()?)?;
        let valid = offset.is_multiple_of(CHUNK) && page.chunks & bit == 0;
        valid.then_some(Progress { page: Some(Page { chunks: page.chunks | bit, ..page }), ..self })
    }
}

/// Returns MRENCLAVE of the enclave that `stream` describes.
///
/// # Errors
///
/// [`SgxsError`] says which record is refused and why.
pub fn measure(stream: &[u8]) -> Result<Mrenclave, SgxsError> {
    let mut records = Records::new(stream);
    let mut measurement = match records.next() {
        Some(Ok(Record::Ecreate { ssaframesize, size })) => {
            Measurement::ecreate(ssaframesize, size)
        }
        Some(Err(error)) => return Err(error),
        Some(Ok(_)) | None => return Err(SgxsError::Ecreate { position: 0 }),
    };
    for record in records {
        match record? {
            Record::Eadd { offset, secinfo } => measurement.eadd(offset, &secinfo),
            Record::Eextend { offset, chunk } => measurement.eextend(offset, chunk),
            Record::Unmeasured { .. } => {}
            Record::Ecreate { .. } => return Err(SgxsError::Ecreate { position: 0 }),
        }
    }
    Ok(measurement.finish())
}

fn valid_size(size: u64) -> bool {
    size.is_power_of_two() && size >= PAGE.saturating_mul(2)
}

fn ecreate<'a>(header: &[u8; RECORD_SIZE]) -> Result<Record<'a>, Malformed> {
    check_reserved(header, 20, RECORD_SIZE, "SGXS ECREATE")?;
    Ok(Record::Ecreate {
        ssaframesize: field(header, 8, "SSAFRAMESIZE")?,
        size: field(header, 12, "SIZE")?,
    })
}

fn eadd<'a>(header: &[u8; RECORD_SIZE]) -> Result<Record<'a>, Malformed> {
    let mut secinfo = [0; SecInfo::SIZE];
    for (to, from) in secinfo.iter_mut().zip(header.iter().skip(16)) {
        *to = *from;
    }
    Ok(Record::Eadd {
        offset: field(header, 8, "OFFSET")?,
        secinfo: SecInfo::from_bytes(&secinfo)?,
    })
}

fn chunk_offset(header: &[u8; RECORD_SIZE]) -> Result<u64, Malformed> {
    check_reserved(header, 16, RECORD_SIZE, "SGXS EEXTEND")?;
    field(header, 8, "OFFSET")
}

fn field<T: Field>(
    header: &[u8; RECORD_SIZE],
    offset: usize,
    name: &'static str,
) -> Result<T, Malformed> {
    let structure = "SGXS record";
    T::read(part(header, offset, T::SIZE, structure)?, Place { structure, field: name })
}
