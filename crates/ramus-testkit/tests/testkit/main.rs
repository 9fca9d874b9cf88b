//! The testkit, tried on stores that are broken on purpose.

mod broken;
mod faulty;
mod file_blocks;
mod random;
mod seeded;
mod table;
