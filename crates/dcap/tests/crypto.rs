//! The pure-Rust cryptography gives the results of ring:
//! `cargo test -p dcap --features rustcrypto --test crypto`.

#[path = "it/data.rs"]
mod data;

use dcap::{Anchors, Time, Verifier, crypto::RustCrypto};

#[test]
fn both_implementations_agree_on_real_evidence() {
    let ring = Verifier::new(Anchors::production());
    let pure = Verifier::with_crypto(Anchors::production(), &RustCrypto);
    for quote in &data::manifest().dcap {
        let bytes = data::read(&quote.file);
        let Some(case) = quote.cases.first() else { continue };
        let (collateral, now) =
            (data::collateral(&case.collateral), Time::from_unix(case.verify_at_unix));
        let results = [&ring, &pure].map(|verifier| {
            let verified = verifier.verify_collateral(&collateral, now)?;
            verifier.verify_quote(&bytes, &verified, now)
        });
        assert_eq!(results[0], results[1], "{}", quote.file);
        let mut forged = bytes;
        forged[100] ^= 1;
        let verified = pure.verify_collateral(&collateral, now).unwrap();
        pure.verify_quote(&forged, &verified, now).unwrap_err();
    }
}
