//! What the database itself promises: its words, its guards, its catalog, its migrations.

mod catalog;
mod chains;
mod guards;
mod migrations;
mod words;
