//! Loading a program into an address space.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};

use super::{
    elf::{self, HEADER_SIZE, Image},
    stack::Initial,
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
    process::limits::STACK_SIZE,
    rt,
    sync::Lock,
    user::UserMem,
    vm::{
        PAGE,
        area::{Area, Label, Prot},
        map::{Placement, Request},
        page_down, page_up,
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

/// A loaded program.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) entry: u64,
    pub(crate) rsp: u64,
    pub(crate) exe: Location,
    pub(crate) args: Vec<Vec<u8>>,
}

/// Loads the program into an empty address space.
///
/// # Errors
/// What `execve(2)` reports; the reason is also logged, with the path.
pub(crate) fn load(
    root: &Location,
    cwd: &Location,
    space: &Lock<AddressSpace>,
    command: Command,
) -> Result<Loaded> {
    let Command { path, args, env } = command;
    let (exe, file, args) = open_program(root, cwd, &path, args, 0)?;
    let image = read_image(&file)?;
    let base = place(space, &image, pie_base(space))?;
    map_image(space, &file, &image, base)?;
    let (entry, interpreter_base) = match image.interpreter {
        None => (base.wrapping_add(image.entry), 0),
        Some(place) => load_interpreter(root, &file, place, space)?,
    };
    let top = map_stack(space, image.executable_stack)?;
    let mut random = [0; 16];
    rt::random(&mut random);
    let initial = Initial {
        args: &args,
        env: &env,
        execfn: &path,
        random,
        headers_at: image.headers_at.map_or(0, |at| base.wrapping_add(at)),
        header_count: u64::from(image.table.count),
        entry: base.wrapping_add(image.entry),
        interpreter_base,
        uid: 0,
        gid: 0,
        hwcap: HWCAP,
    };
    let (rsp, bytes) = initial.build(top)?;
    UserMem::new(space).write(rsp, &bytes)?;
    let end = base.wrapping_add(image.span().1);
    // A page of distance, as a program that runs over its bss should notice.
    space.lock().set_brk(page_up(end).ok_or(Errno::ENOMEM)? + PAGE);
    Ok(Loaded { entry, rsp, exe, args })
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
    let file = Arc::clone(location.inode()).open(O_RDONLY)?;
    Ok(OpenFile::new(file, Some(location.clone()), O_RDONLY))
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

/// Where position-independent programs go: a third up, so that the heap has room above and mappings, which grow
/// down from the top, below the stack.
fn pie_base(space: &Lock<AddressSpace>) -> u64 {
    let bounds = space.lock().bounds();
    page_down(bounds.end / 3) & !0x1f_ffff
}

/// The number to add to the image's addresses.
fn place(space: &Lock<AddressSpace>, image: &Image, wish: u64) -> Result<u64> {
    let (start, end) = image.span();
    let space = space.lock();
    if !image.relocatable {
        if !space.is_free(start..end) {
            let bounds = space.bounds();
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
    let wish = wish & !(image.align - 1);
    let size = end - start;
    let free = wish != 0 && wish.checked_add(size).is_some_and(|e| space.is_free(wish..e));
    let at = if free { wish } else { space.find_free(size, image.align)? };
    Ok(at.wrapping_sub(start))
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

/// Loads `ld.so` and returns its entry and base.
fn load_interpreter(
    root: &Location,
    program: &OpenFile,
    (offset, length): (u64, u64),
    space: &Lock<AddressSpace>,
) -> Result<(u64, u64)> {
    let bytes =
        read_exactly(program, offset, usize::try_from(length).map_err(|_| Errno::ENOEXEC)?)?;
    let path = bytes.strip_suffix(b"\0").ok_or(Errno::ENOEXEC)?;
    let location = path::resolve(root, root, path, Last::Follow)?;
    let file = open_executable(&location)?;
    let image = read_image(&file)?;
    let base = place(space, &image, 0)?;
    map_image(space, &file, &image, base)?;
    Ok((base.wrapping_add(image.entry), base))
}

fn map_stack(space: &Lock<AddressSpace>, executable: bool) -> Result<u64> {
    let mut space = space.lock();
    let prot = if executable { Prot::ALL } else { Prot::READ_WRITE };
    let start = space.find_free(STACK_SIZE + STACK_GUARD, PAGE)? + STACK_GUARD;
    let range = start..start + STACK_SIZE;
    space.map(range.clone(), Area::labelled(prot, Label::Stack))?;
    space.settle(range);
    Ok(start + STACK_SIZE)
}
