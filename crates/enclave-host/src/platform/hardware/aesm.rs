//! Quotes from AESM, Intel's architectural enclave service, over its socket.
//!
//! Each request is one connection: a little-endian length and a protobuf message each way. The
//! messages are those of intel/linux-sgx, `psw/ae/common/proto/messages.proto`; field numbers are
//! named below. Only ECDSA (DCAP) is spoken: EPID has ended.

mod protobuf;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use sgx_types::{Report, TargetInfo};

use crate::Error;
use protobuf::{Field, Fields, Message};

/// Where AESM listens.
pub const SOCKET: &str = "/var/run/aesmd/aesm.socket";

/// Making a quote can include fetching a certificate.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read; a quote with its certificates is some 5 KiB.
const ANSWER_MAX: u32 = 1 << 20;

/// `sgx_att_key_id_ext_t`: size, and where its algorithm is.
const KEY_ID_SIZE: usize = 256;
const KEY_ID_ALGORITHM: usize = 154;
/// `SGX_QL_ALG_ECDSA_P256`.
const ECDSA_P256: u32 = 2;

/// Requests and their answers have the same field number.
const INIT_QUOTE_EX: u32 = 15;
const GET_QUOTE_SIZE_EX: u32 = 16;
const GET_QUOTE_EX: u32 = 17;
const GET_SUPPORTED_ATT_KEY_ID_NUM: u32 = 21;
const GET_SUPPORTED_ATT_KEY_IDS: u32 = 22;
const REQUEST_TIMEOUT: u32 = 9;
const ERROR_CODE: u32 = 1;

/// The service behind a socket.
#[derive(Debug, Clone)]
pub struct Aesm {
    socket: PathBuf,
}

impl Aesm {
    /// The service that listens at `socket`.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The quoting enclave's TARGETINFO.
    ///
    /// # Errors
    /// [`Error::Quoting`].
    pub fn quote_target(&self) -> Result<TargetInfo, Error> {
        let key_id = self.ecdsa_key_id()?;
        let first = Message::new().bytes(1, &key_id).bool(3, false);
        let sizes = self.ask(INIT_QUOTE_EX, "InitQuoteEx", first)?;
        let size = sizes.varint(3).unwrap_or(0);
        let second = Message::new().bytes(1, &key_id).bool(3, true).varint(4, size);
        let answer = self.ask(INIT_QUOTE_EX, "InitQuoteEx", second)?;
        let target = answer.bytes(2).ok_or_else(|| lacks("InitQuoteEx", "target_info"))?;
        TargetInfo::from_slice(target)
            .map_err(|error| refused(&format!("AESM's TARGETINFO is malformed: {error}")))
    }

    /// A quote about a REPORT that was made for [`Self::quote_target`].
    ///
    /// # Errors
    /// [`Error::Quoting`].
    pub fn quote(&self, report: &Report) -> Result<Vec<u8>, Error> {
        let key_id = self.ecdsa_key_id()?;
        let size = Message::new().bytes(1, &key_id);
        let size = self.ask(GET_QUOTE_SIZE_EX, "GetQuoteSizeEx", size)?;
        let size = size.varint(2).ok_or_else(|| lacks("GetQuoteSizeEx", "quote_size"))?;
        let request = Message::new().bytes(1, &report.to_bytes()).bytes(2, &key_id).varint(4, size);
        let answer = self.ask(GET_QUOTE_EX, "GetQuoteEx", request)?;
        let quote = answer.bytes(2).ok_or_else(|| lacks("GetQuoteEx", "quote"))?;
        Ok(quote.to_vec())
    }

    /// Asks which attestation keys there are and takes the ECDSA one.
    fn ecdsa_key_id(&self) -> Result<Vec<u8>, Error> {
        const NAME: &str = "GetSupportedAttKeyIDs";
        let count =
            self.ask(GET_SUPPORTED_ATT_KEY_ID_NUM, "GetSupportedAttKeyIDNum", Message::new())?;
        let count = count.varint(2).unwrap_or(0).min(64);
        let size = count * KEY_ID_SIZE as u64;
        let request = Message::new().varint(1, size);
        let answer = self.ask(GET_SUPPORTED_ATT_KEY_IDS, NAME, request)?;
        let ids = answer.bytes(2).ok_or_else(|| lacks(NAME, "att_key_ids"))?;
        find_ecdsa(ids).map(<[u8]>::to_vec).ok_or_else(|| {
            refused(
                "AESM offers no ECDSA attestation key; install libsgx-aesm-ecdsa-plugin and \
                 libsgx-aesm-quote-ex-plugin and restart aesmd",
            )
        })
    }

