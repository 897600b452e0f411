//! The system's accounts: their names, what shadow says of them, and the small process that alone reads it. passwd(5),
//! shadow(5), group(5).

pub mod making;
