//! What `Fidelity::Relaxed` changes, and nothing else.

use sgx_emu::model::{Access, Fidelity, PageRun, RELAXED_RUN_PAGES};
use sgx_types::SgxError;

use crate::bench::{Bench, FREE, PAGE, accept, code, initialized_with, pending, secs};

fn enclave(fidelity: Fidelity) -> Bench {
    let mut enclave = initialized_with(&secs(), fidelity, |_| {});
    enclave.memory_mut().access_calls.clear();
    enclave
}

const RUN: PageRun = PageRun { start: FREE, pages: RELAXED_RUN_PAGES };

#[test]
fn relaxed_maps_a_long_run_once_and_accepting_it_changes_no_mapping() {
    let mut enclave = enclave(Fidelity::Relaxed);
    assert_eq!(enclave.eaug_run(RUN), (RUN.pages, Ok(())));
    for page in RUN.addresses() {
        assert!(enclave.entry(page).unwrap().pending);
        accept(&mut enclave, pending(), page).unwrap();
    }
    assert_eq!(enclave.memory().access_calls, [(RUN, Access::RW)]);
}

#[test]
fn strict_maps_each_page_when_it_is_accepted() {
    let mut enclave = enclave(Fidelity::Strict);
    assert_eq!(enclave.eaug_run(RUN), (RUN.pages, Ok(())));
    assert_eq!(enclave.memory().access_calls, []);
    for page in RUN.addresses() {
        assert_eq!(enclave.memory().access(page), Access::NONE);
        accept(&mut enclave, pending(), page).unwrap();
        assert_eq!(enclave.memory().access(page), Access::RW);
    }
}

#[test]
fn relaxed_treats_short_runs_as_strict() {
    let mut enclave = enclave(Fidelity::Relaxed);
    let run = PageRun { pages: RELAXED_RUN_PAGES - 1, ..RUN };
    assert_eq!(enclave.eaug_run(run), (run.pages, Ok(())));
    enclave.eaug(run.end()).unwrap();
    assert_eq!(enclave.memory().access_calls, []);
}

#[test]
fn relaxed_still_tells_accepted_from_pending() {
    let mut enclave = enclave(Fidelity::Relaxed);
    assert_eq!(enclave.eaug_run(RUN), (RUN.pages, Ok(())));
    let trim = sgx_types::SecInfo::new(sgx_types::PageType::Trim, Default::default());
    assert_eq!(enclave.emodt(FREE, &trim), code(SgxError::PageNotModifiable));
    assert!(enclave.eextend(FREE).is_err());
    enclave.eblock(FREE + PAGE).unwrap();
    assert_eq!(enclave.memory().access(FREE + PAGE), Access::NONE);
}
