//! Whole-system tests of Ramus.
