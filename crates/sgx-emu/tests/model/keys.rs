//! EGETKEY.

use std::collections::BTreeSet;

use sgx_emu::model::platform::Platform;
use sgx_emu::model::{Fidelity, LeafError};
use sgx_types::{
    AttributeFlags, Attributes, CetAttributes, KeyName, KeyPolicy, KeyRequest, Miscselect, Secs,
    SgxError, Sigstruct, Xfrm,
};

use crate::bench::{
    Bench, DATA, FREE, GP, PAGE, READ_ONLY, SIZE, TCS, initialized_with, pf, platform, put, secs,
    take,
};

const REQUEST: u64 = DATA;
const OUTPUT: u64 = DATA + 0x800;
const MODE: AttributeFlags = AttributeFlags::MODE64BIT;

fn seal(policy: KeyPolicy) -> KeyRequest {
    KeyRequest {
        keyname: KeyName::Seal as u16,
        keypolicy: policy,
        isvsvn: 5,
        cpusvn: platform(1).cpusvn(),
        attributemask: Attributes::from_bits(u64::MAX, 0),
        ..KeyRequest::default()
    }
}

fn named(keyname: KeyName) -> KeyRequest {
    KeyRequest { keyname: keyname as u16, ..seal(KeyPolicy::empty()) }
}

/// An enclave with these attribute flags and a changed SIGSTRUCT.
fn enclave(flags: AttributeFlags, change: impl FnOnce(&mut Sigstruct)) -> Bench {
    let attributes = Attributes { flags, ..secs().attributes };
    initialized_with(&Secs { attributes, ..secs() }, Fidelity::Strict, change)
}

fn plain() -> Bench {
    enclave(MODE, |_| {})
}

fn egetkey(
    enclave: &mut Bench,
    platform: &Platform,
    request: &KeyRequest,
) -> Result<[u8; 16], LeafError> {
    put(enclave, REQUEST, &request.to_bytes());
    put(enclave, OUTPUT, &[0x55; 16]);
    let result = enclave.egetkey(platform, REQUEST, OUTPUT);
    let key = take::<16>(enclave, OUTPUT);
    if result.is_err() {
        assert_eq!(key, [0x55; 16], "a refused request writes nothing");
    }
    result.map(|()| key)
}

fn key(enclave: &mut Bench, request: &KeyRequest) -> [u8; 16] {
    egetkey(enclave, &platform(1), request).unwrap()
}

fn refused(enclave: &mut Bench, request: &KeyRequest) -> LeafError {
    egetkey(enclave, &platform(1), request).unwrap_err()
}

#[test]
fn operands_must_be_aligned_inside_and_accessible() {
    let mut enclave = plain();
    put(&mut enclave, REQUEST, &seal(KeyPolicy::MRSIGNER).to_bytes());
    let mut call = |rbx, rcx| enclave.egetkey(&platform(1), rbx, rcx);
    assert_eq!(call(REQUEST + 256, OUTPUT), GP, "request not aligned");
    assert_eq!(call(SIZE, OUTPUT), GP, "request outside ELRANGE");
    assert_eq!(call(FREE, OUTPUT), pf(FREE), "request absent");
    assert_eq!(call(TCS, OUTPUT), pf(TCS), "request in a TCS");
    assert_eq!(call(REQUEST, OUTPUT + 8), GP, "output not aligned");
    assert_eq!(call(REQUEST, SIZE), GP, "output outside ELRANGE");
    assert_eq!(call(REQUEST, FREE + PAGE), pf(FREE + PAGE), "output absent");
    assert_eq!(call(REQUEST, READ_ONLY), pf(READ_ONLY), "output not writable");
    assert_eq!(call(REQUEST, OUTPUT), Ok(()));
}

#[test]
fn reserved_bytes_and_policy_bits_fault() {
    let mut enclave = plain();
    for (offset, byte) in [(7, 1), (78, 1), (511, 1), (2, 0x40), (3, 0x80)] {
        let mut image = seal(KeyPolicy::MRSIGNER).to_bytes();
        image[offset] |= byte;
        put(&mut enclave, REQUEST, &image);
        assert_eq!(enclave.egetkey(&platform(1), REQUEST, OUTPUT), GP, "offset {offset}");
    }
}

#[test]
fn kss_policies_and_configsvn_need_kss() {
    let all = [
        KeyPolicy::NOISVPRODID,
        KeyPolicy::CONFIGID,
        KeyPolicy::ISVFAMILYID,
        KeyPolicy::ISVEXTPRODID,
    ];
    let mut without = plain();
    let mut with = enclave(MODE | AttributeFlags::KSS, |_| {});
    for policy in all {
        assert_eq!(refused(&mut without, &seal(policy)), LeafError::GP, "{policy}");
        key(&mut with, &seal(policy));
    }
    let request = KeyRequest { configsvn: 1, ..seal(KeyPolicy::MRSIGNER) };
    assert_eq!(refused(&mut without, &request), LeafError::GP);
    assert_eq!(refused(&mut with, &request), LeafError::Code(SgxError::InvalidIsvsvn));
}

