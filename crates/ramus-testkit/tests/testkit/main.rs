//! The testkit, tried on stores that are broken on purpose.

mod broken;
mod seeded;
mod table;
