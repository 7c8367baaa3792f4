//! The chain over audit entries: `docs/specs/audit-chain.md`.

use crypto::{Secret, ct_eq, hmac_sha256};
use serde::{Deserialize, Serialize};

use crate::barrier::{Barrier, Transaction};
use crate::{Error, hex};

/// The newest entry of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0: there was none yet.
    pub seq: u64,
    /// Its MAC in hexadecimal.
    pub mac: String,
}

/// Where a chain is.
#[derive(Debug)]
pub(crate) struct Chain {
    key: Secret<[u8; 32]>,
    seq: u64,
    mac: [u8; 32],
}

/// What is wrong at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line, from 1, counted over all files.
    pub line: usize,
    /// What is wrong there.
    pub kind: FindingKind,
}

/// Kinds of [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The MAC is not the entry's.
    Edited,
    /// Entries are missing before this one.
    Deleted {
        /// How many.
        count: u64,
    },
    /// The entry stands where an earlier number belongs after it, or a second time.
    Reordered,
    /// The entry does not name the one before it.
    Broken,
    /// The line is no entry of a chain.
    Foreign,
    /// The last line is incomplete: a crash, if a `resumed` entry follows.
    Torn,
    /// The file ends before the given head.
    Cut {
        /// Entries that are missing.
        count: u64,
    },
}

/// The outcome of [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries whose MAC is right.
    pub entries: u64,
    /// The last of them.
    pub head: Head,
    /// What is wrong. Empty: nothing.
    pub findings: Vec<Finding>,
}

impl Head {
    fn row(path: &str) -> String {
        format!("audit/head/{path}")
    }

    pub(crate) fn load(barrier: &Barrier, path: &str) -> Result<Self, Error> {
        let row = barrier.get(&Self::row(path))?;
        Ok(row.and_then(|row| serde_json::from_slice(&row.content).ok()).unwrap_or_default())
    }

    pub(crate) fn store(&self, path: &str, transaction: &mut Transaction) {
        transaction.put(Self::row(path), serde_json::to_vec(self).unwrap_or_default());
    }
}

fn mac(key: &Secret<[u8; 32]>, seq: u64, prev: &[u8; 32], entry: &[u8]) -> [u8; 32] {
    let mut message = b"casemate audit chain v1\0".to_vec();
    message.extend_from_slice(&seq.to_be_bytes());
    message.extend_from_slice(prev);
    message.extend_from_slice(entry);
    hmac_sha256(key.expose(), &message)
}

impl Chain {
    /// Goes on behind `head`.
    pub(crate) fn after(key: Secret<[u8; 32]>, head: &Head) -> Self {
        Chain { key, seq: head.seq, mac: hex::array(&head.mac).unwrap_or_default() }
    }

    pub(crate) fn head(&self) -> Head {
        let mac = if self.seq == 0 { String::new() } else { hex::encode(&self.mac) };
        Head { seq: self.seq, mac }
    }

    /// Returns the line of an entry, with the chain and the line feed, and the chain behind it.
    pub(crate) fn line(&self, entry: &str) -> (String, Head) {
        let seq = self.seq + 1;
        let mac = hex::encode(&mac(&self.key, seq, &self.mac, entry.as_bytes()));
        let prev = hex::encode(&self.mac);
        let open = entry.strip_suffix('}').unwrap_or(entry);
        let line =
            format!("{open},\"chain\":{{\"seq\":{seq},\"prev\":\"{prev}\",\"mac\":\"{mac}\"}}}}\n");
        (line, Head { seq, mac })
    }

    /// Takes a line that was written.
    pub(crate) fn advance(&mut self, head: &Head) {
        self.seq = head.seq;
        self.mac = hex::array(&head.mac).unwrap_or_default();
    }
}

/// A line taken apart; nothing is checked.
struct Parsed<'a> {
    entry: Vec<u8>,
    seq: u64,
    prev: [u8; 32],
    mac: [u8; 32],
    line: &'a [u8],
}

fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    const MARK: &[u8] = b",\"chain\":{\"seq\":";
    let start = line.windows(MARK.len()).rposition(|window| window == MARK)?;
    let open = line.iter().position(|byte| *byte == b'{')?;
    let chain = std::str::from_utf8(line.get(start + MARK.len()..)?).ok()?;
    let (seq, rest) = chain.split_once(",\"prev\":\"")?;
    let (prev, rest) = rest.split_once("\",\"mac\":\"")?;
    let mac = rest.strip_suffix("\"}}")?;
    let mut entry = line.get(open..start)?.to_vec();
    entry.push(b'}');
    Some(Parsed {
        entry,
        seq: seq.parse().ok()?,
        prev: hex::array(prev)?,
        mac: hex::array(mac)?,
        line,
    })
}

impl Parsed<'_> {
    fn is_authentic(&self, key: &Secret<[u8; 32]>) -> bool {
        ct_eq(&mac(key, self.seq, &self.prev, &self.entry), &self.mac)
    }

    /// Length of the torn line that a `resumed` entry speaks of.
    fn resumes(&self) -> Option<u64> {
        let value: serde_json::Value = serde_json::from_slice(self.line).ok()?;
        value.get("resumed")?.get("torn_bytes")?.as_u64()
    }
}

/// The last complete, authentic entry of a file's end, and the bytes of an incomplete line behind it.
pub(crate) fn tail(bytes: &[u8], key: &Secret<[u8; 32]>) -> (Option<Head>, usize) {
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let torn = bytes.len() - complete;
    let lines = bytes.get(..complete).unwrap_or_default().split(|byte| *byte == b'\n');
    let last = lines.rev().filter_map(parse).find(|parsed| parsed.is_authentic(key));
    (last.map(|parsed| Head { seq: parsed.seq, mac: hex::encode(&parsed.mac) }), torn)
}

