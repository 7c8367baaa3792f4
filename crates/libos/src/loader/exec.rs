//! Loading a program into an address space.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};

use super::{
    elf::{self, HEADER_SIZE, Image},
    stack::{self, Initial},
};
use crate::{
    errno::{Errno, Result},
    fs::{
        file::OpenFile,
        location::Location,
        path::{self, Last},
    },
    linux::{fcntl::O_RDONLY, stat::S_IFREG},
    log::{self, Level},
    process::{Program, limits::STACK_SIZE},
    rt,
    sync::Lock,
    time,
    user::UserMem,
    vdso,
    vm::{
        PAGE,
        area::{Area, Label, Prot},
        map::{Placement, Request},
        memory::{Memory, Zone},
        page_down, page_up,
        seat::Space,
        space::AddressSpace,
    },
};

/// Unmapped pages between the stack and what lies below it.
const STACK_GUARD: u64 = 256 * PAGE;
/// Longest first line of a script.
const SHEBANG_MAX: usize = 256;
/// Interpreters of interpreters.
const SCRIPT_DEPTH_MAX: u32 = 4;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) path: Vec<u8>,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
}

/// A program that has been found and can be loaded.
#[derive(Debug)]
pub(crate) struct Prepared {
    exe: Location,
    file: Arc<OpenFile>,
    image: Image,
    interpreter: Option<(Arc<OpenFile>, Image)>,
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    /// Path the program was started by.
    path: Vec<u8>,
}

/// A loaded program.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) entry: u64,
    pub(crate) rsp: u64,
    pub(crate) program: Program,
}

/// Finds a program and reads its headers: everything that can fail while the caller can still be told.
///
/// # Errors
/// What `execve(2)` reports; the reason is also logged, with the path.
pub(crate) fn prepare(root: &Location, cwd: &Location, command: Command) -> Result<Prepared> {
    let Command { path, args, env } = command;
    let (exe, file, args) = open_program(root, cwd, &path, args, 0)?;
    let image = read_image(&file)?;
    let interpreter = match image.interpreter {
        None => None,
        Some(place) => Some(open_interpreter(root, &file, place)?),
    };
    stack::check(&args, &env)?;
    Ok(Prepared { exe, file, image, interpreter, args, env, path })
}

impl Prepared {
    /// An empty address space that the program can be loaded into.
    pub(crate) fn space(&self, memory: &Arc<Memory>) -> Arc<Space> {
        Space::new(memory, !self.image.relocatable)
    }

    /// Loads the program into its address space, which the caller has entered.
    ///
    /// # Errors
    /// ENOMEM when there is no room for it, EIO when a file is not the one that was measured.
    pub(crate) fn load(self, space: &Lock<AddressSpace>, (uid, gid): (u32, u32)) -> Result<Loaded> {
        let image = &self.image;
        let base = place(space, image, pie_base(space))?;
        map_image(space, &self.file, image, base)?;
        let end = base.wrapping_add(image.span().1);
        // A page of distance, as a program that runs over its bss should notice.
        space.lock().set_brk(page_up(end).ok_or(Errno::ENOMEM)? + PAGE);
        let (entry, interpreter_base) = match &self.interpreter {
            None => (base.wrapping_add(image.entry), 0),
            Some((file, image)) => {
                let base = place(space, image, 0)?;
                map_image(space, file, image, base)?;
                (base.wrapping_add(image.entry), base)
            }
        };
        let top = map_stack(space, image.executable_stack)?;
        let mut random = [0; 16];
        rt::random(&mut random);
        let initial = Initial {
            args: &self.args,
            env: &self.env,
            execfn: &self.path,
            random,
            headers_at: image.headers_at.map_or(0, |at| base.wrapping_add(at)),
            header_count: u64::from(image.table.count),
            entry: base.wrapping_add(image.entry),
            interpreter_base,
            uid,
            gid,
            vdso: vdso::map(space)?,
            hwcap: HWCAP,
        };
        let (rsp, bytes) = initial.build(top)?;
        UserMem::new(space).write(rsp, &bytes)?;
        let program = Program {
            exe: self.exe,
            args: self.args,
            env: self.env,
            started_ns: time::monotonic_ns(),
        };
        Ok(Loaded { entry, rsp, program })
    }
}

/// Features every SGX2 processor has: FPU, TSC, CX8, CMOV, FXSR, SSE, SSE2 and their like (CPUID leaf 1, EDX).
const HWCAP: u64 = 0x178b_fbff;

/// Opens the program, going through `#!` lines.
fn open_program(
    root: &Location,
    cwd: &Location,
    path: &[u8],
    args: Vec<Vec<u8>>,
    depth: u32,
) -> Result<(Location, Arc<OpenFile>, Vec<Vec<u8>>)> {
    let location = path::resolve(root, cwd, path, Last::Follow)?;
    let file = open_executable(&location)?;
    let mut first = [0; SHEBANG_MAX];
    let got = file.read_at(&mut first, 0)?;
    let Some(line) = first[..got].strip_prefix(b"#!") else {
        return Ok((location, file, args));
    };
    if depth == SCRIPT_DEPTH_MAX {
        return Err(Errno::ELOOP);
    }
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    let mut words = line.splitn(2, u8::is_ascii_whitespace);
    let interpreter = words.next().filter(|w| !w.is_empty()).ok_or(Errno::ENOEXEC)?.to_vec();
    let mut new_args = vec![interpreter.clone()];
    new_args.extend(words.next().map(|w| w.trim_ascii().to_vec()).filter(|w| !w.is_empty()));
    new_args.push(path.to_vec());
    new_args.extend(args.into_iter().skip(1));
    open_program(root, cwd, &interpreter, new_args, depth + 1)
}

