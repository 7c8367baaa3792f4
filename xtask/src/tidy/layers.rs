//! Layers and sides: who may depend on whom (ARCHITECTURE.md).
//!
//! Every crate declares both in its manifest: `[package.metadata.casemate] layer = 1, side = "host"`.
//! Development dependencies are free: a test may look at its subject from above.

use super::Finding;
use crate::workspace::{Metadata, Package};

/// Edges inside a layer that the architecture itself has: from (`None`: anyone), layer, to.
const INSIDE_A_LAYER: &[(Option<&str>, u64, &str)] = &[
    (None, 0, "crypto"),
    (None, 0, "sgx-types"),
    (Some("casemate"), 3, "server"),
    (Some("casemate"), 3, "client"),
    (Some("init"), 3, "client"),
    // The multi-call binary casemate-server has the verbs of the client.
    (Some("server"), 3, "client"),
];

/// Edges that an ADR grants: from, to, number of the ADR.
const GRANTED: &[(&str, &str, u32)] = &[];

/// A side of the trust boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Linked into the image.
    Enclave,
    /// Runs outside, untrusted.
    Host,
    /// Pure code for all.
    Both,
    /// Plain Linux programs that may run inside.
    Service,
    /// Developers' own.
    Tool,
}

impl Side {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "enclave" => Self::Enclave,
            "host" => Self::Host,
            "both" => Self::Both,
            "service" => Self::Service,
            "tool" => Self::Tool,
            _ => return None,
        })
    }

    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Both => other == Self::Both,
            Self::Enclave => matches!(other, Self::Enclave | Self::Both),
            Self::Service => matches!(other, Self::Service | Self::Both),
            Self::Host => matches!(other, Self::Host | Self::Service | Self::Both),
            Self::Tool => true,
        }
    }
}

/// A crate as far as these rules ask.
struct Crate {
    name: String,
    manifest: String,
    layer: u64,
    side: Side,
    /// Members only, development dependencies aside.
    uses: Vec<String>,
}

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut crates = Vec::new();
    for package in metadata.members() {
        match declared(package) {
            Some(declared) => crates.push(declared),
            None => findings.push(Finding::new(
                package.manifest(),
                "[package.metadata.casemate] lacks layer = 0..3 or side = \"enclave\" | \"host\" | \
                 \"both\" | \"service\" | \"tool\"",
            )),
        }
    }
    findings.extend(edges(&crates));
    findings
}

fn declared(package: &Package) -> Option<Crate> {
    let layer = package.declared("layer")?.as_u64().filter(|layer| *layer <= 3)?;
    let side = Side::parse(package.declared("side")?.as_str()?)?;
    let uses = package.dependencies.iter().filter(|edge| edge.kind.as_deref() != Some("dev"));
    Some(Crate {
        name: package.name.clone(),
        manifest: package.manifest(),
        layer,
        side,
        uses: uses.map(|edge| edge.name.clone()).collect(),
    })
}

fn edges(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for from in crates {
        let targets = from.uses.iter().filter_map(|name| crates.iter().find(|c| c.name == *name));
        for to in targets {
            if let Some(message) = refused(from, to) {
                findings.push(Finding::new(&from.manifest, message));
            }
        }
    }
    findings
}

fn refused(from: &Crate, to: &Crate) -> Option<String> {
    if GRANTED.iter().any(|(a, b, _)| *a == from.name && *b == to.name) {
        return None;
    }
    let inside = from.layer == to.layer
        && INSIDE_A_LAYER.iter().any(|(user, layer, used)| {
            *layer == from.layer && *used == to.name && user.is_none_or(|user| user == from.name)
        });
    if to.layer >= from.layer && !inside && from.side != Side::Tool {
        return Some(format!(
            "{} (layer {}) depends on {} (layer {}); dependencies go down",
            from.name, from.layer, to.name, to.layer
        ));
    }
    (!from.side.may_use(to.side)).then(|| {
        format!("{} ({:?} side) depends on {} ({:?} side)", from.name, from.side, to.name, to.side)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, layer: u64, side: Side, uses: &[&str]) -> Crate {
        let uses = uses.iter().map(|name| (*name).to_owned()).collect();
        Crate { name: name.to_owned(), manifest: format!("{name}/Cargo.toml"), layer, side, uses }
    }

    fn messages(crates: &[Crate]) -> Vec<String> {
        edges(crates).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn accepts_edges_that_go_down() {
        let crates = [
            member("crypto", 0, Side::Both, &[]),
            member("dcap", 0, Side::Both, &["crypto", "thiserror"]),
            member("enclave-rt", 1, Side::Enclave, &["dcap"]),
            member("libos", 2, Side::Enclave, &["enclave-rt"]),
            member("casemate", 3, Side::Host, &["client"]),
            member("client", 3, Side::Service, &[]),
            member("xtask", 3, Side::Tool, &["casemate"]),
        ];
        assert_eq!(messages(&crates), [""; 0]);
    }

    #[test]
    fn refuses_an_upward_edge() {
        let crates =
            [member("dcap", 0, Side::Both, &["verifier"]), member("verifier", 1, Side::Both, &[])];
        let expected = "dcap (layer 0) depends on verifier (layer 1); dependencies go down";
        assert_eq!(messages(&crates), [expected]);
    }

    #[test]
    fn refuses_an_edge_inside_a_layer() {
        let crates = [
            member("dcap", 0, Side::Both, &["rats"]),
            member("rats", 0, Side::Both, &[]),
            // What one may, another may not.
            member("client", 3, Side::Service, &["server"]),
            member("server", 3, Side::Service, &[]),
        ];
        assert_eq!(messages(&crates).len(), 2);
    }

    #[test]
    fn refuses_to_link_the_host_into_the_enclave() {
        let crates = [
            member("libos", 2, Side::Enclave, &["sgx-emu"]),
            member("sgx-emu", 1, Side::Host, &[]),
        ];
        let expected = "libos (Enclave side) depends on sgx-emu (Host side)";
        assert_eq!(messages(&crates), [expected]);
    }

    #[test]
    fn refuses_a_service_that_knows_the_emulator_and_shared_code_that_takes_a_side() {
        let crates = [
            member("vault", 2, Side::Service, &["sgx-emu"]),
            member("manifest", 1, Side::Both, &["enclave-rt"]),
            member("sgx-emu", 1, Side::Host, &[]),
            member("enclave-rt", 0, Side::Enclave, &[]),
        ];
        assert_eq!(messages(&crates).len(), 2);
    }
}
