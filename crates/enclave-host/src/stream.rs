//! The page stream: every page of an enclave in the order in which it is added.
//!
//! The order and the permissions are those of `docs/specs/enclave-abi.md`, section 2; they fix
//! MRENCLAVE. One iterator feeds the measurement, the platforms and the tools, so that none of them
//! can disagree about what an enclave is.

use enclave_abi::layout::{Layout, NSSA, PAGE, SSA_FRAME_PAGES, ThreadBlock};
use sgx_types::{Align4096, SecInfo, SecInfoFlags, Tcs};

use crate::image::{Image, Page};

/// Consecutive pages that are added alike.
#[derive(Debug, Clone, Copy)]
pub struct PageRun<'a> {
    /// Address of the first page.
    pub address: u64,
    /// Page type and permissions.
    pub secinfo: SecInfo,
    /// What the pages hold.
    pub content: Content<'a>,
    /// Whether every byte is measured (EEXTEND), or only that the pages exist (EADD).
    pub measured: bool,
}

/// What a run of pages holds.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// These pages.
    Pages(&'a [Page]),
    /// As many pages of zeros.
    Zeros(u64),
}

impl<'a> PageRun<'a> {
    /// Number of pages.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.content {
            Content::Pages(pages) => pages.len() as u64,
            Content::Zeros(count) => count,
        }
    }

    /// The pages with their addresses.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &'a Page)> + use<'a> {
        static ZERO: Page = Align4096([0; 4096]);
        let content = self.content;
        let page = move |i: u64| match content {
            Content::Pages(pages) => usize::try_from(i).ok().and_then(|i| pages.get(i)),
            Content::Zeros(_) => Some(&ZERO),
        };
        let address = self.address;
        (0..self.count()).filter_map(move |i| Some((address + i * PAGE, page(i)?)))
    }
}

/// The pages of one enclave.
#[derive(Debug)]
pub struct PageStream<'a> {
    image: &'a Image,
    layout: Layout,
    layout_page: Box<Page>,
    manifest: Vec<Page>,
    threads: Vec<ThreadPages>,
}

#[derive(Debug)]
struct ThreadPages {
    block: ThreadBlock,
    tcs: Page,
    tcb: Page,
}

impl<'a> PageStream<'a> {
    /// Lays out an enclave.
    ///
    /// # Errors
    /// [`enclave_abi::layout::Error`] names the size that is out of range.
    pub fn new(
        image: &'a Image,
        enclave: &manifest::Enclave,
        compiled: &[u8],
    ) -> Result<Self, enclave_abi::layout::Error> {
        let layout = Layout {
            elrange_size: enclave.elrange_size,
            image_size: image.size(),
            manifest_len: compiled.len() as u64,
            threads: u64::from(enclave.threads),
            heap_initial: enclave.heap_initial,
            edmm: enclave.edmm,
            debug: enclave.debug,
        };
        layout.check()?;
        let oentry = layout.image() + image.entry();
        let threads = (0..layout.threads).map(|i| ThreadPages::new(&layout, i, oentry)).collect();
        let layout_page = Box::new(page_of(&layout.to_bytes()));
        let manifest = compiled.chunks(4096).map(page_of).collect();
        Ok(Self { image, layout, layout_page, manifest, threads })
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The pages in order.
    pub fn runs(&self) -> impl Iterator<Item = PageRun<'_>> {
        let read_only = SecInfo::reg(SecInfoFlags::R);
        let head = [
            measured(
                self.layout.layout_page(),
                read_only,
                std::slice::from_ref(&*self.layout_page),
            ),
            measured(self.layout.manifest(), read_only, &self.manifest),
        ];
        let base = self.layout.image();
        let image = self.image.segments();
        let image = image.iter().map(move |s| measured(base + s.offset, s.secinfo, s.pages()));
        let heap = zeros(self.layout.heap().0, self.layout.heap_initial);
        head.into_iter()
            .chain(image)
            .chain(self.threads.iter().flat_map(ThreadPages::runs))
            .chain([heap])
    }
}

impl ThreadPages {
    fn new(layout: &Layout, index: u64, oentry: u64) -> Self {
        let block = layout.thread(index);
        // Offsets in a TCS are from the base of ELRANGE, which is 0, so they are addresses.
        let tcs = Tcs {
            ossa: block.ssa,
            nssa: NSSA,
            oentry,
            ofsbase: block.tcb,
            ogsbase: block.tcb,
            fslimit: 0xfff,
            gslimit: 0xfff,
            ..Tcs::ZERO
        };
        let tcb = Align4096(layout.thread_template(index).to_page());
        Self { block, tcs: Align4096(tcs.to_bytes()), tcb }
    }

    fn runs(&self) -> [PageRun<'_>; 5] {
        let ssa_len = u64::from(NSSA) * u64::from(SSA_FRAME_PAGES) * PAGE;
        let (exception, kernel) = (self.block.exception_stack, self.block.kernel_stack);
        [
            measured(self.block.tcs, SecInfo::tcs(), std::slice::from_ref(&self.tcs)),
            zeros(self.block.ssa, ssa_len),
            measured(
                self.block.tcb,
                SecInfo::reg(SecInfoFlags::R | SecInfoFlags::W),
                std::slice::from_ref(&self.tcb),
            ),
            zeros(exception.0, exception.1),
            zeros(kernel.0, kernel.1),
        ]
    }
}

fn measured(address: u64, secinfo: SecInfo, pages: &[Page]) -> PageRun<'_> {
    PageRun { address, secinfo, content: Content::Pages(pages), measured: true }
}

/// Zero pages that are read and written and whose content is not measured.
fn zeros(address: u64, len: u64) -> PageRun<'static> {
    let secinfo = SecInfo::reg(SecInfoFlags::R | SecInfoFlags::W);
    PageRun { address, secinfo, content: Content::Zeros(len / PAGE), measured: false }
}

/// A page that starts with `bytes`, at most 4096, and is zero after them.
fn page_of(bytes: &[u8]) -> Page {
    let mut page = [0; 4096];
    page[..bytes.len()].copy_from_slice(bytes);
    Align4096(page)
}

#[cfg(test)]
pub(crate) mod tests;
