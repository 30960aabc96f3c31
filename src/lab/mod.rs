//! A lab file becomes a checked plan: parsed with spans, every mistake at once. Nothing runs here and nothing on the
//! machine is touched but the file that was named.

pub mod plan;
