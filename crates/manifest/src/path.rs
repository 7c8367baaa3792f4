//! Paths inside the enclave.

use alloc::vec::Vec;

/// Longest path in bytes, Linux's `PATH_MAX` without the NUL.
pub(crate) const MAX: usize = 4095;

/// Whether a path is absolute and has one spelling: no empty, `.` or `..` component, no NUL, no
/// slash at the end except for `/` itself, at most 4095 bytes.
#[must_use]
pub fn is_canonical(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/") else { return false };
    path.len() <= MAX
        && !path.contains(&0)
        && (rest.is_empty()
            || rest.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b"..")))
}

/// The part of `path` below `dir`: empty when they are equal, `None` when `path` is elsewhere. Both
/// are canonical.
pub(crate) fn below<'p>(path: &'p [u8], dir: &[u8]) -> Option<&'p [u8]> {
    if dir == b"/" {
        return path.strip_prefix(b"/");
    }
    let rest = path.strip_prefix(dir)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// The components of a path, the last one first.
pub(crate) fn components_backwards(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|&b| b == b'/').filter(|name| !name.is_empty());
    names.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_path() {
        for good in ["/", "/a", "/a/b", "/...", "/a/.b"] {
            assert!(is_canonical(good.as_bytes()), "{good}");
        }
        for bad in ["", "a", "//", "/a/", "/a//b", "/./a", "/a/..", "/a\0"] {
            assert!(!is_canonical(bad.as_bytes()), "{bad}");
        }
        assert!(!is_canonical(&[b'/'; MAX + 1]));
    }

    #[test]
    fn below_respects_component_borders() {
        assert_eq!(below(b"/usr/lib", b"/usr"), Some(&b"lib"[..]));
        assert_eq!(below(b"/usr", b"/usr"), Some(&b""[..]));
        assert_eq!(below(b"/usrlib", b"/usr"), None);
        assert_eq!(below(b"/usr", b"/"), Some(&b"usr"[..]));
        assert_eq!(below(b"/", b"/"), Some(&b""[..]));
    }
}