#[test]
fn newer_version_opens_what_an_older_one_sealed_and_not_the_reverse() {
    let signed_as = |isvsvn| enclave(MODE, move |sigstruct| sigstruct.isvsvn = isvsvn);
    let (mut old, mut new) = (signed_as(5), signed_as(6));
    let request = |isvsvn| KeyRequest { isvsvn, ..seal(KeyPolicy::MRSIGNER) };
    assert_eq!(key(&mut new, &request(5)), key(&mut old, &request(5)));
    assert_ne!(key(&mut new, &request(6)), key(&mut old, &request(5)));
    let error = refused(&mut old, &request(6));
    assert_eq!(error, LeafError::Code(SgxError::InvalidIsvsvn));
}

#[test]
fn debug_enclave_gets_other_keys_whatever_the_mask() {
    let request = KeyRequest { attributemask: Attributes::default(), ..seal(KeyPolicy::MRSIGNER) };
    let mut debug = enclave(MODE | AttributeFlags::DEBUG, |_| {});
    assert_ne!(key(&mut debug, &request), key(&mut plain(), &request));
}

#[test]
fn attributes_count_as_far_as_the_mask_goes() {
    let mut avx = plain();
    let legacy = Attributes { xfrm: Xfrm::LEGACY, ..secs().attributes };
    let mut sse =
        initialized_with(&Secs { attributes: legacy, ..secs() }, Fidelity::Strict, |_| {});
    let request = |xfrm| KeyRequest {
        attributemask: Attributes::from_bits(0, xfrm),
        ..seal(KeyPolicy::MRSIGNER)
    };
    assert_eq!(key(&mut avx, &request(3)), key(&mut sse, &request(3)));
    assert_ne!(key(&mut avx, &request(7)), key(&mut sse, &request(7)));
    assert_ne!(key(&mut avx, &request(3)), key(&mut avx, &request(1)), "the mask is bound too");
}

#[test]
fn miscselect_counts_as_far_as_the_mask_goes() {
    let mut exinfo = plain();
    let without = Secs { miscselect: Miscselect::empty(), ..secs() };
    let mut none = initialized_with(&without, Fidelity::Strict, |_| {});
    let request = |miscmask| KeyRequest { miscmask, ..seal(KeyPolicy::MRSIGNER) };
    let unmasked = request(Miscselect::empty());
    assert_eq!(key(&mut exinfo, &unmasked), key(&mut none, &unmasked));
    let masked = request(Miscselect::EXINFO);
    assert_ne!(key(&mut exinfo, &masked), key(&mut none, &masked));
}

#[test]
fn policy_decides_what_the_key_is_bound_to() {
    let kss = MODE | AttributeFlags::KSS;
    type Change = fn(&mut Sigstruct);
    let product: Change = |sigstruct| sigstruct.isvprodid = 8;
    let family: Change = |sigstruct| sigstruct.isvfamilyid = [1; 16];
    let extended: Change = |sigstruct| sigstruct.isvextprodid = [1; 16];
    let signer = KeyPolicy::MRSIGNER;
    for (what, change, bound, unbound) in [
        ("ISVPRODID", product, signer, signer | KeyPolicy::NOISVPRODID),
        ("ISVFAMILYID", family, signer | KeyPolicy::ISVFAMILYID, signer),
        ("ISVEXTPRODID", extended, signer | KeyPolicy::ISVEXTPRODID, signer),
    ] {
        let (mut one, mut other) = (enclave(kss, |_| {}), enclave(kss, change));
        let (bound, unbound) = (seal(bound), seal(unbound));
        assert_ne!(key(&mut one, &bound), key(&mut other, &bound), "{what}");
        assert_eq!(key(&mut one, &unbound), key(&mut other, &unbound), "{what}");
    }
}

#[test]
fn configuration_counts_only_under_its_policy() {
    let attributes = Attributes { flags: MODE | AttributeFlags::KSS, ..secs().attributes };
    let configured = |byte| {
        let secs = Secs { attributes, configid: [byte; 64], configsvn: 3, ..secs() };
        initialized_with(&secs, Fidelity::Strict, |_| {})
    };
    let (mut one, mut other) = (configured(1), configured(2));
    let bound = seal(KeyPolicy::MRSIGNER | KeyPolicy::CONFIGID);
    assert_ne!(key(&mut one, &bound), key(&mut other, &bound));
    let unbound = seal(KeyPolicy::MRSIGNER);
    assert_eq!(key(&mut one, &unbound), key(&mut other, &unbound));
    let at = |configsvn| KeyRequest { configsvn, ..bound };
    assert_ne!(key(&mut one, &at(2)), key(&mut one, &at(3)));
    assert_eq!(refused(&mut one, &at(4)), LeafError::Code(SgxError::InvalidIsvsvn));
}

