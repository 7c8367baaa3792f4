use sgx_emu::model::{Enclave, Fidelity, Processor, TableMemory, XsaveLayout};
use sgx_types::{
    AttributeFlags, Attributes, CetAttributes, Miscselect, Mrenclave, Mrsigner, Secs, Xfrm,
};

use crate::bench::{GP, processor, secs};

fn create(secs: &Secs) -> Result<(), sgx_emu::model::LeafError> {
    Enclave::ecreate(secs, &processor(), Fidelity::Strict, TableMemory::default()).map(|_| ())
}

#[test]
fn legal_secs_makes_an_empty_uninitialized_enclave() {
    let enclave =
        Enclave::ecreate(&secs(), &processor(), Fidelity::Strict, TableMemory::default()).unwrap();
    assert!(!enclave.is_initialized());
    assert_eq!(enclave.valid_pages(), 0);
    assert!(enclave.in_elrange(0) && enclave.in_elrange(0xf_ffff));
    assert!(!enclave.in_elrange(0x10_0000));
}

#[test]
fn fields_that_the_processor_sets_are_cleared() {
    let secs = Secs {
        mrenclave: Mrenclave([1; 32]),
        mrsigner: Mrsigner([1; 32]),
        isvprodid: 1,
        isvsvn: 1,
        ..secs()
    };
    let enclave =
        Enclave::ecreate(&secs, &processor(), Fidelity::Strict, TableMemory::default()).unwrap();
    assert_eq!(*enclave.secs(), crate::bench::secs());
}

#[test]
fn each_illegal_field_is_refused() {
    let flags = |bits: AttributeFlags| Secs {
        attributes: Attributes { flags: bits, ..secs().attributes },
        ..secs()
    };
    let xfrm = |bits| Secs {
        attributes: Attributes { xfrm: Xfrm::from_bits(bits), ..secs().attributes },
        ..secs()
    };
    let mode = AttributeFlags::MODE64BIT;
    let cases = [
        ("XFRM without x87", xfrm(2)),
        ("XFRM without SSE", xfrm(1)),
        ("XFRM beyond XCR0", xfrm(0x207)),
        ("half of AVX-512", xfrm(0x27)),
        ("AVX-512 without AVX", xfrm(0xe3)),
        ("CET attributes", Secs { cet_attributes: CetAttributes::SH_STK_EN, ..secs() }),
        ("CET bitmap", Secs { cet_leg_bitmap_offset: 0x1000, ..secs() }),
        ("unsupported MISCSELECT", Secs { miscselect: Miscselect::CPINFO, ..secs() }),
        ("no SSA frame", Secs { ssaframesize: 0, ..secs() }),
        ("base not canonical", Secs { baseaddr: 1 << 47, ..secs() }),
        ("too large", Secs { size: 1 << 41, ..secs() }),
        ("too small", Secs { size: 4096, ..secs() }),
        ("no size", Secs { size: 0, ..secs() }),
        ("size not a power of two", Secs { size: 0x3000, ..secs() }),
        ("base not aligned to the size", Secs { baseaddr: 0x8_0000, ..secs() }),
        ("INIT", flags(mode | AttributeFlags::INIT)),
        ("reserved attribute", flags(mode | AttributeFlags::from_bits(8))),
        ("AEX-Notify", flags(mode | AttributeFlags::AEXNOTIFY)),
        ("CET", flags(mode | AttributeFlags::CET)),
        ("32-bit mode", flags(AttributeFlags::empty())),
        ("CONFIGID without KSS", Secs { configid: [1; 64], ..secs() }),
        ("CONFIGSVN without KSS", Secs { configsvn: 1, ..secs() }),
    ];
    for (what, secs) in cases {
        assert_eq!(create(&secs), GP, "{what}");
    }
}

#[test]
fn configuration_is_taken_with_kss() {
    let attributes =
        Attributes { flags: AttributeFlags::MODE64BIT | AttributeFlags::KSS, ..secs().attributes };
    assert_eq!(create(&Secs { attributes, configid: [1; 64], configsvn: 1, ..secs() }), Ok(()));
}

#[test]
fn frame_must_hold_xsave_area_exinfo_and_registers() {
    let processor = |avx_size| {
        let mut xsave = XsaveLayout::INTEL;
        xsave.features[2] = (576, avx_size);
        Processor::new(Xfrm::from_bits(7), xsave)
    };
    let create = |avx_size, miscselect| {
        let secs = Secs { ssaframesize: 1, miscselect, ..secs() };
        let processor = processor(avx_size);
        Enclave::ecreate(&secs, &processor, Fidelity::Strict, TableMemory::default()).map(|_| ())
    };
    // 576 legacy and header, 16 EXINFO, 184 GPRSGX.
    let room = 4096 - 576 - 184;
    assert_eq!(create(room, Miscselect::empty()), Ok(()));
    assert_eq!(create(room + 1, Miscselect::empty()), GP);
    assert_eq!(create(room - 16, Miscselect::EXINFO), Ok(()));
    assert_eq!(create(room - 15, Miscselect::EXINFO), GP);
}

#[test]
fn xsave_size_is_that_of_the_last_feature() {
    let size = |xfrm| XsaveLayout::INTEL.size(Xfrm::from_bits(xfrm));
    assert_eq!([size(3), size(7), size(0xe7), size(0x2e7)], [576, 832, 2688, 2696]);
}
