//! An enclave made by others goes through the leaves: `test_enclave` of sgxs-tools.

use std::fs;

use sgx_emu::model::encls::LaunchControl;
use sgx_emu::model::{Enclave, Fidelity, TableMemory};
use sgx_types::sgxs::{Record, Records};
use sgx_types::{PageType, Secs, Sigstruct, Xfrm};

use crate::bench::{AEP, processor, vector_path};

#[test]
fn published_enclave_is_built_initialized_and_entered() {
    let stream = fs::read(vector_path("test_enclave.sgxs")).unwrap();
    let image: [u8; Sigstruct::SIZE] =
        fs::read(vector_path("test_enclave.sig")).unwrap().try_into().unwrap();
    let sigstruct = Sigstruct::from_bytes(&image).unwrap();

    let records: Vec<_> = Records::new(&stream).map(Result::unwrap).collect();
    let Record::Ecreate { ssaframesize, size } = records[0] else { panic!("ECREATE first") };
    let mut attributes = sigstruct.attributes;
    attributes.xfrm = Xfrm::LEGACY;
    let secs = Secs { size, ssaframesize, attributes, ..Secs::default() };
    let mut enclave =
        Enclave::ecreate(&secs, &processor(), Fidelity::Strict, TableMemory::default()).unwrap();
    let mut tcs = None;
    for (i, record) in records.iter().enumerate() {
        match *record {
            Record::Ecreate { .. } => {}
            Record::Eadd { offset, secinfo } => {
                let mut page = [0; 4096];
                for following in &records[i + 1..] {
                    match *following {
                        Record::Eextend { offset: at, chunk }
                        | Record::Unmeasured { offset: at, chunk } => {
                            let at = usize::try_from(at - offset).unwrap();
                            page[at..at + 256].copy_from_slice(chunk);
                        }
                        _ => break,
                    }
                }
                enclave.eadd(offset, &secinfo, &page).unwrap();
                if secinfo.flags.page_type() == Some(PageType::Tcs) {
                    tcs = Some(offset);
                }
            }
            Record::Eextend { offset, .. } => enclave.eextend(offset).unwrap(),
            Record::Unmeasured { .. } => {}
        }
    }
    enclave.einit(&image, &LaunchControl::default()).unwrap();
    assert_eq!(enclave.secs().mrenclave, sigstruct.enclavehash);
    let entry = enclave.eenter(tcs.unwrap(), AEP, Xfrm::LEGACY).unwrap();
    assert!(enclave.entry(entry.rip).unwrap().accessible().executable());
}
