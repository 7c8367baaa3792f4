//! `ioctl(2)`: what applies to every descriptor, and the rest by kind of file.

use super::{Call, uint};
use crate::{errno::Result, linux::fcntl::O_NONBLOCK};

const FIONBIO: u64 = 0x5421;
const FIONCLEX: u64 = 0x5450;
const FIOCLEX: u64 = 0x5451;
const FIOASYNC: u64 = 0x5452;

/// `ioctl(2)`.
pub(crate) fn sys_ioctl(call: &mut Call<'_>) -> Result<u64> {
    let [fd, request, argp, ..] = call.args;
    let request = u64::from(uint(request));
    let open = call.file(fd)?;
    open.usable()?;
    match request {
        FIONBIO => {
            let on = call.user().u32(argp)? != 0;
            let flags = open.flags() & !O_NONBLOCK;
            open.set_flags(flags | if on { O_NONBLOCK } else { 0 });
            Ok(0)
        }
        FIOCLEX | FIONCLEX => {
            call.process().files.lock().set_close_on_exec(fd, request == FIOCLEX)?;
            Ok(0)
        }
        FIOASYNC => Ok(0),
        _ => open.file().ioctl(call.user(), request, argp),
    }
}