/// Verifies the bytes of an audit file, or of several that follow each other, joined. `head` is what the
/// server or a second place knows of the device's newest entry.
pub fn verify(bytes: &[u8], key: &Secret<[u8; 32]>, head: Option<&Head>) -> Report {
    let mut findings = Vec::new();
    let mut entries = 0;
    let mut before: Option<(u64, [u8; 32])> = None;
    let mut torn: Option<(usize, u64)> = None;
    let is_complete = bytes.last().is_none_or(|byte| *byte == b'\n');
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let incomplete = lines.pop().filter(|_| !is_complete);
    for (number, line) in (1..).zip(&lines) {
        let Some(parsed) = parse(line) else {
            if let Some((line, _)) = torn.replace((number, line.len() as u64)) {
                findings.push(Finding { line, kind: FindingKind::Foreign });
            }
            continue;
        };
        if let Some((line, length)) = torn.take()
            && (!parsed.is_authentic(key) || parsed.resumes() != Some(length))
        {
            findings.push(Finding { line, kind: FindingKind::Foreign });
        }
        if !parsed.is_authentic(key) {
            findings.push(Finding { line: number, kind: FindingKind::Edited });
            continue;
        }
        entries += 1;
        if let Some((seq, mac)) = before {
            let kind = match parsed.seq {
                next if next == seq + 1 => (parsed.prev != mac).then_some(FindingKind::Broken),
                next if next > seq => Some(FindingKind::Deleted { count: next - seq - 1 }),
                _ => Some(FindingKind::Reordered),
            };
            findings.extend(kind.map(|kind| Finding { line: number, kind }));
        }
        before = Some((parsed.seq, parsed.mac));
    }
    if let Some((line, _)) = torn {
        findings.push(Finding { line, kind: FindingKind::Foreign });
    }
    if incomplete.is_some() {
        findings.push(Finding { line: lines.len() + 1, kind: FindingKind::Torn });
    }
    let last = before.map_or_else(Head::default, |(seq, mac)| Head { seq, mac: hex::encode(&mac) });
    if let Some(head) = head
        && head.seq > last.seq
    {
        let kind = FindingKind::Cut { count: head.seq - last.seq };
        findings.push(Finding { line: lines.len() + 1, kind });
    }
    Report { entries, head: last, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Secret<[u8; 32]> {
        Secret::new([0x33; 32])
    }

    fn file(entries: &[&str]) -> Vec<String> {
        let mut chain = Chain::after(key(), &Head::default());
        let lines = entries.iter().map(|entry| {
            let (line, head) = chain.line(entry);
            chain.advance(&head);
            line
        });
        lines.collect()
    }

    fn kinds(lines: &[String], head: Option<&Head>) -> Vec<FindingKind> {
        let report = verify(lines.concat().as_bytes(), &key(), head);
        report.findings.into_iter().map(|finding| finding.kind).collect()
    }

    /// The vectors of the specification.
    #[test]
    fn vectors() {
        let lines = file(&[
            r#"{"type":"request","auth":{},"request":{"id":"a"}}"#,
            r#"{"type":"response","request":{"id":"a"}}"#,
        ]);
        let first = "48926489644ea7503c0595bccaa05388340f5ffb4f05634cf236f3ff79a8e50b";
        let second = "e80f159b55588ab6d140ab8cd3b7d4f4c56c89211185aa76346b8115bb1cd263";
        let zero = "0".repeat(64);
        assert_eq!(
            lines,
            [
                format!(
                    "{{\"type\":\"request\",\"auth\":{{}},\"request\":{{\"id\":\"a\"}},\"chain\":{{\"seq\":1,\"prev\":\"{zero}\",\"mac\":\"{first}\"}}}}\n"
                ),
                format!(
                    "{{\"type\":\"response\",\"request\":{{\"id\":\"a\"}},\"chain\":{{\"seq\":2,\"prev\":\"{first}\",\"mac\":\"{second}\"}}}}\n"
                ),
            ]
        );
        assert_eq!(kinds(&lines, None), []);
    }

    #[test]
    fn every_kind_of_tampering_is_found() {
        let good = file(&["{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":4}"]);
        let head = verify(good.concat().as_bytes(), &key(), None).head;
        assert_eq!(kinds(&good, Some(&head)), []);
        let mut edited = good.clone();
        edited[1] = edited[1].replace("\"n\":2", "\"n\":9");
        assert_eq!(kinds(&edited, None)[0], FindingKind::Edited);
        let mut deleted = good.clone();
        deleted.remove(1);
        assert_eq!(kinds(&deleted, None), [FindingKind::Deleted { count: 1 }]);
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert!(kinds(&swapped, None).contains(&FindingKind::Reordered));
        let mut repeated = good.clone();
        repeated.insert(2, good[1].clone());
        assert!(kinds(&repeated, None).contains(&FindingKind::Reordered));
        assert_eq!(kinds(&good[..3], Some(&head)), [FindingKind::Cut { count: 1 }]);
        assert_eq!(kinds(&good[2..], Some(&head)), [], "a rotated file begins in the middle");
        let mut foreign = good.clone();
        foreign.insert(1, "{\"n\":\"made up\"}\n".to_owned());
        assert_eq!(kinds(&foreign, None), [FindingKind::Foreign]);
        let mut torn = good;
        torn[3].truncate(10);
        assert_eq!(kinds(&torn, None), [FindingKind::Torn]);
    }

    #[test]
    fn a_torn_line_is_forgiven_if_the_server_resumed() {
        let mut lines = file(&["{\"n\":1}", "{\"n\":2}"]);
        let torn = lines[1][..20].to_owned();
        lines.truncate(1);
        let (head, _) = tail(lines.concat().as_bytes(), &key());
        let head = head.unwrap();
        assert_eq!(
            tail([lines.concat(), torn.clone()].concat().as_bytes(), &key()),
            (Some(head.clone()), 20)
        );
        let chain = Chain::after(key(), &head);
        let (resumed, _) = chain
            .line("{\"type\":\"resumed\",\"resumed\":{\"seq\":1,\"torn_bytes\":20,\"missing\":0}}");
        lines.extend([format!("{torn}\n"), resumed]);
        assert_eq!(kinds(&lines, None), []);
        lines[1].insert(0, 'x');
        assert_eq!(kinds(&lines, None), [FindingKind::Foreign], "another length");
    }
}
