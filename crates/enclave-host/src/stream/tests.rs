#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values in tests are small"
)]

use enclave_abi::layout::ELRANGE_MIN;
use sgx_types::Mrenclave;

use super::*;
use crate::identity::mrenclave;
use crate::image::tests::example;

pub(crate) fn enclave() -> manifest::Enclave {
    manifest::Enclave {
        elrange_size: ELRANGE_MIN,
        threads: 2,
        heap_initial: 1 << 20,
        edmm: true,
        debug: false,
        dev: false,
        isvprodid: 1,
        isvsvn: 1,
        xfrm_max: 0xe7,
    }
}

/// MRENCLAVE straight from docs/specs/enclave-abi.md, with nothing of the loader's: literal
/// addresses, literal records, pages by hand. The image is the one of `image::tests::example`.
fn mrenclave_by_hand(manifest: &[u8]) -> [u8; 32] {
    let mut log = b"ECREATE\0".to_vec();
    log.extend(4u32.to_le_bytes());
    log.extend((1u64 << 36).to_le_bytes());
    log.resize(64, 0);
    let mut add = |address: u64, flags: u64, content: Option<[u8; 4096]>| {
        let mut record = b"EADD\0\0\0\0".to_vec();
        record.extend(address.to_le_bytes());
        record.extend(flags.to_le_bytes());
        record.resize(64, 0);
        log.extend(&record);
        for (i, chunk) in content.iter().flat_map(|page| page.chunks(256)).enumerate() {
            let mut record = b"EEXTEND\0".to_vec();
            record.extend((address + 256 * i as u64).to_le_bytes());
            record.resize(64, 0);
            log.extend(&record);
            log.extend(chunk);
        }
    };
    let words = |fields: &[(usize, u64)]| {
        let mut page = [0; 4096];
        for (at, value) in fields {
            page[*at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        page
    };
    let rt = (1u64 << 36) - (1 << 30);
    let magic = u64::from_le_bytes(*b"CSMLAYT1");
    let layout = [
        (0, magic),
        (8, 1),
        (16, 1 << 36),
        (24, 0x5000),
        (32, manifest.len() as u64),
        (40, 2),
        (48, 1 << 20),
    ];
    add(rt, 0x201, Some(words(&layout)));
    for (i, chunk) in manifest.chunks(4096).enumerate() {
        let mut page = [0; 4096];
        page[..chunk.len()].copy_from_slice(chunk);
        add(rt + 0x1000 + 0x1000 * i as u64, 0x201, Some(page));
    }
    let image = rt + (16 << 20);
    let file = example();
    let mut rodata = [0; 4096];
    let mut code = [0; 4096];
    rodata[..0x100].copy_from_slice(&file[0x1000..0x1100]);
    code[..0x40].copy_from_slice(&file[0x2000..0x2040]);
    let (mut data0, mut data1) = ([0; 4096], [0; 4096]);
    data0[0xff0..].fill(7);
    data1[..0x10].fill(7);
    let pages =
        [(0x201, rodata), (0x205, code), (0x203, data0), (0x203, data1), (0x203, [0; 4096])];
    for (i, (flags, page)) in pages.into_iter().enumerate() {
        add(image + 0x1000 * i as u64, flags, Some(page));
    }
    for thread in 0..2 {
        let block = rt + (32 << 20) + thread * (1 << 20);
        let tcb = block + 0x9000;
        let tcs = [
            (16, block + 0x1000),
            (24, 2 << 32),
            (32, image + 0x1008),
            (48, tcb),
            (56, tcb),
            (64, 0xfff_0000_0fff),
        ];
        add(block, 0x100, Some(words(&tcs)));
        for page in 1..9 {
            add(block + 0x1000 * page, 0x203, None);
        }
        let (exception_top, kernel_top) = (block + 0x2_0000, block + 0x8_0000);
        let template = [
            (0, tcb),
            (8, rt),
            (16, thread),
            (24, kernel_top),
            (32, exception_top),
            (40, block + 0x1000),
        ];
        add(tcb, 0x203, Some(words(&template)));
        for page in 0x10..0x20 {
            add(block + 0x1000 * page, 0x203, None);
        }
        for page in 0x40..0x80 {
            add(block + 0x1000 * page, 0x203, None);
        }
    }
    for page in 0..256 {
        add(rt + (256 << 20) + 0x1000 * page, 0x203, None);
    }
    crypto::sha256(&log)
}

#[test]
fn mrenclave_agrees_with_the_specification_done_by_hand() {
    let image = Image::parse(&example()).unwrap();
    let manifest: Vec<u8> = (0..5000).map(|i| (i % 250) as u8).collect();
    let stream = PageStream::new(&image, &enclave(), &manifest).unwrap();
    assert_eq!(mrenclave(&stream), Mrenclave(mrenclave_by_hand(&manifest)));
}

#[test]
fn every_choice_changes_the_measurement() {
    let image = Image::parse(&example()).unwrap();
    let measure = |enclave: &manifest::Enclave, manifest: &[u8]| {
        mrenclave(&PageStream::new(&image, enclave, manifest).unwrap())
    };
    let base = measure(&enclave(), b"m");
    assert_ne!(base, measure(&enclave(), b"n"));
    assert_ne!(base, measure(&manifest::Enclave { threads: 3, ..enclave() }, b"m"));
    assert_ne!(base, measure(&manifest::Enclave { edmm: false, ..enclave() }, b"m"));
    assert_ne!(base, measure(&manifest::Enclave { debug: true, ..enclave() }, b"m"));
    let larger = manifest::Enclave { elrange_size: 2 * ELRANGE_MIN, ..enclave() };
    assert_ne!(base, measure(&larger, b"m"));
}

#[test]
fn no_page_is_added_twice_or_outside_elrange() {
    let image = Image::parse(&example()).unwrap();
    let stream = PageStream::new(&image, &enclave(), &[1; 9000]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (address, _) in stream.runs().flat_map(|run| run.pages()) {
        assert!(address.is_multiple_of(PAGE) && address < ELRANGE_MIN);
        assert!(seen.insert(address), "{address:#x} twice");
    }
    assert_eq!(seen.len(), 1 + 3 + 5 + 2 * (1 + 8 + 1 + 16 + 64) + 256);
}
