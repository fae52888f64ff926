//! The app.
/// x
pub struct App;
/// x
pub struct RunningApp;
