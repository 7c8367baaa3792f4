//! Shamir's secret sharing over GF(2^8), in Vault's share format.
//!
//! Every multiplication takes the same steps for all operands, without tables and without branches
//! on secrets: the time and the cache tell nothing (CVE-2023-25000).
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use crypto::Secret;

use super::Error;
use crate::random;

/// Splits `secret` into `shares` shares of which `threshold` give it back. With one share, the share
/// is the secret itself.
///
/// # Errors
///
/// `Shares` unless 1 = threshold = shares, or 2 <= threshold <= shares.
pub fn split(secret: &[u8], threshold: u8, shares: u8) -> Result<Vec<Secret<Vec<u8>>>, Error> {
    match (threshold, shares) {
        (0, _) | (_, 0) => return Err(Error::Shares("shares and threshold must be at least one")),
        (1, 1) => return Ok(vec![Secret::new(secret.to_vec())]),
        (1, _) => {
            return Err(Error::Shares(
                "with more than one share the threshold must be at least two",
            ));
        }
        (t, s) if t > s => {
            return Err(Error::Shares("threshold cannot be larger than the number of shares"));
        }
        _ => {}
    }
    let mut split: Vec<Vec<u8>> =
        (0..shares).map(|_| Vec::with_capacity(secret.len().saturating_add(1))).collect();
    let xs = coordinates(shares);
    let mut coefficients = Secret::new(vec![0; usize::from(threshold)]);
    for byte in secret {
        let polynomial = coefficients.expose_mut();
        random::fill(polynomial);
        if let Some(constant) = polynomial.first_mut() {
            *constant = *byte;
        }
        for (share, x) in split.iter_mut().zip(&xs) {
            share.push(evaluate(polynomial, *x));
        }
    }
    for (share, x) in split.iter_mut().zip(&xs) {
        share.push(*x);
    }
    Ok(split.into_iter().map(Secret::new).collect())
}

/// Gives the secret back from at least `threshold` shares. From wrong ones, or too few, it gives
/// other bytes: only a use of the secret can tell.
///
/// # Errors
///
/// `Shares` for shares that cannot belong together.
pub fn combine(shares: &[Secret<Vec<u8>>]) -> Result<Secret<Vec<u8>>, Error> {
    if shares.len() < 2 {
        return Err(Error::Shares("less than two shares cannot be combined"));
    }
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        let (x, ys) = share.expose().split_last().ok_or(Error::Shares("a share is empty"))?;
        points.push((*x, ys));
    }
    let length = points.first().map_or(0, |(_, ys)| ys.len());
    if length == 0 || points.iter().any(|(_, ys)| ys.len() != length) {
        return Err(Error::Shares("shares must have the same length, and more than one byte"));
    }
    let mut xs: Vec<u8> = points.iter().map(|(x, _)| *x).collect();
    xs.sort_unstable();
    if xs.windows(2).any(|pair| pair.first() == pair.last()) || xs.first() == Some(&0) {
        return Err(Error::Shares("the same share was given twice"));
    }
    let mut secret = Secret::new(vec![0_u8; length]);
    for (x, ys) in &points {
        let weight = basis_at_zero(*x, &xs);
        for (byte, y) in secret.expose_mut().iter_mut().zip(*ys) {
            *byte ^= multiply(weight, *y);
        }
    }
    Ok(secret)
}

/// Distinct random x, none of them 0.
fn coordinates(count: u8) -> Vec<u8> {
    let mut xs: Vec<u8> = Vec::with_capacity(count.into());
    let mut pool = [0; 64];
    while xs.len() < usize::from(count) {
        random::fill(&mut pool);
        for x in pool {
            if x != 0 && !xs.contains(&x) && xs.len() < usize::from(count) {
                xs.push(x);
            }
        }
    }
    xs
}

/// The polynomial's value at `x`, by Horner's rule; the constant comes first.
fn evaluate(coefficients: &[u8], x: u8) -> u8 {
    coefficients.iter().rev().fold(0, |value, coefficient| multiply(value, x) ^ coefficient)
}

/// Lagrange's basis polynomial of `x` among `xs`, at 0.
fn basis_at_zero(x: u8, xs: &[u8]) -> u8 {
    let others = xs.iter().filter(|other| **other != x);
    others.fold(1, |product, other| multiply(product, multiply(*other, invert(other ^ x))))
}

/// The product in GF(2^8) modulo x^8+x^4+x^3+x+1.
fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut power = a;
    for bit in 0..8 {
        let mask = (b >> bit & 1).wrapping_neg();
        product ^= power & mask;
        let overflow = (power >> 7).wrapping_neg();
        power = power << 1 ^ (0x1b & overflow);
    }
    product
}

/// The inverse, `a^254`; 0 for 0.
fn invert(a: u8) -> u8 {
    let mut inverse = 1;
    let mut power = a;
    for _ in 0..7 {
        power = multiply(power, power);
        inverse = multiply(inverse, power);
    }
    inverse
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests panic to fail")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hex;

    fn share(text: &str) -> Secret<Vec<u8>> {
        Secret::new(hex::decode(text).unwrap())
    }

    /// The vectors of the specification.
    #[test]
    fn vectors() {
        let shares = ["1b78f6b201", "093f9a4b02", "f324a6cd07", "d62ca587ff"].map(share);
        for three in [&shares[..3], &shares[1..], &shares[..]] {
            assert_eq!(hex::encode(combine(three).unwrap().expose()), "0153caff");
        }
        assert_ne!(hex::encode(combine(&shares[..2]).unwrap().expose()), "0153caff");
    }

    #[test]
    fn the_field_is_a_field() {
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1, "{a}");
            assert_eq!(multiply(a, 1), a);
        }
        assert_eq!(multiply(0x53, 0xca), 1, "FIPS 197, 4.2");
        assert_eq!(invert(0), 0);
    }

    #[test]
    fn refuses_what_cannot_be() {
        for (threshold, shares) in [(0, 1), (1, 0), (1, 2), (3, 2)] {
            assert!(split(b"secret", threshold, shares).is_err(), "{threshold} of {shares}");
        }
        assert!(combine(&[share("0101")]).is_err());
        assert!(combine(&[share("0101"), share("0201")]).is_err(), "equal x");
        assert!(combine(&[share("0101"), share("020202")]).is_err(), "other length");
        assert!(combine(&[share("01"), share("02")]).is_err(), "no y");
        assert!(combine(&[share(""), share("")]).is_err());
    }

    proptest! {
        #[test]
        fn any_threshold_of_shares_gives_the_secret(
            secret in prop::collection::vec(any::<u8>(), 1..40),
            threshold in 2..8_u8, more in 0..5_u8, skip in 0..5_usize)
        {
            let shares = split(&secret, threshold, threshold + more).unwrap();
            let skip = skip.min(more.into());
            let combined = combine(&shares[skip..skip + usize::from(threshold)]).unwrap();
            prop_assert_eq!(combined.expose(), &secret);
        }
    }
}
