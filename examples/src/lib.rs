//! Examples of Ramus.