fn open_executable(location: &Location) -> Result<Arc<OpenFile>> {
    let stat = location.inode().stat()?;
    if stat.file_type() != S_IFREG || stat.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    if !location.inode().may_execute() {
        let path = String::from_utf8_lossy(&location.path()).into_owned();
        log::once(
            Level::Error,
            format!(
                "{path}: not run, because its content is not measured; make it a trusted file of the manifest"
            ),
        );
        return Err(Errno::EACCES);
    }
    let file = Arc::clone(location.inode()).open(O_RDONLY)?;
    let file = OpenFile::new(file, Some(location.clone()), O_RDONLY);
    if file.holds_code() { Ok(file) } else { Err(Errno::EACCES) }
}

fn read_exactly(file: &OpenFile, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match file.read_at(&mut bytes[done..], offset.wrapping_add(done as u64))? {
            0 => return Err(Errno::ENOEXEC),
            n => done += n,
        }
    }
    Ok(bytes)
}

fn read_image(file: &OpenFile) -> Result<Image> {
    let refused = |malformed: elf::Malformed| {
        let path = String::from_utf8_lossy(&file.path()).into_owned();
        log::line(Level::Error, &format!("{path} is no program: {malformed}"));
        Errno::ENOEXEC
    };
    let header = read_exactly(file, 0, HEADER_SIZE)?;
    let table = elf::header_table(&header).map_err(refused)?;
    let table = read_exactly(file, table.offset, table.len())?;
    Image::parse(&header, &table).map_err(refused)
}

/// Where position-independent programs would like to go: a third up, so that the heap has room above and
/// mappings, which grow down from the top, below the stack.
fn pie_base(space: &Lock<AddressSpace>) -> u64 {
    let bounds = space.lock().bounds();
    page_down(bounds.end / 3) & !0x1f_ffff
}

/// Distance between position-independent programs, for their heaps.
const PIE_STEP: u64 = 2 << 30;

/// Finds a place for an image and keeps it by an inaccessible mapping: the number to add to the image's addresses.
fn place(space: &Lock<AddressSpace>, image: &Image, wish: u64) -> Result<u64> {
    let (start, end) = image.span();
    let mut space = space.lock();
    if !image.relocatable {
        let bounds = space.bounds();
        if start < bounds.start || end > bounds.end || !space.may_replace(start..end) {
            log::line(
                Level::Error,
                &format!(
                    "program wants addresses {start:#x} to {end:#x}, expected them free within {:#x} to {:#x}",
                    bounds.start, bounds.end
                ),
            );
            return Err(Errno::ENOMEM);
        }
        return Ok(0);
    }
    let memory = Arc::clone(space.memory());
    let size = end - start;
    let mut at = wish & !(image.align - 1);
    let mut granted = None;
    while wish != 0 && granted.is_none() && at + size < memory.bounds().end {
        // Room for the heap is wanted too, but taken later.
        granted = memory.reserve_at(at..at + size);
        at += PIE_STEP;
    }
    let reserved = match granted {
        Some(reserved) => reserved,
        None => memory.reserve(size, image.align, Zone::Any)?,
    };
    space.map(reserved.range(), Area::anonymous(Prot::NONE))?;
    Ok(reserved.start().wrapping_sub(start))
}

fn map_image(
    space: &Lock<AddressSpace>,
    file: &Arc<OpenFile>,
    image: &Image,
    base: u64,
) -> Result<()> {
    for segment in &image.segments {
        let start = page_down(base.wrapping_add(segment.vaddr));
        let file_end = base.wrapping_add(segment.vaddr) + segment.file_size;
        let end = page_up(base.wrapping_add(segment.end())).ok_or(Errno::ENOMEM)?;
        let file_pages = page_up(file_end).ok_or(Errno::ENOMEM)?;
        let offset = page_down(segment.offset);
        if segment.file_size != 0 {
            space.lock().mmap(Request {
                addr: start,
                length: file_pages - start,
                prot: segment.prot,
                placement: Placement::Replace,
                shared: false,
                label: Label::None,
                file: Some((Arc::clone(file), offset)),
                lazy: true,
                populate: false,
            })?;
        }
        let zero_from = if segment.file_size == 0 { start } else { file_pages };
        if zero_from < end {
            let mut space = space.lock();
            space.map(zero_from..end, Area::anonymous(segment.prot))?;
            space.settle(zero_from..end);
        }
        if segment.file_size != 0
            && segment.memory_size > segment.file_size
            && file_end < file_pages
        {
            UserMem::new(space).zero(file_end, file_pages - file_end)?;
        }
    }
    Ok(())
}

/// Opens `ld.so` and reads its headers.
fn open_interpreter(
    root: &Location,
    program: &OpenFile,
    (offset, length): (u64, u64),
) -> Result<(Arc<OpenFile>, Image)> {
    let bytes =
        read_exactly(program, offset, usize::try_from(length).map_err(|_| Errno::ENOEXEC)?)?;
    let path = bytes.strip_suffix(b"\0").ok_or(Errno::ENOEXEC)?;
    let location = path::resolve(root, root, path, Last::Follow)?;
    let file = open_executable(&location)?;
    let image = read_image(&file)?;
    Ok((file, image))
}

fn map_stack(space: &Lock<AddressSpace>, executable: bool) -> Result<u64> {
    let mut space = space.lock();
    let prot = if executable { Prot::ALL } else { Prot::READ_WRITE };
    let reserved = space.memory().reserve(STACK_SIZE + STACK_GUARD, PAGE, Zone::Any)?;
    let start = reserved.start() + STACK_GUARD;
    let range = start..start + STACK_SIZE;
    space.map(range.clone(), Area::labelled(prot, Label::Stack))?;
    space.settle(range);
    Ok(start + STACK_SIZE)
}
