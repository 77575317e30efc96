//! THE ONLY SOCKETS.

mod certificate;
mod channel;
mod leg;
mod tls;
