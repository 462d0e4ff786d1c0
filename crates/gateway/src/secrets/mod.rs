//! Secret references and their values: what a configuration says instead of a secret, and how it becomes one.
//! It must not know configuration files or who uses a secret; a value never reaches an error, a log or `Debug`.

pub mod reference;
pub mod resolver;
