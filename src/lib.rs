//! tunlab: a packet-level network lab. See the README for the map of the rooms below and what may import what.

pub mod capture;
pub mod cli;
pub mod dissect;
pub mod event;
pub mod expect;
pub mod explain;
pub mod impair;
pub mod lab;
pub mod name;
pub mod net;
pub mod os;
pub mod report;
pub mod rng;
pub mod role;
pub mod run;
pub mod stack;
pub mod time;
pub mod tls;
pub mod units;
pub mod wire;
pub mod world;
