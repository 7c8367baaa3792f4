use sgx_emu::model::{Access, LeafError, Registers};
use sgx_types::SgxError;

use crate::bench::{AEP, DATA, FREE, GP, SIZE, TCS, XCR0, code, initialized, pf};

#[test]
fn blocked_page_loses_all_access_and_cannot_be_entered() {
    let mut enclave = initialized();
    enclave.eblock(DATA).unwrap();
    assert!(enclave.entry(DATA).unwrap().blocked);
    assert_eq!(enclave.memory().access(DATA), Access::NONE);
    enclave.eblock(TCS).unwrap();
    assert_eq!(enclave.eenter(TCS, AEP, XCR0), Err(LeafError::pf(TCS)));
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.eblock(DATA + 8), GP, "not aligned");
    assert_eq!(enclave.eblock(SIZE), pf(SIZE), "outside ELRANGE");
    assert_eq!(enclave.eblock(FREE), code(SgxError::PgInvld), "absent");
    enclave.eblock(DATA).unwrap();
    assert_eq!(enclave.eblock(DATA), code(SgxError::Blkstate), "blocked already");
}

#[test]
fn codes_that_report_a_state_set_carry_and_the_others_zero() {
    let registers = |code| LeafError::Code(code).registers().unwrap();
    assert_eq!(registers(SgxError::Blkstate), Registers { rax: 3, zf: false, cf: true });
    assert_eq!(registers(SgxError::PgInvld), Registers { rax: 6, zf: true, cf: false });
    assert_eq!(LeafError::GP.registers(), None);
}
