//! Memory: `mmap` and its relatives.

use alloc::vec;

use super::{Call, int, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        fcntl::{O_ACCMODE, O_WRONLY},
        mman::{
            MADV_COLLAPSE, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED,
            MADV_FREE, MADV_HUGEPAGE, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_RANDOM,
            MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED, MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED,
            MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_NORESERVE, MAP_POPULATE,
            MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, MAP_TYPE, MREMAP_DONTUNMAP,
            MREMAP_FIXED, MREMAP_MAYMOVE, PROT_GROWSDOWN, PROT_GROWSUP,
        },
    },
    vm::{
        PAGE,
        area::{Label, Prot},
        map::{Placement, Request},
        page_up,
        space::Remap,
    },
};

/// `mmap(2)`.
pub(crate) fn sys_mmap(call: &mut Call<'_>) -> Result<u64> {
    let [addr, length, prot, flags, fd, offset] = call.args;
    if offset % PAGE != 0 || flags & MAP_HUGETLB != 0 {
        return Err(Errno::EINVAL);
    }
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    let prot = Prot::from_bits(prot);
    let file = if flags & MAP_ANONYMOUS != 0 {
        None
    } else {
        let open = call.file(fd)?;
        open.usable()?;
        if open.flags() & O_ACCMODE == O_WRONLY {
            return Err(Errno::EACCES);
        }
        if prot.contains(Prot::EXEC) && !open.holds_code() {
            return Err(Errno::EACCES);
        }
        if !open.is_regular() && !open.file().is_seekable() {
            return Err(Errno::ENODEV);
        }
        if shared && prot.can_write() {
            open.writable().map_err(|_| Errno::EACCES)?;
        }
        Some((open, offset))
    };
    let placement = if flags & MAP_32BIT != 0 && flags & MAP_FIXED == 0 {
        Placement::Low
    } else if flags & MAP_FIXED_NOREPLACE != 0 {
        Placement::Exact
    } else if flags & MAP_FIXED != 0 {
        Placement::Replace
    } else {
        Placement::Hint
    };
    let request = Request {
        addr,
        length,
        prot,
        placement,
        shared,
        label: Label::None,
        file,
        lazy: flags & (MAP_NORESERVE | MAP_STACK | MAP_GROWSDOWN) != 0,
        populate: flags & MAP_POPULATE != 0,
    };
    call.space().lock().mmap(request)
}

/// `munmap(2)`.
pub(crate) fn sys_munmap(call: &mut Call<'_>) -> Result<u64> {
    let [addr, length, ..] = call.args;
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let mut space = call.space().lock();
    let range = space.check(addr, length).map_err(|_| Errno::EINVAL)?;
    space.unmap(range).map(|()| 0)
}

/// `mprotect(2)`.
pub(crate) fn sys_mprotect(call: &mut Call<'_>) -> Result<u64> {
    let [addr, len, prot, ..] = call.args;
    if prot & !(7 | PROT_GROWSDOWN | PROT_GROWSUP) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut space = call.space().lock();
    let range = space.check(addr, len)?;
    space.protect(range, Prot::from_bits(prot)).map(|()| 0)
}

/// `brk(2)`: the break, whether or not it moved.
pub(crate) fn sys_brk(call: &mut Call<'_>) -> Result<u64> {
    Ok(call.space().lock().brk(call.args[0]))
}

/// `mremap(2)`.
pub(crate) fn sys_mremap(call: &mut Call<'_>) -> Result<u64> {
    let [old_address, old_size, new_size, flags, new_address, _] = call.args;
    if flags & !(MREMAP_MAYMOVE | MREMAP_FIXED) != 0 || flags & MREMAP_DONTUNMAP != 0 {
        return Err(Errno::EINVAL);
    }
    let mut space = call.space().lock();
    let old = space.check(old_address, old_size).map_err(|_| Errno::EINVAL)?;
    let new_size = page_up(new_size).filter(|&s| s != 0).ok_or(Errno::EINVAL)?;
    if old.is_empty() {
        return Err(Errno::EINVAL);
    }
    let how = if flags & MREMAP_FIXED != 0 {
        let new = space.check(new_address, new_size).map_err(|_| Errno::EINVAL)?;
        let overlaps = new.start < old.end && old.start < new.end;
        if flags & MREMAP_MAYMOVE == 0 || overlaps {
            return Err(Errno::EINVAL);
        }
        Remap::Fixed(new.start)
    } else if flags & MREMAP_MAYMOVE != 0 {
        Remap::MayMove
    } else {
        Remap::InPlace
    };
    space.remap(old, new_size, how)
}

/// `madvise(2)`.
pub(crate) fn sys_madvise(call: &mut Call<'_>) -> Result<u64> {
    let [addr, length, advice, ..] = call.args;
    let mut space = call.space().lock();
    let range = space.check(addr, length).map_err(|_| Errno::EINVAL)?;
    match u64::from(uint(advice)) {
        MADV_DONTNEED => space.discard(range).map(|()| 0),
        // The pages may be freed at any time or never: never is simplest.
        MADV_FREE | MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL | MADV_WILLNEED | MADV_DONTFORK
        | MADV_DOFORK | MADV_MERGEABLE | MADV_UNMERGEABLE | MADV_HUGEPAGE | MADV_NOHUGEPAGE
        | MADV_DONTDUMP | MADV_DODUMP | MADV_COLLAPSE => {
            if space.is_mapped(range) {
                Ok(0)
            } else {
                Err(Errno::ENOMEM)
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `mincore(2)`.
pub(crate) fn sys_mincore(call: &mut Call<'_>) -> Result<u64> {
    let [addr, length, vec, ..] = call.args;
    let resident = {
        let space = call.space().lock();
        if addr % PAGE != 0 {
            return Err(Errno::EINVAL);
        }
        let range = space.check(addr, length)?;
        if !space.is_mapped(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        let pages = usize::try_from((range.end - range.start) / PAGE).map_err(|_| Errno::ENOMEM)?;
        let mut resident = vec![0u8; pages];
        for (page, byte) in resident.iter_mut().enumerate() {
            *byte = u8::from(space.is_resident(range.start + page as u64 * PAGE));
        }
        resident
    };
    call.user().write(vec, &resident).map(|()| 0)
}

/// `msync(2)`.
pub(crate) fn sys_msync(call: &mut Call<'_>) -> Result<u64> {
    let [addr, length, flags, ..] = call.args;
    if int(flags) & !7 != 0 || int(flags) & 5 == 5 {
        return Err(Errno::EINVAL);
    }
    if addr % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    mapped(call, addr, length)?;
    let mut space = call.space().lock();
    let range = space.check(addr, length)?;
    space.write_back(range).map(|()| 0)
}

/// `mlock(2)`, `mlock2(2)`, `munlock(2)`: enclave pages are paged by the host, encrypted, as it likes.
pub(crate) fn sys_mlock(call: &mut Call<'_>) -> Result<u64> {
    let [addr, len, ..] = call.args;
    mapped(call, crate::vm::page_down(addr), len.saturating_add(addr % PAGE))
}

fn mapped(call: &Call<'_>, addr: u64, length: u64) -> Result<u64> {
    let space = call.space().lock();
    let range = space.check(addr, length)?;
    if space.is_mapped(range) { Ok(0) } else { Err(Errno::ENOMEM) }
}
