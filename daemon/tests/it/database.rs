//! The handle on the database: away and back, through a pooler, over TLS, and what it answers.

mod life;
mod logins;
mod performance;
mod pooler;
mod queries;
mod tls;
mod together;
