//! `make bench`: what metricd costs beside what it could cost at best, both measured in turns in one
//! run, because a figure alone says more of the machine than of metricd.

mod rounds;
mod tokens;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tokens::run().await
}
