//! Page ocalls: restrict, change type, remove.

use enclave_abi::ocall::Ocall;
use sgx_types::{PageType, SecInfoFlags};

use super::Session;
use crate::platform::{Errno, Pages, PagesDone};

/// Does a page operation; result word and bytes done.
pub(super) fn change(session: &Session, ocall: Ocall, args: &[u64; 6]) -> (i64, u64) {
    let pages = Pages { address: args[0], len: args[1] };
    let done = match ocall {
        Ocall::RestrictPages => {
            session.enclave.restrict(pages, SecInfoFlags::from_bits(args[2]).permissions())
        }
        Ocall::ModifyPages => match u8::try_from(args[2]).ok().and_then(PageType::from_number) {
            Some(page_type) => session.enclave.modify_type(pages, page_type),
            None => PagesDone { bytes: 0, stopped: Some(Errno::EINVAL) },
        },
        _ => session.enclave.remove(pages),
    };
    (done.stopped.map_or(0, Errno::result), done.bytes)
}
