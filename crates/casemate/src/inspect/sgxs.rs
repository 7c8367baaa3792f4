//! SGXS streams in words: the measurement, and the pages gathered into regions.

use serde_json::{Value, json};
use sgx_types::sgxs::{Record, Records, SgxsError, measure};
use sgx_types::{EEXTEND_SIZE, PAGE_SIZE, PageType, SecInfo, SecInfoFlags};

use super::description::Description;

const PAGE: u64 = PAGE_SIZE as u64;
const CHUNKS_PER_PAGE: usize = PAGE_SIZE / EEXTEND_SIZE;

/// Describes a stream and measures it.
pub(crate) fn describe(stream: &[u8]) -> Description {
    let mut description = Description::new("SGXS");
    match Summary::of(stream).and_then(|summary| Ok((summary, measure(stream)?))) {
        Err(error) => return Description::malformed("SGXS", &error),
        Ok((summary, mrenclave)) => {
            description.row("MRENCLAVE", mrenclave.to_string(), "");
            summary.describe(&mut description);
        }
    }
    description
}

/// Neighbouring pages that are alike.
#[derive(Debug)]
struct Region {
    start: u64,
    end: u64,
    secinfo: SecInfo,
    measured: bool,
}

/// What a stream builds.
#[derive(Debug, Default)]
struct Summary {
    size: u64,
    ssaframesize: u32,
    regions: Vec<Region>,
}

impl Summary {
    fn of(stream: &[u8]) -> Result<Self, SgxsError> {
        let mut summary = Summary::default();
        let mut page: Option<(u64, SecInfo, usize)> = None;
        for record in Records::new(stream) {
            match record? {
                Record::Ecreate { ssaframesize, size } => {
                    summary.size = size;
                    summary.ssaframesize = ssaframesize;
                }
                Record::Eadd { offset, secinfo } => {
                    summary.add(page.replace((offset, secinfo, 0)));
                }
                Record::Eextend { .. } => {
                    if let Some((_, _, chunks)) = &mut page {
                        *chunks += 1;
                    }
                }
                Record::Unmeasured { .. } => {}
            }
        }
        summary.add(page);
        Ok(summary)
    }

    fn add(&mut self, page: Option<(u64, SecInfo, usize)>) {
        let Some((start, secinfo, chunks)) = page else { return };
        let measured = chunks == CHUNKS_PER_PAGE;
        let end = start.saturating_add(PAGE);
        match self.regions.last_mut() {
            Some(last) if (last.end, last.secinfo, last.measured) == (start, secinfo, measured) => {
                last.end = end;
            }
            _ => self.regions.push(Region { start, end, secinfo, measured }),
        }
    }

    fn describe(&self, description: &mut Description) {
        description.row("SIZE", self.size, format!("{:#x} bytes of ELRANGE", self.size));
        description.row("SSAFRAMESIZE", self.ssaframesize, "pages in an SSA frame");
        description.row("PAGES", self.pages(|_| true), "");
        description.row("TCS", self.pages(is_tcs), "threads that can be inside");
        description.row("MEASURED PAGES", self.pages(|region| region.measured), "whole content");
        description.list("REGIONS", self.regions.iter().map(Region::describe));
        self.warnings(description);
    }

    fn pages(&self, chosen: impl Fn(&Region) -> bool) -> u64 {
        let chosen = self.regions.iter().filter(|region| chosen(region));
        chosen.map(|region| (region.end - region.start) / PAGE).sum()
    }

    fn warnings(&self, description: &mut Description) {
        let both =
            self.pages(|region| region.secinfo.flags.contains(SecInfoFlags::W | SecInfoFlags::X));
        if both > 0 {
            description
                .warn("writable-code", format!("{both} pages are both writable and executable"));
        }
        let unmeasured_code =
            self.pages(|region| !region.measured && region.secinfo.flags.contains(SecInfoFlags::X));
        if unmeasured_code > 0 {
            description.warn(
                "unmeasured-code",
                format!("{unmeasured_code} executable pages are not wholly measured"),
            );
        }
        if self.pages(is_tcs) == 0 {
            description.warn("no-tcs", "there is no TCS, so that nobody can enter the enclave");
        }
    }
}

fn is_tcs(region: &Region) -> bool {
    region.secinfo.flags.page_type() == Some(PageType::Tcs)
}

impl Region {
    fn describe(&self) -> (String, Value) {
        let range = format!("{:#x}..{:#x}", self.start, self.end);
        let page_type = match self.secinfo.flags.page_type() {
            Some(page_type) => format!("{page_type:?}").to_uppercase(),
            None => "UNKNOWN".to_owned(),
        };
        let permissions = self.permissions();
        let measured = if self.measured { "measured" } else { "not measured" };
        let line = format!("{range}  {page_type}  {permissions}  {measured}");
        let value = json!({
            "start": self.start,
            "end": self.end,
            "type": page_type,
            "permissions": permissions,
            "measured": self.measured,
        });
        (line, value)
    }

    fn permissions(&self) -> String {
        [(SecInfoFlags::R, 'r'), (SecInfoFlags::W, 'w'), (SecInfoFlags::X, 'x')]
            .iter()
            .map(|(bit, letter)| if self.secinfo.flags.contains(*bit) { *letter } else { '-' })
            .collect()
    }
}