    /// Sends a request and returns the fields of its answer.
    fn ask(&self, number: u32, name: &str, request: Message) -> Result<Fields, Error> {
        let timeout_us = u64::try_from(TIMEOUT.as_micros()).unwrap_or(u64::MAX);
        let request = Message::new().message(number, &request.varint(REQUEST_TIMEOUT, timeout_us));
        let answer = self.exchange(&request.into_bytes()).map_err(|source| Error::Platform {
            step: "ask AESM for a quote",
            advice: format!("is aesmd running, and is {} accessible?", self.socket.display()),
            source,
        })?;
        read_answer(number, name, &answer)
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let len = u32::try_from(request.len()).map_err(std::io::Error::other)?;
        stream.write_all(&[&len.to_le_bytes(), request].concat())?;
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len);
        if len > ANSWER_MAX {
            return Err(std::io::Error::other(format!("an answer of {len} bytes is too long")));
        }
        let mut answer = vec![0; usize::try_from(len).map_err(std::io::Error::other)?];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}

/// The fields of an answer to request `number`, if it is one and reports no error.
fn read_answer(number: u32, name: &str, answer: &[u8]) -> Result<Fields, Error> {
    let malformed = || refused(&format!("AESM's answer to {name} is malformed"));
    let answer = Fields::parse(answer).ok_or_else(malformed)?;
    let body = answer
        .bytes(number)
        .ok_or_else(|| refused(&format!("AESM does not know the request {name}")))?;
    let body = Fields::parse(body).ok_or_else(malformed)?;
    match body.varint(ERROR_CODE) {
        Some(0) => Ok(body),
        // The field is required and its default is 1.
        code => Err(refused(&meaning(name, code.unwrap_or(1)))),
    }
}

/// The ECDSA key among attestation key ids.
fn find_ecdsa(ids: &[u8]) -> Option<&[u8]> {
    ids.chunks_exact(KEY_ID_SIZE)
        .find(|id| enclave_abi::bytes::u32_at(id, KEY_ID_ALGORITHM) == Some(ECDSA_P256))
}

/// Reads bytes as the answer to every request.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    for number in [INIT_QUOTE_EX, GET_QUOTE_SIZE_EX, GET_QUOTE_EX, GET_SUPPORTED_ATT_KEY_IDS] {
        let Ok(body) = read_answer(number, "request", bytes) else { continue };
        let _ = (body.varint(2), body.varint(3));
        let _ = body.bytes(2).map(|bytes| (find_ecdsa(bytes), TargetInfo::from_slice(bytes)));
    }
}

/// AESM's error numbers (`aesm_error.h`) that a user can do something about.
fn meaning(request: &str, code: u64) -> String {
    let cause = match code {
        12 | 13 => "the network failed; check the PCCS in /etc/sgx_default_qcnl.conf",
        18 | 19 => "it is busy; try again",
        2 | 24 => "it has no SGX device",
        27 | 30 | 40 | 41 => "a part of it is missing; is libsgx-aesm-quote-ex-plugin installed?",
        29 => "the EPC is full; end another enclave",
        32 | 38 => "it does not know the ECDSA key; is libsgx-aesm-ecdsa-plugin installed?",
        44 => {
            "the platform's certificates cannot be had; check the PCCS in /etc/sgx_default_qcnl.conf"
        }
        45 | 47 => "the REPORT was not made for its quoting enclave",
        _ => "see its log",
    };
    format!("AESM refused {request} with error {code}: {cause}")
}

fn lacks(request: &str, field: &str) -> Error {
    refused(&format!("AESM's answer to {request} has no {field}"))
}

fn refused(reason: &str) -> Error {
    Error::Quoting { reason: reason.into() }
}

impl Fields {
    fn varint(&self, number: u32) -> Option<u64> {
        self.find(number).and_then(|field| match field {
            Field::Varint(value) => Some(*value),
            Field::Bytes(_) => None,
        })
    }

    fn bytes(&self, number: u32) -> Option<&[u8]> {
        self.find(number).and_then(|field| match field {
            Field::Bytes(bytes) => Some(bytes.as_slice()),
            Field::Varint(_) => None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
