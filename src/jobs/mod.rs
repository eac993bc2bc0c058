//! The life of a job: so far the one table of statuses that the pages, the browser and (with the
//! jobs issue) the API share. It uses nothing else of ours, so that the Lambda links none of it.

mod status;

pub use status::Status;
