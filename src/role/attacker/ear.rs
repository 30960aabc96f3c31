//! What an attacker recorded of the packets that pass where it listens.

use std::cell::RefCell;
use std::rc::Rc;

use crate::event::{Crossing, Direction, Event, Sink, TapId};

/// Packets that one attacker keeps; later ones pass unheard.
const HEARD_MAX: usize = 100_000;

/// A recorder at some taps. Cloning shares it.
#[derive(Clone, Default)]
pub struct Ear(Rc<RefCell<Heard>>);

#[derive(Default)]
struct Heard {
    /// Where it listens, and to packets of which direction.
    taps: Vec<(TapId, Direction)>,
    packets: Vec<Vec<u8>>,
}

impl Ear {
    /// An ear at these taps. Nothing is heard before it is attached to a trace.
    #[must_use]
    pub fn at(taps: Vec<(TapId, Direction)>) -> Self {
        Self(Rc::new(RefCell::new(Heard {
            taps,
            packets: Vec::new(),
        })))
    }

    /// The same as a listener of the trace.
    #[must_use]
    pub fn sink(&self) -> Rc<RefCell<dyn Sink>> {
        self.0.clone()
    }

    /// Looks at what was recorded so far, in order.
    pub(super) fn with<R>(&self, look: impl FnOnce(&[Vec<u8>]) -> R) -> R {
        look(&self.0.borrow().packets)
    }
}

impl Sink for Heard {
    fn crossing(&mut self, crossing: &Crossing<'_>) {
        let here = self.taps.contains(&(crossing.tap, crossing.direction));
        if here && self.packets.len() < HEARD_MAX {
            self.packets.push(crossing.bytes.to_vec());
        }
    }

    fn event(&mut self, _: &Event) {}
}
