//! Reading numbers, names and hexadecimal from arguments, and writing hexadecimal.

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads exactly `N` bytes of hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let wrong = || format!("expected {} hexadecimal digits, found {text:?}", 2 * N);
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// Reads a number, decimal or with `0x` hexadecimal.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("expected a number such as 4 or 0x4, found {text:?}"))
}

/// Reads a 32-bit number, decimal or with `0x` hexadecimal.
pub(crate) fn number32(text: &str) -> Result<u32, String> {
    u32::try_from(number(text)?).map_err(|_| format!("expected at most 0xffffffff, found {text}"))
}

/// Reads a set of bits: a number, or names of `names` with commas between.
pub(crate) fn bits(text: &str, names: &[(&str, u64)]) -> Result<u64, String> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return number(text);
    }
    text.split(',').try_fold(0, |bits, name| {
        let name = name.trim();
        match names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, bit)) => Ok(bits | bit),
            None => Err(format!(
                "expected a number or names of {}, found {name:?}",
                names.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_refuses_other_lengths_and_letters() {
        assert_eq!(from_hex::<3>("00ffA5"), Ok([0, 0xff, 0xa5]));
        assert_eq!(to_hex(&[0, 0xff, 0xa5]), "00ffa5");
        for wrong in ["", "00", "00ffa", "00ffa55", "00ffxy", "+0ffa5", "00é5"] {
            assert!(from_hex::<3>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bits_are_numbers_or_names() {
        let names = [("DEBUG", 2), ("KSS", 0x80)];
        assert_eq!(bits("0x82", &names), Ok(0x82));
        assert_eq!(bits("4", &names), Ok(4));
        assert_eq!(bits("debug, KSS", &names), Ok(0x82));
        assert_eq!(
            bits("DEBUGGER", &names),
            Err("expected a number or names of DEBUG, KSS, found \"DEBUGGER\"".to_owned())
        );
    }
}
