//! Sessions over real sockets: a client, the proxy, and an upstream that says what the test wants.

mod house;
mod peers;

mod balancers;
mod certificates;
mod limits;
mod records;
mod streams;
mod upstreams;
