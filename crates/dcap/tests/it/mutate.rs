//! Mutations of real and emulated evidence, from a seed.

use dcap::Collateral;
use quoting::{Part, Scenario, Stage, tcb_info::TcbStatus};

use crate::{data, world};

/// What a verifier gets.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) quote: Vec<u8>,
    pub(crate) collateral: Collateral,
    pub(crate) now: u64,
}

/// The root it is verified under.
pub(crate) enum Roots {
    Intel,
    Emulator(Vec<u8>),
}

/// xorshift64*: enough to spread mutations, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a usize fits");
        usize::try_from((self.next() >> 16) % limit).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Makes one mutated input after the other.
pub(crate) struct Mutator {
    random: Random,
    real: Vec<Input>,
    emulated: Vec<Scenario>,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut real = Vec::new();
        for quote in &data::manifest().dcap {
            for case in quote.cases.iter().filter(|case| !case.dcap_qvl_0_7_1.starts_with("ERR")) {
                real.push(Input {
                    quote: data::read(&quote.file),
                    collateral: data::collateral(&case.collateral),
                    now: case.verify_at_unix,
                });
            }
        }
        assert!(real.len() > 100, "the manifest has cases both accept");
        let mut emulated: Vec<Scenario> =
            TcbStatus::ALL.iter().map(|status| world::sgx(*status)).collect();
        for status in TcbStatus::ALL {
            emulated.push(world::tdx(status, 4, 2));
            emulated.push(world::tdx(status, 5, 3));
        }
        Self { random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), real, emulated }
    }

    /// The next input, its root, and what was done to it.
    pub(crate) fn next_input(&mut self) -> (Input, Roots, String) {
        if self.random.below(3) == 0 {
            return self.resigned();
        }
        let mut input = self.random.pick(&self.real).clone();
        let what = match self.random.below(8) {
            0..=2 => self.mutate_quote(&mut input),
            3 => self.swap_field(&mut input),
            4 => self.cut_or_pad(&mut input),
            5 => self.swap_collateral(&mut input),
            6 => self.shift_time(&mut input),
            _ => self.mutate_collateral(&mut input),
        };
        (input, Roots::Intel, what)
    }

    fn flip(&mut self, bytes: &mut [u8]) -> String {
        if bytes.is_empty() {
            return "nothing to flip".to_owned();
        }
        let at = self.random.below(bytes.len());
        let value = match self.random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => self.random.byte(),
            _ => bytes[at] ^ (1 << self.random.below(8)),
        };
        let what = format!("byte {at} of {} from {:#04x} to {value:#04x}", bytes.len(), bytes[at]);
        bytes[at] = value;
        what
    }

    fn mutate_quote(&mut self, input: &mut Input) -> String {
        // Half of the flips go where structure is: headers, lengths, reserved fields.
        if self.random.below(2) == 0 {
            let fields = fields(&input.quote);
            let (name, range) = self.random.pick(&fields).clone();
            return format!("{name}: {}", self.flip(&mut input.quote[range]));
        }
        format!("quote: {}", self.flip(&mut input.quote))
    }

    fn swap_field(&mut self, input: &mut Input) -> String {
        let other = self.random.pick(&self.real).clone();
        let (ours, theirs) = (fields(&input.quote), fields(&other.quote));
        let index = self.random.below(ours.len().min(theirs.len()));
        let ((name, to), (_, from)) = (ours[index].clone(), theirs[index].clone());
        let replacement = other.quote[from].to_vec();
        input.quote.splice(to, replacement);
        format!("{name} of another quote")
    }

    fn cut_or_pad(&mut self, input: &mut Input) -> String {
        if self.random.below(2) == 0 {
            let length = self.random.below(input.quote.len());
            input.quote.truncate(length);
            return format!("cut to {length}");
        }
        let (count, value) = (self.random.below(5000), self.random.byte());
        input.quote.extend(vec![value; count]);
        format!("padded with {count} of {value:#04x}")
    }

    fn swap_collateral(&mut self, input: &mut Input) -> String {
        let other = self.random.pick(&self.real).clone().collateral;
        let mine = &mut input.collateral;
        let part = self.random.below(7);
        match part {
            0 => mine.root_ca_crl = other.root_ca_crl,
            1 => mine.pck_crl = other.pck_crl,
            2 => {
                (mine.tcb_info, mine.tcb_info_signature) =
                    (other.tcb_info, other.tcb_info_signature)
            }
            3 => {
                (mine.qe_identity, mine.qe_identity_signature) =
                    (other.qe_identity, other.qe_identity_signature)
            }
            4 => mine.tcb_info_issuer_chain = other.pck_crl_issuer_chain,
            5 => mine.qe_identity_issuer_chain = other.pck_crl_issuer_chain,
            _ => mine.tcb_info_signature = other.qe_identity_signature,
        }
        format!("part {part} of other collateral")
    }

    fn shift_time(&mut self, input: &mut Input) -> String {
        let days = u64::try_from(self.random.below(120)).expect("small");
        let later = self.random.below(2) == 0;
        let shift = days * 86_400 + self.random.next() % 86_400;
        input.now = if later { input.now + shift } else { input.now - shift };
        format!("{days} days {}", if later { "later" } else { "earlier" })
    }

    fn mutate_collateral(&mut self, input: &mut Input) -> String {
        let mine = &mut input.collateral;
        let text = |field: &mut String, random: &mut Self| {
            let mut bytes = field.clone().into_bytes();
            let what = random.flip(&mut bytes);
            // The other verifier takes text only.
            *field = String::from_utf8(bytes).unwrap_or_else(|_| std::mem::take(field));
            what
        };
        let part = self.random.below(9);
        let what = match part {
            0 => self.flip(&mut mine.root_ca_crl),
            1 => self.flip(&mut mine.pck_crl),
            2 => self.flip(&mut mine.tcb_info_signature),
            3 => self.flip(&mut mine.qe_identity_signature),
            4 => text(&mut mine.tcb_info, self),
            5 => text(&mut mine.qe_identity, self),
            6 => text(&mut mine.tcb_info_issuer_chain, self),
            7 => text(&mut mine.qe_identity_issuer_chain, self),
            _ => text(&mut mine.pck_crl_issuer_chain, self),
        };
        format!("collateral part {part}: {what}")
    }

    /// A mutation inside something that is signed, with the signature made again.
    fn resigned(&mut self) -> (Input, Roots, String) {
        let mut scenario = self.random.pick(&self.emulated).clone();
        let what = match self.random.below(8) {
            0 => self.json(&mut scenario, Part::TcbInfo),
            1 => self.json(&mut scenario, Part::QeIdentity),
            2 => self.bytes_before(&mut scenario, Part::SignedQuote),
            3 => self.bytes_before(&mut scenario, Part::QeReport),
            4 => {
                let part = *self.random.pick(&[Part::Pck, Part::PckCa, Part::TcbSigner]);
                self.bytes_before(&mut scenario, part)
            }
            5 => {
                let part = *self.random.pick(&[Part::RootCrl, Part::PckCrl]);
                self.bytes_before(&mut scenario, part)
            }
            6 => {
                let length = self.random.below(80);
                scenario.auth_data = vec![self.random.byte(); length];
                format!("authentication data of {length} bytes")
            }
            _ => self.platform(&mut scenario),
        };
        let evidence = scenario.evidence();
        let input = Input {
            quote: evidence.quote.clone(),
            collateral: world::collateral(&evidence),
            now: evidence.now.0,
        };
        (input, Roots::Emulator(evidence.root_certificate), what)
    }

    fn bytes_before(&mut self, scenario: &mut Scenario, part: Part) -> String {
        let (at, value) = (self.random.next(), self.random.byte());
        scenario.edit(part, Stage::BeforeSigning, move |bytes| {
            let length = u64::try_from(bytes.len()).expect("fits");
            let at = usize::try_from(at % length).expect("an index");
            bytes[at] = value;
        });
        format!("{part:?}: byte {at} (modulo length) to {value:#04x}, signed again")
    }

    fn json(&mut self, scenario: &mut Scenario, part: Part) -> String {
        let edits: &[(&str, &str)] = &[
            ("UpToDate", "OutOfDate"),
            ("OutOfDate", "Revoked"),
            ("UpToDate", "ConfigurationNeeded"),
            ("SWHardeningNeeded", "UpToDate"),
            ("UpToDate", "TDRelaunchAdvised"),
            ("UpToDate", "uptodate"),
            ("\"svn\":8", "\"svn\":9"),
            ("\"svn\":8", "\"svn\":0"),
            ("\"svn\":8", "\"svn\":300"),
            ("\"svn\":5", "\"svn\":6"),
            ("\"isvsvn\":2", "\"isvsvn\":3"),
            ("\"isvsvn\":2", "\"isvsvn\":1"),
            ("\"pcesvn\":13", "\"pcesvn\":14"),
            ("\"pceId\":\"0000\"", "\"pceId\":\"0001\""),
            ("\"version\":2", "\"version\":3"),
            ("\"version\":3", "\"version\":2"),
            ("\"tcbType\":0", "\"tcbType\":1"),
            ("2026-11-23T", "2026-11-24T"),
            ("2026-12-23T", "2026-11-22T"),
            ("Z\"", "+00:00\""),
            ("Z\"", "\""),
            ("00000000", "01000000"),
            ("FF", "00"),
            ("FF", "FE"),
            ("TDX_01", "TDX_02"),
            ("TD_QE", "QE"),
            ("\"QE\"", "\"QVE\""),
            ("advisoryIDs", "advisories"),
            ("EMU-SA-00002", "EMU-SA-00001"),
            (",", ", "),
            ("{", "{\"extra\":[1,{\"a\":null}],"),
            ("\"id\"", "\"id\":\"X\",\"id\""),
            ("tcbLevels\":[", "tcbLevels\":[],\"other\":["),
            ("}", ""),
        ];
        let (from, to) = *self.random.pick(edits);
        let nth = self.random.below(4);
        scenario.edit(part, Stage::BeforeSigning, move |bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let place =
                text.match_indices(from).nth(nth).or_else(|| text.match_indices(from).next());
            if let Some((at, _)) = place {
                *bytes = [&text[..at], to, &text[at + from.len()..]].concat().into_bytes();
            }
        });
        format!("{part:?}: {from} to {to}, signed again")
    }

    fn platform(&mut self, scenario: &mut Scenario) -> String {
        let (index, value) = (self.random.below(16), self.random.byte() % 16);
        let extension = scenario.pck_extension.as_mut().expect("scenarios have one");
        match self.random.below(6) {
            // Verifiers differ in which of the two they read; in genuine certificates they are equal.
            0 => {
                extension.components[index] = value;
                extension.cpusvn[index] = value;
            }
            1 => extension.pcesvn = u16::from(value),
            2 => extension.fmspc[index % 6] ^= value,
            3 => extension.pceid[index % 2] ^= value,
            4 => scenario.qe.isvsvn = u16::from(value % 4),
            _ => scenario.body.bytes[index] = value,
        }
        format!("platform: field {index} to {value}")
    }
}

/// The fields of a quote, in order, with their ranges.
fn fields(quote: &[u8]) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([quote[at], quote[at + 1]]));
    let version = u16_at(0);
    let body_at = if version == 5 { 54 } else { 48 };
    let body = match (version, quote[4]) {
        (5, _) => u16_at(50),
        (_, 0) => 384,
        _ => 584,
    };
    let auth = body_at + body;
    let qe = auth + 4 + 128 + if version == 3 { 0 } else { 6 };
    let auth_data = u16_at(qe + 448);
    let certification = qe + 450 + auth_data;
    vec![
        ("header", 0..48),
        ("body descriptor", 48..body_at),
        ("body", body_at..auth),
        ("length of signature data", auth..auth + 4),
        ("signature", auth + 4..auth + 68),
        ("attestation key", auth + 68..auth + 132),
        ("outer certification data", auth + 132..qe),
        ("QE report", qe..qe + 384),
        ("QE report signature", qe + 384..qe + 448),
        ("authentication data", qe + 448..certification),
        ("certification data type and length", certification..certification + 6),
        ("certification data", certification + 6..quote.len()),
    ]
}
