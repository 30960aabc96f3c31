//! Reports on a finished run: one format a file, pure functions of the record and its findings. What holds and what
//! does not is decided in `expect`; nothing here prints or writes a file.

mod align;
mod balancing;
pub mod comments;
pub mod difference;
pub(crate) mod findings;
mod happening;
mod health;
pub mod json;
pub mod junit;
mod ladder;
pub mod live;
pub(crate) mod paint;
pub mod refusal;
mod rows;
mod serving;
mod story;
pub mod summary;
pub mod terminal;
pub(crate) mod text;
mod timeline;
mod websocket;
mod who_reads;
pub mod worlds;

pub use paint::Paint;
