//! `/dev/attestation`, as Gramine defines it.
//!
//! Write 64 bytes to `user_report_data` (and a TARGETINFO to `target_info`), then read `report` or `quote`.
//! `my_target_info` is what another enclave needs to make a report for this one. Shorter writes are padded
//! with zeros. The state is the process's: two readers that use different data must take turns.

use alloc::{sync::Arc, vec::Vec};
use core::any::Any;

use enclave_abi::ocall::Ocall;
use enclave_rt::{
    host::Request,
    report::{ReportData, egetkey, ereport},
};
use sgx_types::{KeyRequest, TargetInfo};

use super::{
    dev::DEV,
    file::File,
    inode::{Change, Inode},
    text::{Dynamic, Text},
    tmpfs,
};
use crate::{
    errno::{Errno, Result},
    linux::stat::{S_IFREG, Stat},
    log,
    rt::host_errno,
    sync::Mutex,
};

/// Size of TARGETINFO in bytes.
const TARGET_INFO_SIZE: usize = 512;
/// Largest quote that is taken from the host.
const QUOTE_MAX: usize = 32 << 10;
/// Smallest: header, report body and signature length of a quote of version 3.
const QUOTE_MIN: usize = 48 + 384 + 4;
/// Offset of the report body in a quote of version 3, and its length.
const QUOTE_BODY: (usize, usize) = (48, 384);

/// ATTRIBUTES bits a sealing key is bound to: INIT and DEBUG.
const SEAL_FLAGS: u64 = 3;

/// What has been written so far.
struct Inputs {
    report_data: ReportData,
    target_info: [u8; TARGET_INFO_SIZE],
}

/// The directory.
pub(crate) fn directory() -> Arc<dyn Inode> {
    let inputs =
        Arc::new(Mutex::new(Inputs { report_data: [0; 64], target_info: [0; TARGET_INFO_SIZE] }));
    let input = |field| Input::new(&inputs, field) as Arc<dyn Inode>;
    let for_report = Arc::clone(&inputs);
    let for_quote = Arc::clone(&inputs);
    let report = Text::new(DEV, move || report(&for_report));
    let quote = Text::new(DEV, move || quote(&for_quote));
    let keys = Dynamic::new(DEV, || {
        let key = |name: &'static [u8], policy| {
            (name.to_vec(), Text::new(DEV, move || seal_key(policy)) as Arc<dyn Inode>)
        };
        alloc::vec![key(b"_sgx_mrenclave", 1), key(b"_sgx_mrsigner", 2)]
    });
    let members: Vec<(Vec<u8>, Arc<dyn Inode>)> = alloc::vec![
        (b"attestation_type".to_vec(), Text::new(DEV, || Ok(b"dcap".to_vec())) as Arc<dyn Inode>),
        (b"user_report_data".to_vec(), input(Field::ReportData)),
        (b"target_info".to_vec(), input(Field::TargetInfo)),
        (b"my_target_info".to_vec(), Text::new(DEV, || Ok(own_target_info().to_bytes().to_vec()))),
        (b"report".to_vec(), report),
        (b"quote".to_vec(), quote),
        (b"keys".to_vec(), keys),
    ];
    Dynamic::new(DEV, move || members.clone())
}

/// TARGETINFO of this enclave, from a report about it.
fn own_target_info() -> TargetInfo {
    TargetInfo::of(&ereport(&TargetInfo::default(), &[0; 64]).body)
}

fn report(inputs: &Mutex<Inputs>) -> Result<Vec<u8>> {
    let (data, target) = {
        let inputs = inputs.lock();
        (inputs.report_data, inputs.target_info)
    };
    let target = TargetInfo::from_bytes(&target).map_err(|_| Errno::EINVAL)?;
    Ok(ereport(&target, &data).to_bytes().to_vec())
}

