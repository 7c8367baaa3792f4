//! Fuzzes the requests that the emulated certification service answers: a method, a blank, a target.

use std::sync::LazyLock;

use quoting::pcs::Pcs;
use quoting::tcb_info::TcbStatus;
use quoting::{Scenario, Seed, UnixTime, standard};

const NOW: UnixTime = UnixTime::from_date(2026, 11, 23);

static PCS: LazyLock<Pcs> = LazyLock::new(|| {
    Pcs::new().with_platform(|now| {
        let platform = standard::platform(TcbStatus::UpToDate, 1);
        Scenario::new(&Seed::new([5; 32]), &platform, now)
    })
});

/// See the module's description.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (method, target) = text.split_once(' ').unwrap_or(("GET", text));
    let response = PCS.answer(method, target, NOW);
    assert!(matches!(response.status, 200 | 400 | 404 | 405 | 410), "{}", response.status);
    for (name, value) in &response.headers {
        assert!(!value.contains(['\r', '\n']), "{name} must be one line");
    }
}
