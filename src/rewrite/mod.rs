//! VIEW × FRAME → bytes for the other side. Untouched frames keep their bytes.

pub mod mailbox_data;
pub mod status_data;
