//! Statements that are sent together. PostgreSQL answers them one after the other, on one trip instead of one each.
//!
//! A statement that is prepared is on its way as soon as its future is first polled, so that what is joined here goes
//! out in the order in which it is written down. One that the connection has not seen is prepared first, and comes
//! later than its neighbour: where the order matters, `Session::ready` comes before.

use futures_util::FutureExt;
use futures_util::future::join;

use super::DbError;

/// Both, sent together. When one fails, what follows it in the transaction fails because of it: the cause is told.
///
/// # Errors
/// The first error that is not the echo of another.
pub fn both<'a, A, B, E>(
    first: impl Future<Output = Result<A, E>> + Send + 'a,
    second: impl Future<Output = Result<B, E>> + Send + 'a,
) -> impl Future<Output = Result<(A, B), E>> + Send + 'a
where
    A: Send + 'a,
    B: Send + 'a,
    E: Told + Send + 'a,
{
    // On the heap: each holds what it says and hears, and pairs of pairs would hold it many times over.
    let together = join(first.boxed(), second.boxed());
    together.map(|told| match told {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(echo), Err(cause)) if echo.is_echo() => Err(cause),
        (Err(error), _) | (_, Err(error)) => Err(error),
    })
}

/// An error that may only say that another came before it.
pub trait Told {
    fn is_echo(&self) -> bool;
}

impl Told for DbError {
    fn is_echo(&self) -> bool {
        self.follows_another()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Said {
        Cause(u8),
        Echo,
    }

    impl Told for Said {
        fn is_echo(&self) -> bool {
            *self == Self::Echo
        }
    }

    async fn of(answer: Result<u8, Said>) -> Result<u8, Said> {
        answer
    }

    #[tokio::test]
    async fn the_cause_is_told_and_not_its_echo() {
        let cause = || Err(Said::Cause(1));
        for (first, second, told) in [
            (Ok(1), Ok(2), Ok((1, 2))),
            (Ok(1), cause(), Err(Said::Cause(1))),
            (cause(), Ok(2), Err(Said::Cause(1))),
            (cause(), Err(Said::Echo), Err(Said::Cause(1))),
            // The first was prepared while the second had failed already.
            (Err(Said::Echo), cause(), Err(Said::Cause(1))),
            (cause(), Err(Said::Cause(2)), Err(Said::Cause(1))),
        ] {
            assert_eq!(both(of(first), of(second)).await, told);
        }
    }
}
