//! Where the protocols put what a frame completes.

use super::field::{Fields, Value};
use super::message::Message;

/// The frame in the making.
pub(super) struct Output<'a> {
    /// Its number.
    pub(super) frame: usize,
    pub(super) fields: &'a mut Fields,
    pub(super) messages: &'a mut Vec<Message>,
    /// Content of records that could be opened.
    pub(super) unsealed: &'a mut Vec<u8>,
}

impl Output<'_> {
    pub(super) fn present(&mut self, name: &'static str) {
        self.fields.push(name, Value::Present);
    }

    pub(super) fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.fields.push(name, Value::Number(value.into()));
    }

    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        self.fields.push(name, Value::Flag(value));
    }

    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.fields.push(name, Value::Text(value.into()));
    }
}
