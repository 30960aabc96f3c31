//! The wall-clock driver: the same loop, which sleeps in ppoll on the TUN devices until the next moment at which
//! anything is due.
//!
//! The lab clock follows the machine's and never runs ahead of it. It stands still while the lab itself computes or
//! waits for a processor: computing time is modelled, not real. What is due happens at its own moment of the lab clock
//! however late the machine is, and the next sleep is shorter by what was lost, so lateness does not add up.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Ended, World};
use crate::os::{Tun, interrupt};
use crate::time::Instant;

/// A NIC whose node is the kernel's.
#[derive(Debug)]
pub struct Device {
    /// Index into the topology's NICs.
    pub nic: usize,
    /// Its device.
    pub tun: Tun,
}

/// Descriptors that tasks wait for. Cloning shares them.
#[derive(Clone, Default)]
pub struct Watches(Rc<RefCell<Vec<(OwnedFd, Waker)>>>);

impl Watches {
    /// Completes when `fd` can be read without waiting, or has ended.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn readable(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut first = true;
        poll_fn(|cx| {
            if !first && is_readable(fd)? {
                return Poll::Ready(Ok(()));
            }
            first = false;
            let own = fd.try_clone_to_owned()?;
            self.0.borrow_mut().push((own, cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut one = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    Ok(poll(&mut one, Some(&Timespec::default()))? > 0)
}

/// Packets read from one device before the others have their turn.
const BATCH: usize = 64;
/// The largest IPv4 packet.
const PACKET_MAX: usize = 65_535;

pub(super) fn run(
    world: &mut World,
    devices: &mut [Device],
    limit: Option<Instant>,
) -> io::Result<Ended> {
    #[expect(clippy::disallowed_methods, reason = "this driver is the wall clock")]
    let now = {
        let start = std::time::Instant::now();
        move || Instant::ZERO + start.elapsed()
    };
    let mut buffer = vec![0; PACKET_MAX];
    loop {
        if !world.settle() {
            world.limit_reached("1 000 000 task polls in one instant");
            return Ok(Ended::Livelock);
        }
        // A world that stays is there for programs that come at any time: its scenario is never over.
        if limit.is_some() && world.executor.tell_scenario_over() {
            continue;
        }
        let wrote = write_leaving(world, devices)?;
        if interrupt::asked() {
            return Ok(Ended::Interrupted);
        }
        if limit.is_some_and(|limit| now() > limit) {
            world.limit_reached("the lab's time limit");
            return Ok(Ended::TimeLimit);
        }
        // The kernel forwards while it is written to: what it passes on is there at once, and not when this process gets
        // its next turn. Only after writing, so that a flood from a program does not keep the clock from going on.
        if wrote && read_arrived(world, devices, &mut buffer)? {
            world.fire();
            continue;
        }
        if limit.is_some() && world.is_quiet() {
            return Ok(Ended::Quiet);
        }
        let next = [world.next(), limit].into_iter().flatten().min();
        let before = now();
        wait(world, devices, next.map(|at| at - before))?;
        // Only what was slept has passed in the lab, and nothing that is due has been passed over.
        let here = world.clock.now() + (now() - before);
        world.clock.advance(next.map_or(here, |due| here.min(due)));
        read_arrived(world, devices, &mut buffer)?;
        // Late, and something was there to be read first: what is due has its turn now, one moment at a time, as whoever
        // was woken at one must be heard before the next. What was read may be due before what was waited for.
        let woken = next.is_some_and(|due| due <= world.clock.now());
        if let (false, Some(due)) = (woken, world.next().filter(|due| *due <= now())) {
            world.clock.advance(due);
        }
        world.fire();
    }
}

/// Takes in what the kernel sends to NICs of ours. Whether there was anything.
fn read_arrived(world: &mut World, devices: &mut [Device], buffer: &mut [u8]) -> io::Result<bool> {
    let mut any = false;
    for device in devices {
        for _ in 0..BATCH {
            let Some((length, segments)) = device.tun.read(buffer)? else {
                break;
            };
            any = true;
            let at = world.clock.now();
            let packet = buffer[..length].to_vec();
            world.fabric.inject(at, device.nic, packet, segments);
        }
    }
    Ok(any)
}

/// Sleeps until a device or watched descriptor has something, or `until` has passed. Wakes whoever waited.
fn wait(world: &World, devices: &[Device], until: Option<Duration>) -> io::Result<()> {
    let watched = std::mem::take(&mut *world.watches.0.borrow_mut());
    let ready: Vec<bool> = {
        let tuns = devices.iter().map(|d| d.tun.as_fd());
        let fds = tuns.chain(watched.iter().map(|w| w.0.as_fd()));
        let mut fds: Vec<PollFd<'_>> = fds
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout = until.and_then(|d| Timespec::try_from(d).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            // A signal: the loop looks at its flag.
            Err(e) if e == rustix::io::Errno::INTR => {}
            Err(e) => return Err(e.into()),
        }
        let watched = fds.iter().skip(devices.len());
        watched.map(|fd| !fd.revents().is_empty()).collect()
    };
    for ((fd, waker), ready) in watched.into_iter().zip(ready) {
        if ready {
            waker.wake();
        } else {
            world.watches.0.borrow_mut().push((fd, waker));
        }
    }
    Ok(())
}

/// Gives the kernel what has reached its NICs. Whether there was anything.
fn write_leaving(world: &mut World, devices: &mut [Device]) -> io::Result<bool> {
    let mut any = false;
    while let Some((nic, mut packet, segments)) = world.fabric.poll_leaving() {
        let Some(device) = devices.iter_mut().find(|d| d.nic == nic) else {
            continue;
        };
        any = true;
        match device.tun.write(&mut packet, segments) {
            Ok(()) => {}
            // No room, or no packet in the kernel's eyes: lost, as on a real wire. The other end will tell.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(any)
}
