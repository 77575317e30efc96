#![doc = include_str!("../docs/architecture.md")]

pub mod imap;

pub mod net;
pub mod wire;

pub mod session;

pub mod mail;
pub mod policy;
pub mod rewrite;
pub mod view;

pub mod audit;
pub mod metrics;
pub mod report;
pub mod store;

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod diagnostic;
