/// What an operator may have done with a target of a running relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A pass now that may repeat what was given up.
    Retry,
    /// A look now that writes if something differs.
    Sync,
    /// No run from now on.
    Pause,
    /// Runs again.
    Resume,
}

impl Action {
    /// Its name in paths, answers and the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Retry => "retry",
            Action::Sync => "sync",
            Action::Pause => "pause",
            Action::Resume => "resume",
        }
    }
}
