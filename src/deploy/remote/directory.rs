//! A stage in a folder of this machine, with the same promises.
