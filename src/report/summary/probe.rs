//! Segments that only ask: whether there is room again, whether anybody is still there.

use crate::dissect::message::{Frame, TcpPart};

/// What a frame asks, when it is a window probe (RFC 9293 §3.8.6.1) or a keep-alive (RFC 1122 §4.2.3.6). A byte in it is
/// no part of what its sender says: it is sent once more with what follows, or for nothing.
pub(in crate::report) fn probe(frame: &Frame) -> Option<&'static str> {
    if frame.fields.has("tcp.analysis.zero_window_probe") {
        Some("window probe")
    } else if frame.fields.has("tcp.analysis.keep_alive") {
        Some("keep-alive")
    } else {
        None
    }
}

/// What an ACK without data says of its sender's window, when that is news: that it is closed, or has opened.
pub(in crate::report) fn window(frame: &Frame) -> Option<&'static str> {
    if frame.tcp.is_none_or(|t| t.part != TcpPart::Ack) {
        None
    } else if frame.fields.has("tcp.analysis.zero_window") {
        Some("ACK, window 0")
    } else if frame.fields.has("tcp.analysis.window_update") {
        Some("window update")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels;
    use crate::dissect::field::Value;
    use crate::expect::fixture;

    #[test]
    fn probes_are_no_pieces_of_what_they_interrupt() {
        let mut run = fixture::main_lab();
        let before = labels(&run.frames.iter().collect::<Vec<_>>());
        let mut asks = run.frames[23].clone();
        asks.tcp.as_mut().unwrap().data = 1;
        let asked = "tcp.analysis.zero_window_probe";
        asks.fields.push(asked, Value::Present);
        run.frames.insert(24, asks);
        let mut after = labels(&run.frames.iter().collect::<Vec<_>>());
        assert_eq!(after.remove(24).to_string(), "window probe 1 B");
        assert_eq!(after, before);
    }
}