/// A quote about a report for the quoting enclave. What the host returns must at least be about this
/// enclave and these data; only a verifier can tell more.
fn quote(inputs: &Mutex<Inputs>) -> Result<Vec<u8>> {
    let data = inputs.lock().report_data;
    let reply =
        Request::new(Ocall::QuoteTarget).output(TARGET_INFO_SIZE).send().map_err(host_errno)?;
    let target =
        reply.output::<TARGET_INFO_SIZE>(0).check(|told| TargetInfo::from_bytes(&told).ok());
    let target = target.ok_or_else(|| {
        log::implausible("quote target", "a TARGETINFO with reserved bits");
        Errno::EIO
    })?;
    let report = ereport(&target, &data);
    let reply = Request::new(Ocall::Quote)
        .input(&report.to_bytes())
        .output(QUOTE_MAX)
        .value(QUOTE_MAX as u64)
        .send()
        .map_err(host_errno)?;
    let length = usize::try_from(reply.value).unwrap_or(usize::MAX);
    if !(QUOTE_MIN..=QUOTE_MAX).contains(&length) {
        log::implausible("quote", "a length no quote has");
        return Err(Errno::EIO);
    }
    let own = report.to_bytes();
    let about_us = reply.output_bytes(1, length).check(|quote| {
        let body = quote.get(QUOTE_BODY.0..QUOTE_BODY.0 + QUOTE_BODY.1)?;
        (body == own.get(..QUOTE_BODY.1)?).then_some(quote)
    });
    about_us.ok_or_else(|| {
        log::implausible("quote", "a quote about something else");
        Errno::EIO
    })
}

/// The 128-bit sealing key for MRENCLAVE (policy 1) or MRSIGNER (policy 2).
fn seal_key(policy: u16) -> Result<Vec<u8>> {
    let body = ereport(&TargetInfo::default(), &[0; 64]).body;
    let request = KeyRequest {
        keyname: sgx_types::KeyName::Seal as u16,
        keypolicy: sgx_types::KeyPolicy::from_bits(policy),
        isvsvn: body.isvsvn,
        cpusvn: body.cpusvn,
        attributemask: sgx_types::Attributes::from_bits(SEAL_FLAGS, 0),
        ..KeyRequest::default()
    };
    egetkey(&request).map(|key| key.to_vec()).map_err(|_| Errno::EACCES)
}

#[derive(Debug, Clone, Copy)]
enum Field {
    ReportData,
    TargetInfo,
}

/// A file that is written whole.
struct Input {
    inputs: Arc<Mutex<Inputs>>,
    field: Field,
    ino: u64,
}

impl Input {
    fn new(inputs: &Arc<Mutex<Inputs>>, field: Field) -> Arc<Self> {
        Arc::new(Self { inputs: Arc::clone(inputs), field, ino: tmpfs::next_ino() })
    }

    fn with<R>(&self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut inputs = self.inputs.lock();
        match self.field {
            Field::ReportData => run(&mut inputs.report_data),
            Field::TargetInfo => run(&mut inputs.target_info),
        }
    }
}

impl File for Input {
    fn stat(&self) -> Result<Stat> {
        let mode = S_IFREG | 0o666;
        let size = self.with(|field| field.len()) as u64;
        Ok(Stat { dev: DEV, ino: self.ino, nlink: 1, mode, size, blksize: 4096, ..Stat::default() })
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.with(|field| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(field.len());
            let n = (field.len() - from).min(buffer.len());
            buffer[..n].copy_from_slice(&field[from..from + n]);
            Ok(n)
        })
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<usize> {
        self.with(|field| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let target = field.get_mut(from..).filter(|t| t.len() >= buffer.len());
            let target = target.ok_or(Errno::EINVAL)?;
            target.fill(0);
            target[..buffer.len()].copy_from_slice(buffer);
            Ok(buffer.len())
        })
    }

    fn truncate(&self, _length: u64) -> Result<()> {
        Ok(())
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Ok(())
    }
}

impl Inode for Input {
    fn file_type(&self) -> u32 {
        S_IFREG
    }

    fn stat(&self) -> Result<Stat> {
        File::stat(self)
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn truncate(&self, _length: u64) -> Result<()> {
        Ok(())
    }
}
