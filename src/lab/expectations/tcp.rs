//! TCP handshakes and closes.

use super::Reader;
use crate::lab::decode::Fields;
use crate::lab::plan::Check;

impl Reader<'_, '_> {
    pub(super) fn tcp(&self, table: &mut Fields<'_>) -> Option<Check> {
        let rtt = table.optional("rtt");
        let which = table.exactly_one(&["handshake", "closed"])?;
        let connection = self.connection(which);
        if which.key == "handshake" {
            let round_trip = match rtt {
                Some(item) => Some(item.duration()?),
                None => None,
            };
            let connection = connection?;
            return Some(Check::Handshake {
                connection,
                round_trip,
            });
        }
        if let Some(rtt) = rtt {
            let label = "expected `rtt` beside `handshake` only";
            rtt.wrong_key("a close has no `rtt`", label, None);
        }
        let connection = connection?;
        Some(Check::OrderlyClose { connection })
    }
}