#[test]
fn mrenclave_policy_tells_builds_apart() {
    let mut one = plain();
    let larger = Secs { size: 2 * SIZE, ..secs() };
    let mut other = initialized_with(&larger, Fidelity::Strict, |_| {});
    let build = seal(KeyPolicy::MRENCLAVE);
    assert_ne!(key(&mut one, &build), key(&mut other, &build));
    let signer = seal(KeyPolicy::MRSIGNER);
    assert_eq!(key(&mut one, &signer), key(&mut other, &signer));
}

#[test]
fn provisioning_keys_need_the_attribute() {
    let names = [
        (KeyName::Provision, AttributeFlags::PROVISIONKEY),
        (KeyName::ProvisionSeal, AttributeFlags::PROVISIONKEY),
        (KeyName::EinitToken, AttributeFlags::EINITTOKENKEY),
    ];
    for (name, attribute) in names {
        let error = refused(&mut plain(), &named(name));
        assert_eq!(error, LeafError::Code(SgxError::InvalidAttribute), "{name:?}");
        key(&mut enclave(MODE | attribute, |_| {}), &named(name));
    }
}

#[test]
fn versions_beyond_the_platform_or_enclave_are_refused_for_every_versioned_key() {
    let mut enclave =
        enclave(MODE | AttributeFlags::PROVISIONKEY | AttributeFlags::EINITTOKENKEY, |_| {});
    let mut beyond = platform(1).cpusvn();
    beyond[3] += 1;
    for name in [KeyName::Seal, KeyName::Provision, KeyName::ProvisionSeal, KeyName::EinitToken] {
        let cpusvn = KeyRequest { cpusvn: beyond, ..named(name) };
        let error = refused(&mut enclave, &cpusvn);
        assert_eq!(error, LeafError::Code(SgxError::InvalidCpusvn), "{name:?}");
        let isvsvn = KeyRequest { isvsvn: 6, ..named(name) };
        let error = refused(&mut enclave, &isvsvn);
        assert_eq!(error, LeafError::Code(SgxError::InvalidIsvsvn), "{name:?}");
    }
}

#[test]
fn unknown_key_name_is_refused() {
    for keyname in [5, 0xffff] {
        let request = KeyRequest { keyname, ..seal(KeyPolicy::MRSIGNER) };
        let error = refused(&mut plain(), &request);
        assert_eq!(error, LeafError::Code(SgxError::InvalidKeyname));
    }
}

#[test]
fn every_input_of_a_seal_key_changes_it() {
    let mut enclave = plain();
    let base = seal(KeyPolicy::MRSIGNER);
    let requests = [
        base,
        KeyRequest { keyid: [1; 32], ..base },
        KeyRequest { isvsvn: 4, ..base },
        KeyRequest { cpusvn: [0; 16], ..base },
        KeyRequest { keypolicy: KeyPolicy::MRENCLAVE, ..base },
        KeyRequest { keypolicy: KeyPolicy::MRENCLAVE | KeyPolicy::MRSIGNER, ..base },
        KeyRequest { keypolicy: KeyPolicy::empty(), ..base },
        KeyRequest { attributemask: Attributes::default(), ..base },
        KeyRequest { miscmask: Miscselect::EXINFO, ..base },
        KeyRequest { cet_attributes_mask: CetAttributes::SH_STK_EN, ..base },
    ];
    let keys: BTreeSet<_> = requests.iter().map(|request| key(&mut enclave, request)).collect();
    assert_eq!(keys.len(), requests.len());
}

#[test]
fn platforms_have_different_keys_and_one_platform_the_same() {
    let request = seal(KeyPolicy::MRSIGNER);
    let mut enclave = plain();
    let ours = key(&mut enclave, &request);
    assert_eq!(key(&mut enclave, &request), ours);
    assert_ne!(egetkey(&mut enclave, &platform(2), &request).unwrap(), ours);
}

#[test]
fn out_of_date_platform_keeps_its_old_keys_and_cannot_get_new_ones() {
    let now = platform(1);
    let mut old_cpusvn = now.cpusvn();
    old_cpusvn[0] -= 1;
    let old = now.older("old", old_cpusvn, 0).unwrap();
    let mut enclave = plain();
    let before = KeyRequest { cpusvn: old_cpusvn, ..seal(KeyPolicy::MRSIGNER) };
    assert_eq!(
        egetkey(&mut enclave, &old, &before).unwrap(),
        egetkey(&mut enclave, &now, &before).unwrap()
    );
    let error = egetkey(&mut enclave, &old, &seal(KeyPolicy::MRSIGNER)).unwrap_err();
    assert_eq!(error, LeafError::Code(SgxError::InvalidCpusvn));
}
