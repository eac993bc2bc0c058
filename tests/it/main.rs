//! The integration tests: one program, because each would link the compiler anew.

mod edge;
