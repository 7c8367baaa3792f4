//! MRENCLAVE and the SGXS format: an independent calculation, and streams that must be refused.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use sgx_types::sgxs::{Record, Records, SgxsError, measure};
use sgx_types::{Malformed, Measurement, Mrenclave, PageType, SecInfo, SecInfoFlags};

const ECREATE: Record<'_> = Record::Ecreate { ssaframesize: 1, size: 0x8000 };
const CHUNK: &[u8; 256] = &[0xa5; 256];

fn reg(offset: u64) -> Record<'static> {
    Record::Eadd { offset, secinfo: SecInfo::reg(SecInfoFlags::R) }
}

fn chunk(offset: u64) -> Record<'static> {
    Record::Eextend { offset, chunk: CHUNK }
}

fn stream(records: &[Record<'_>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for record in records {
        stream.extend(record.header());
        stream.extend(record.chunk().into_iter().flatten());
    }
    stream
}

/// The same measurement, written out as the manual describes it and hashed in one piece.
fn by_hand(ssaframesize: u32, size: u64, pages: &[(u64, u64, [u8; 4096])]) -> Mrenclave {
    let mut hashed = b"ECREATE\0".to_vec();
    hashed.extend(ssaframesize.to_le_bytes());
    hashed.extend(size.to_le_bytes());
    hashed.resize(64, 0);
    for (offset, secinfo_flags, content) in pages {
        let start = hashed.len();
        hashed.extend(b"EADD\0\0\0\0");
        hashed.extend(offset.to_le_bytes());
        hashed.extend(secinfo_flags.to_le_bytes());
        hashed.resize(start + 64, 0);
        for (index, piece) in content.chunks(256).enumerate() {
            let start = hashed.len();
            hashed.extend(b"EEXTEND\0");
            hashed.extend((offset + 256 * u64::try_from(index).unwrap()).to_le_bytes());
            hashed.resize(start + 64, 0);
            hashed.extend(piece);
        }
    }
    Mrenclave(crypto::sha256(&hashed))
}

#[test]
fn two_pages_measured_by_hand() {
    let tcs = [0x11; 4096];
    let code: [u8; 4096] = core::array::from_fn(|at| u8::try_from(at % 251).unwrap());
    let mut measurement = Measurement::ecreate(4, 0x1_0000);
    measurement.page(0x1000, &SecInfo::tcs(), &tcs);
    measurement.page(0x3000, &SecInfo::reg(SecInfoFlags::R | SecInfoFlags::X), &code);
    let expected = by_hand(4, 0x1_0000, &[(0x1000, 0x100, tcs), (0x3000, 0x205, code)]);
    assert_eq!(measurement.finish(), expected);
}

#[test]
fn permissions_asked_for_a_tcs_are_not_measured() {
    let measured = |permissions| {
        let mut measurement = Measurement::ecreate(1, 0x8000);
        measurement.eadd(0, &SecInfo::new(PageType::Tcs, permissions));
        measurement.finish()
    };
    assert_eq!(measured(SecInfoFlags::RWX), measured(SecInfoFlags::empty()));
}

#[test]
fn every_argument_changes_the_measurement() {
    let base = || Measurement::ecreate(1, 0x8000);
    let eadd = |offset, permissions| {
        let mut measurement = base();
        measurement.eadd(offset, &SecInfo::reg(permissions));
        measurement
    };
    let eextend = |offset, chunk| {
        let mut measurement = eadd(0, SecInfoFlags::R);
        measurement.eextend(offset, chunk);
        measurement
    };
    let all = [
        base(),
        Measurement::ecreate(2, 0x8000),
        Measurement::ecreate(1, 0x1_0000),
        eadd(0, SecInfoFlags::R),
        eadd(0x1000, SecInfoFlags::R),
        eadd(0, SecInfoFlags::W),
        eextend(0, CHUNK),
        eextend(256, CHUNK),
        eextend(0, &[0; 256]),
    ];
    let digests: std::collections::BTreeSet<Mrenclave> =
        all.iter().map(|measurement| measurement.clone().finish()).collect();
    assert_eq!(digests.len(), all.len());
}

#[test]
fn unmeasured_content_does_not_count() {
    let unmeasured = Record::Unmeasured { offset: 0, chunk: CHUNK };
    let with = stream(&[ECREATE, reg(0), unmeasured, chunk(256)]);
    let without = stream(&[ECREATE, reg(0), chunk(256)]);
    assert_eq!(measure(&with), measure(&without));
    assert!(measure(&with).is_ok());
}

