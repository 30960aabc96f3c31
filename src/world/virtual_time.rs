//! The virtual-time driver: the clock jumps to the next moment at which anything happens.

use super::{Ended, World};
use crate::time::Instant;

pub(super) fn run(world: &mut World, limit: Instant) -> Ended {
    loop {
        if !world.settle() {
            world.limit_reached("1 000 000 task polls in one instant");
            return Ended::Livelock;
        }
        if world.executor.tell_scenario_over() {
            continue;
        }
        if world.is_quiet() {
            return Ended::Quiet;
        }
        let Some(next) = world.next() else {
            return Ended::Stalled;
        };
        if next > limit {
            world.limit_reached("the lab's time limit");
            return Ended::TimeLimit;
        }
        world.clock.advance(next);
        world.fire();
    }
}
