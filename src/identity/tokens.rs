//! The current token of this process at an identity provider. A thread of its own requests it, and the next one long before it
//! expires, so that a client that needs a token has one at once, whatever the provider does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

#[cfg(feature = "msk-iam")]
use super::msk_iam::MskIam;
use super::oauth::ClientCredentials;
use super::token::{DEADLINE, Failure, Token, left};
use crate::runtime::retry::Retry;

/// The shortest pause between two requests, however short a token's life.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two looks at the clock: it goes on while the machine sleeps.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where tokens come from.
#[derive(Debug, Clone)]
pub enum Source {
    OAuth(ClientCredentials),
    #[cfg(feature = "msk-iam")]
    MskIam(MskIam),
}

impl Source {
    async fn request(&self) -> Result<Token, Failure> {
        match self {
            Self::OAuth(client) => client.request().await,
            #[cfg(feature = "msk-iam")]
            Self::MskIam(signer) => signer.request().await,
        }
    }
}

/// The tokens of this process at one provider. Cheap to clone; requesting ends with the last clone.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Of the last request.
    failure: Option<Failure>,
}

impl State {
    fn valid(&self) -> Option<&Token> {
        self.token.as_ref().filter(|token| !token.left().is_zero())
    }
}

impl Tokens {
    /// Begins to request tokens.
    pub fn of(source: Source) -> Self {
        let tokens = Self(Arc::default());
        let shared = Arc::downgrade(&tokens.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            let requesting = move || runtime.block_on(keep_requesting(source, shared));
            thread::Builder::new().name("tokens".to_owned()).spawn(requesting)
        });
        if let Err(error) = started {
            tokens.0.answer(Err(Failure::Refused(format!("no thread can be started: {error}"))));
        }
        tokens
    }

    /// The current token. Blocks while the first request is open.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn current(&self) -> Result<Token, Failure> {
        let is_open = |state: &mut State| state.valid().is_none() && state.failure.is_none();
        let waited = self.0.answered.wait_timeout_while(self.0.lock(), DEADLINE, is_open);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.valid().cloned().ok_or_else(|| {
            state.failure.clone().unwrap_or_else(|| Failure::Unavailable(format!("no answer within {DEADLINE:?}")))
        })
    }

    /// Why there is no valid token; `None` also while the first request is open.
    pub fn failure(&self) -> Option<Failure> {
        let state = self.0.lock();
        state.failure.clone().filter(|_| state.valid().is_none())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the answer of a request. An older token stays usable where there is no new one.
    fn answer(&self, answer: Result<Token, Failure>) {
        let mut state = self.lock();
        match answer {
            Ok(token) => {
                if state.failure.take().is_some() {
                    info!("the identity provider gives tokens again");
                }
                state.token = Some(token);
            }
            Err(failure) => {
                if state.failure.as_ref() != Some(&failure) {
                    let usable = state.valid().map(|token| token.left().as_secs());
                    warn!(reason = %failure, usable_for_s = usable, "no new token; trying again");
                }
                state.failure = Some(failure);
            }
        }
        self.answered.notify_all();
    }
}

/// Requests tokens until nothing needs them.
async fn keep_requesting(source: Source, shared: Weak<Shared>) {
    let mut retry = Retry::forever();
    loop {
        let answer = source.request().await;
        let renewed_at = answer.as_ref().ok().map(|token| token.renewed_at);
        match shared.upgrade() {
            Some(shared) => shared.answer(answer),
            None => return,
        }
        let Some(renewed_at) = renewed_at else {
            retry.wait().await;
            continue;
        };
        retry.reset();
        tokio::time::sleep(SHORTEST_PAUSE).await;
        while !left(renewed_at).is_zero() && shared.strong_count() > 0 {
            tokio::time::sleep(left(renewed_at).min(LONGEST_PAUSE)).await;
        }
    }
}