#[test]
fn streams_that_no_loader_could_follow_are_refused() {
    let page_offset = |position, offset| SgxsError::PageOffset { position, offset };
    let chunk_offset = |position, offset| SgxsError::ChunkOffset { position, offset };
    let cases: &[(&[Record<'_>], SgxsError)] = &[
        (&[], SgxsError::Truncated { position: 0 }),
        (&[reg(0)], SgxsError::Ecreate { position: 0 }),
        (&[chunk(0)], SgxsError::Ecreate { position: 0 }),
        (&[ECREATE, ECREATE], SgxsError::Ecreate { position: 64 }),
        (&[Record::Ecreate { ssaframesize: 1, size: 0x1000 }], SgxsError::Size { size: 0x1000 }),
        (&[Record::Ecreate { ssaframesize: 1, size: 0x3000 }], SgxsError::Size { size: 0x3000 }),
        (&[ECREATE, chunk(0)], chunk_offset(64, 0)),
        (&[ECREATE, reg(0x800)], page_offset(64, 0x800)),
        (&[ECREATE, reg(0x8000)], page_offset(64, 0x8000)),
        (&[ECREATE, reg(0x2000), reg(0x2000)], page_offset(128, 0x2000)),
        (&[ECREATE, reg(0x2000), reg(0x1000)], page_offset(128, 0x1000)),
        (&[ECREATE, reg(0x2000), chunk(0x2080)], chunk_offset(128, 0x2080)),
        (&[ECREATE, reg(0x2000), chunk(0x1f00)], chunk_offset(128, 0x1f00)),
        (&[ECREATE, reg(0x2000), chunk(0x3000)], chunk_offset(128, 0x3000)),
        (&[ECREATE, reg(0x2000), chunk(0x2100), chunk(0x2100)], chunk_offset(448, 0x2100)),
    ];
    for (records, expected) in cases {
        assert_eq!(measure(&stream(records)), Err(*expected), "{records:?}");
    }
}

#[test]
fn records_that_are_malformed_are_refused() {
    let good = stream(&[ECREATE, reg(0), chunk(0)]);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        measure(&bytes)
    };
    let reserved = |result, position| match result {
        Err(SgxsError::Record { position: found, source: Malformed::Reserved { .. } }) => {
            assert_eq!(found, position);
        }
        other => panic!("{other:?}"),
    };
    reserved(changed(63, 1), 0);
    reserved(changed(64 + 24, 1), 64);
    reserved(changed(128 + 16, 1), 128);
    assert!(matches!(
        changed(64 + 18, 1),
        Err(SgxsError::Record { position: 64, source: Malformed::Field { field: "FLAGS", .. } })
    ));
    assert!(matches!(changed(64, 0), Err(SgxsError::UnknownTag { position: 64, .. })));
    for cut in 1..good.len() {
        let whole_records = [64, 128].contains(&cut);
        assert_eq!(measure(&good[..cut]).is_ok(), whole_records, "cut at {cut}");
    }
    let mut without_size = good;
    without_size[..8].copy_from_slice(b"UNSIZED\0");
    assert_eq!(measure(&without_size), Err(SgxsError::Unsized));
}

#[test]
fn after_an_error_the_reader_yields_nothing() {
    let stream = stream(&[ECREATE, reg(0x2000), reg(0x1000), reg(0x3000)]);
    let records: Vec<_> = Records::new(&stream).collect();
    assert_eq!(records.len(), 3);
    assert!(records[2].is_err());
}

fn permissions() -> impl Strategy<Value = SecInfoFlags> {
    (0u64..8).prop_map(SecInfoFlags::from_bits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A stream is its own measurement: hashing the file gives MRENCLAVE.
    #[test]
    fn the_measurement_is_the_hash_of_the_stream(
        pages in proptest::collection::btree_map(0u64..8, (permissions(), any::<u16>()), 0..8),
        content in any::<[u8; 256]>(),
    ) {
        let mut records = vec![ECREATE];
        for (index, (permissions, chunks)) in pages {
            let offset = index * 0x1000;
            records.push(Record::Eadd { offset, secinfo: SecInfo::reg(permissions) });
            for at in (0..16).filter(|at| chunks >> at & 1 == 1) {
                records.push(Record::Eextend { offset: offset + at * 256, chunk: &content });
            }
        }
        let stream = stream(&records);
        prop_assert_eq!(measure(&stream), Ok(Mrenclave(crypto::sha256(&stream))));
        let read: Vec<Record<'_>> = Records::new(&stream).map(Result::unwrap).collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        tags in proptest::collection::vec(0usize..6, 0..8),
        noise in proptest::collection::vec(any::<u8>(), 0..2048),
    ) {
        let mut bytes = Vec::new();
        for (tag, piece) in tags.iter().zip(noise.chunks(256)) {
            let tag = [&b"ECREATE\0"[..], b"EADD\0\0\0\0", b"EEXTEND\0", b"UNMEASRD", b"UNSIZED\0",
                b""][*tag];
            bytes.extend(tag);
            bytes.extend(piece);
        }
        let records: Vec<_> = Records::new(&bytes).collect();
        let errors = records.iter().filter(|record| record.is_err()).count();
        prop_assert!(errors <= 1);
        prop_assert_eq!(measure(&bytes).is_ok(), errors == 0);
    }

    #[test]
    fn one_changed_byte_never_keeps_the_measurement(at in 0usize..1024, change in 1u8..) {
        let mut bytes = stream(&[ECREATE, reg(0), chunk(0), chunk(256), reg(0x1000), chunk(0x1f00)]);
        let at = at % bytes.len();
        let before = measure(&bytes).unwrap();
        bytes[at] ^= change;
        prop_assert_ne!(measure(&bytes), Ok(before));
    }
}
